package docker

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"devs-webhook/internal/runtime/runtimetest"
	"devs-webhook/internal/runtime/runtimetest/script"
	"devs-webhook/messages"
)

// listenOn gives the port of a listener that takes every connection.
func listenOn(t *testing.T, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-stopped })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func reach(t *testing.T, r *Runtime, slot string) string {
	t.Helper()
	host, err := r.Reach(t.Context(), slot)
	if err != nil {
		t.Fatal(err)
	}
	return host
}

// hostAddress is an address of this machine's that belongs to no network of the engine's.
func hostAddress(t *testing.T) string {
	t.Helper()
	conn, err := net.Dial("udp", "192.0.2.123:9") // nothing is sent
	if err != nil {
		t.Skip("this machine has no network: ", err)
	}
	defer conn.Close()
	host, _, _ := net.SplitHostPort(conn.LocalAddr().String())
	return host
}

// look runs an attempt that tries the network.
func look(t *testing.T, r *Runtime, slot string, s script.Script) script.Facts {
	t.Helper()
	s.Facts, s.Events = true, 1
	_, out := run(t, r, slot, s)
	if err := r.Remove(t.Context(), slot); err != nil {
		t.Error(err)
	}
	return readFacts(t, out)
}

// TestNoEgress: a container reaches the gateway address of its network, and no other machine. On an engine
// without a packet filter, all that listens there on every address is in reach, and what listens on loopback
// only is not.
func TestNoEgress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.open(nil)
	mine, other, host := reach(t, r, "a"), reach(t, r, "b"), hostAddress(t)
	gateway, everywhere, loopback := listenOn(t, mine), listenOn(t, "0.0.0.0"), listenOn(t, "127.0.0.1")
	// A neighbour that runs, as an address to try.
	if err := r.Create(t.Context(), runtimetest.Launch(t, "b", runtimetest.Ref(2), script.Script{Hang: true})); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	neighbour := netip.MustParseAddr(other).Next().String()
	want := map[string]string{
		mine + ":" + gateway:      "", // what Reach is for
		mine + ":" + everywhere:   "", // what a firewall of the machine's own must keep from it
		mine + ":" + loopback:     "connection refused",
		"169.254.169.254:80":      unreached,
		host + ":" + everywhere:   unreached,
		other + ":" + everywhere:  unreached, // the gateway of another slot
		neighbour + ":80":         unreached, // and its container
		"192.0.2.1:80":            unreached,
		"10.0.0.1:80":             unreached,
		"1.1.1.1:443":             unreached,
		"[fd00::2]:80":            unreached,
		"[2606:4700::1111]:443":   unreached,
		"127.0.0.1:" + everywhere: "connection refused", // its own
	}
	// What knows how to go past the routes has the engine's machine for its only neighbour, under any of its
	// addresses, since it answers for all of them on each of its links (arp_ignore 0). It finds there what it
	// finds at the gateway address, and what listens on another address alone. Nobody passes it on.
	s := script.Script{
		Resolve:  []string{"example.com", "github.com"},
		DialLink: []string{"169.254.169.253:80", "192.0.2.3:80", "8.8.8.8:443", host + ":" + loopback, host + ":" + gateway},
	}
	for address := range want {
		s.Dial = append(s.Dial, address)
	}
	facts := look(t, r, "a", s)
	for address, why := range want {
		got, tried := facts.Dialed[address]
		if !tried || why == "" && got != "" || why == unreached && got == "" || why != unreached && !strings.Contains(got, why) {
			t.Errorf("%s: %q, want %q", address, got, why)
		}
	}
	for _, address := range s.DialLink {
		if why, tried := facts.Dialed[address]; !tried || why == "" {
			t.Errorf("%s was reached past the routes", address)
		}
	}
	for name, found := range facts.Resolved {
		if found != "" {
			t.Errorf("%s was resolved: %s", name, found)
		}
	}
	checkRoutes(t, facts, mine)
	got, err := w.api.ContainerInspect(t.Context(), r.name("b"), client.ContainerInspectOptions{})
	if err != nil || len(got.Container.NetworkSettings.Networks) != 1 ||
		got.Container.NetworkSettings.Networks[r.name("b")].IPAddress.String() != neighbour {
		t.Errorf("the neighbour is not at %s: %v", neighbour, err)
	}
	if len(got.Container.HostConfig.DNS) != 1 || got.Container.HostConfig.DNS[0].String() != "127.0.0.1" {
		t.Errorf("name servers are %v", got.Container.HostConfig.DNS)
	}
	if err := r.Remove(t.Context(), "b"); err != nil {
		t.Error(err)
	}
}

// unreached is any failure to connect: an engine may give no default route, or one to nowhere.
const unreached = "not connected"

// checkRoutes checks that no route leads by the gateway address, and that there is no address of IPv6.
func checkRoutes(t *testing.T, facts script.Facts, gateway string) {
	t.Helper()
	ip := netip.MustParseAddr(gateway).As4()
	hex := fmt.Sprintf("%02X%02X%02X%02X", ip[3], ip[2], ip[1], ip[0]) // as on a little-endian machine
	seen := 0
	for line := range strings.Lines(facts.Routes) {
		f := strings.Fields(line) // columns: Iface Destination Gateway Flags …
		if f[0] == "eth0" && f[2] != hex {
			seen++
		} else if f[0] != "Iface" {
			t.Errorf("route %s", line)
		}
	}
	if seen == 0 {
		t.Errorf("no route at all: %s", facts.Routes)
	}
	for line := range strings.Lines(facts.Inet6) {
		if !strings.HasSuffix(strings.TrimSpace(line), " lo") && !strings.Contains(line, "no such file") {
			t.Errorf("it has an address of IPv6: %s", line)
		}
	}
}

