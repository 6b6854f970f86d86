package runtimetest

import (
	"encoding/json"
	"net"
	"net/netip"

	"devs-webhook/internal/runtime/runtimetest/script"
	"devs-webhook/messages"
)

// reach: the address of this machine that an attempt is told before it is made is one where it finds what
// listens there, and stays the same.
func reach(s *suite) {
	const slot = "eamonn"
	host, err := s.rt.Reach(s.ctx(), slot)
	s.must(err)
	if _, err := netip.ParseAddr(host); err != nil {
		s.t.Fatalf("host is %q: %v", host, err)
	}
	s.find(slot, messages.FoundNothing, messages.AttemptRef{})
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	s.must(err)
	defer func() { _ = listener.Close() }()
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		if conn, err := listener.Accept(); err == nil {
			_ = conn.Close()
		}
	}()
	s.restart()
	s.sameHost(slot, host)
	address := listener.Addr().String()
	s.create(slot, Ref(1), script.Script{Facts: true, Dial: []string{address}, Events: 1})
	s.sameHost(slot, host)
	s.start(slot)
	s.sameHost(slot, host)
	s.follow(slot, 0)
	_, dir := s.collect(slot)
	var facts script.Facts
	s.must(json.Unmarshal([]byte(s.read(dir, "agent.log")), &facts))
	if why, tried := facts.Dialed[address]; !tried || why != "" {
		s.t.Errorf("the attempt could not reach %s: %v", address, facts.Dialed)
	}
	s.remove(slot)
	s.restart()
	s.sameHost(slot, host)
	_ = listener.Close()
	<-accepted
	for _, slot := range []string{"", "..", "a/b"} {
		if host, err := s.rt.Reach(s.ctx(), slot); err == nil {
			s.t.Errorf("slot %q can be reached at %s", slot, host)
		}
	}
}

func (s *suite) sameHost(slot, want string) {
	s.t.Helper()
	if got, err := s.rt.Reach(s.ctx(), slot); err != nil || got != want {
		s.t.Errorf("host is %q, %v; want %q", got, err, want)
	}
}
