package docker

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// gatewaysFor is how long a list of addresses is good. A network that goes leaves an address that is no
// longer this machine's, so an old list opens nothing.
const gatewaysFor = 5 * time.Second

// gateways is the last list of addresses.
type gateways struct {
	mu   sync.Mutex // held while the engine is asked, so that one asks for all
	list []netip.Addr
	at   time.Time // zero: ask again
}

func (g *gateways) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at = time.Time{}
}

// Gateways lists the gateway addresses of the networks of this installation's slots: where attempts find
// the engine's machine. It asks the engine every few seconds at most. While the engine does not answer, the
// last list stands, as containers may outlive the engine's restart; an error means that there is none yet.
func (r *Runtime) Gateways(ctx context.Context) ([]netip.Addr, error) {
	g := &r.gateways
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.at.IsZero() && time.Since(g.at) < gatewaysFor {
		return slices.Clone(g.list), nil
	}
	found, err := r.listNetworks(ctx, r.ours(""))
	if err != nil {
		if g.list == nil {
			return nil, err
		}
		g.at = time.Now() // not each connection shall wait for an engine that is away
		return slices.Clone(g.list), nil
	}
	g.list = make([]netip.Addr, 0, len(found))
	for _, n := range found {
		if address, ok := gatewayOf(n.Network); ok {
			g.list = append(g.list, address)
		}
	}
	g.at = time.Now()
	return slices.Clone(g.list), nil
}