func TestEgressOpen(t *testing.T) {
	t.Parallel()
	r := newWorld(t).open(func(o *Options) { o.Egress = EgressOpen })
	everywhere := listenOn(t, "0.0.0.0")
	mine, beyond := reach(t, r, "a")+":"+everywhere, hostAddress(t)+":"+everywhere
	facts := look(t, r, "a", script.Script{Dial: []string{mine, beyond}})
	for _, address := range []string{mine, beyond} {
		if why, tried := facts.Dialed[address]; !tried || why != "" {
			t.Errorf("%s: %v", address, facts.Dialed)
		}
	}
}

// TestEgressChanges: a network of the other kind is replaced, as soon as nobody uses it.
func TestEgressChanges(t *testing.T) {
	t.Parallel()
	for from, to := range map[string]string{EgressOpen: EgressNone, EgressNone: EgressOpen} {
		w := newWorld(t)
		before := w.open(func(o *Options) { o.Egress = from })
		after := w.open(func(o *Options) { o.Egress = to })
		internal := func() bool {
			t.Helper()
			got, err := w.api.NetworkInspect(t.Context(), before.name("a"), client.NetworkInspectOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return got.Network.Internal
		}
		if err := before.Create(t.Context(), runtimetest.Launch(t, "a", runtimetest.Ref(1), script.Script{Hang: true})); err != nil {
			t.Fatal(err)
		}
		if err := before.Start(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		_, err := after.Reach(t.Context(), "a")
		if _, ok := errors.AsType[*messages.LaterError](err); !ok {
			t.Errorf("%s to %s while it is in use: %v, want a LaterError", from, to, err)
		}
		if got, want := internal(), from == EgressNone; got != want {
			t.Errorf("%s: internal is %v", from, got)
		}
		if err := after.Remove(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		reach(t, after, "a")
		if got, want := internal(), to == EgressNone; got != want {
			t.Errorf("%s to %s: internal is %v", from, to, got)
		}
		// One that was made and not started starts in the network of its name.
		if err := after.Create(t.Context(), runtimetest.Launch(t, "a", runtimetest.Ref(2), script.Script{})); err != nil {
			t.Fatal(err)
		}
		reach(t, before, "a")
		if err := before.Start(t.Context(), "a"); err != nil {
			t.Error(err)
		}
		if err := before.Remove(t.Context(), "a"); err != nil {
			t.Error(err)
		}
	}
	if _, err := New(Options{Instance: "i", Image: "x", RunnerPath: "x", Egress: "some"}); err == nil {
		t.Error("an egress that is neither was accepted")
	}
}

func TestGateways(t *testing.T) {
	t.Parallel()
	r, stranger := newWorld(t).open(nil), newWorld(t).open(nil)
	if list, err := r.Gateways(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("of no network: %v, %v", list, err)
	}
	reach(t, stranger, "a")
	want := []string{reach(t, r, "a"), reach(t, r, "b")} // after a list without them was cached
	list, err := r.Gateways(t.Context())
	var got []string
	for _, address := range list {
		got = append(got, address.String())
	}
	slices.Sort(want)
	slices.Sort(got)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("gateways are %v, %v; want %v", got, err, want)
	}
}

// TestGatewaysWithoutEngine: what was known stands, and is not asked for at each connection.
func TestGatewaysWithoutEngine(t *testing.T) {
	var away atomic.Bool
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case strings.HasSuffix(req.URL.Path, "/_ping"):
			w.Header().Set("Api-Version", "1.41")
		case away.Load():
			asked.Add(1)
			http.Error(w, `{"message":"away"}`, http.StatusInternalServerError)
		default:
			asked.Add(1)
			_, _ = w.Write([]byte(`[{"Id":"n","IPAM":{"Config":[{"Subnet":"fd00:1::/64","Gateway":"fd00:1::1"},{"Subnet":"172.30.0.0/16","Gateway":"172.30.0.1"}]}},{"Id":"m"}]`))
		}
	}))
	defer server.Close()
	r, err := New(Options{Host: "tcp://" + server.Listener.Addr().String(), Instance: "i", Image: "x", RunnerPath: "x", CallTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	away.Store(true)
	if list, err := r.Gateways(t.Context()); err == nil {
		t.Errorf("of an engine that was never there: %v", list)
	}
	away.Store(false)
	check := func() {
		t.Helper()
		if list, err := r.Gateways(t.Context()); err != nil || len(list) != 1 || list[0].String() != "172.30.0.1" {
			t.Errorf("gateways are %v, %v", list, err)
		}
	}
	check()
	away.Store(true)
	r.gateways.forget()
	check()
	before := asked.Load()
	check()
	if asked.Load() != before {
		t.Error("the engine was asked again at once")
	}
}
