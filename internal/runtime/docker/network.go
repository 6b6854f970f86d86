package docker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"devs-webhook/internal/runtime"
	"devs-webhook/messages"
)

// Reach is where a container of the slot finds the engine's machine: the gateway address of the slot's
// network, which is made if it is not there. It stays the same as long as the network does.
// *messages.LaterError if the engine has trouble, or if the network is one of the other kind of egress and
// still in use.
func (r *Runtime) Reach(ctx context.Context, slot string) (string, error) {
	if err := runtime.CheckSlot(slot); err != nil {
		return "", fmt.Errorf("reach: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	id, err := r.ensureNetwork(ctx, slot)
	if err != nil {
		return "", err
	}
	got, err := r.inspectNetwork(ctx, id)
	if err != nil {
		return "", err
	}
	address, ok := gatewayOf(got)
	if !ok {
		return "", fmt.Errorf("the network %s has no gateway address: name the service's address with GATEWAY_ADDR", r.name(slot))
	}
	r.gateways.forget() // it may be new
	return address.String(), nil
}

// gatewayOf is a network's IPv4 gateway address.
func gatewayOf(n network.Network) (netip.Addr, bool) {
	for _, c := range n.IPAM.Config {
		if c.Gateway.Is4() {
			return c.Gateway, true
		}
	}
	return netip.Addr{}, false
}

// suits says whether a network is of the configured kind of egress.
func (r *Runtime) suits(n network.Network) bool {
	if !r.opts.internal() {
		return !n.Internal
	}
	return n.Internal && slices.ContainsFunc(n.IPAM.Config, func(c network.IPAMConfig) bool { return c.AuxAddress[nowhere].IsValid() })
}

// ensureNetwork makes the slot's network, which is its container's only one, and gives its id. One of the
// other kind of egress, from before the configuration changed, is replaced, unless it is in use: then
// *messages.LaterError.
//
// Engines before 25 accept a second network of the same name, and then refuse to start a container with
// the name as ambiguous, even if it was created with an id. That happens when the request of a service
// that was killed is carried out after its successor has looked; so all but the oldest are taken away.
// The caller holds mu.
func (r *Runtime) ensureNetwork(ctx context.Context, slot string) (id string, err error) {
	found, err := r.listNetworks(ctx, r.ours(slot))
	if err != nil {
		return "", err
	}
	slices.SortFunc(found, func(a, b network.Summary) int { return a.Created.Compare(b.Created) })
	for _, n := range found {
		switch {
		case !r.suits(n.Network):
			err = r.replaceable(r.removeNetwork(ctx, n.ID))
		case id == "":
			id = n.ID
		default:
			if err = r.removeNetwork(ctx, n.ID); refused(err) {
				err = nil
			}
		}
		if err != nil {
			return "", err
		}
	}
	if id != "" {
		return id, nil
	}
	return r.createNetwork(ctx, slot)
}

// replaceable makes of the engine's refusal to remove a network that is in use what it is: a matter of time.
func (r *Runtime) replaceable(err error) error {
	if !refused(err) || cerrdefs.IsNotFound(err) {
		return ignoreMissing(err)
	}
	return &messages.LaterError{
		Ending: messages.EndInternal,
		Err:    fmt.Errorf("replace a network of another CONTAINER_EGRESS: %w", err),
	}
}

func ignoreMissing(err error) error {
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	return err
}

func (r *Runtime) createNetwork(ctx context.Context, slot string) (id string, err error) {
	options := client.NetworkCreateOptions{Driver: "bridge", Internal: r.opts.internal(), Labels: r.slotLabels(slot)}
	if r.opts.internal() {
		if options.IPAM, err = r.deadEnd(ctx, slot, options); err != nil {
			return "", err
		}
	}
	id, err = r.tryCreateNetwork(ctx, slot, options)
	if !cerrdefs.IsConflict(err) {
		return id, err
	}
	// A newer engine keeps names apart, and such a late request was faster.
	found, err := r.listNetworks(ctx, r.ours(slot))
	if err == nil && (len(found) != 1 || !r.suits(found[0].Network)) {
		err = &messages.LaterError{Ending: messages.EndInternal, Err: errors.New("create network: the name is taken by another one")}
	}
	if err != nil {
		return "", err
	}
	return found[0].ID, nil
}

func (r *Runtime) tryCreateNetwork(ctx context.Context, slot string, options client.NetworkCreateOptions) (id string, err error) {
	call, cancel := r.call(ctx)
	defer cancel()
	made, err := r.api.NetworkCreate(call, r.name(slot), options)
	return made.ID, r.fail(ctx, "create network", err)
}

// nowhere is the auxiliary address that the engine's bridge driver takes for the containers' default route,
// in place of the bridge's own (moby, libnetwork/drivers/bridge: DefaultGatewayV4AuxKey).
const nowhere = "DefaultGatewayIPv4"

// deadEnd makes the addresses of an internal network. Older engines (20.10 does) give its containers a
// default route to the bridge all the same, and rely on the packet filter alone, which an engine may be told
// to leave alone: everything that the machine can reach could be reached. So the default route is led to an
// address of the subnet that nobody has. The engine must be told the subnet then; which one is free, only it
// knows, so it is asked by having it make a network once.
func (r *Runtime) deadEnd(ctx context.Context, slot string, options client.NetworkCreateOptions) (*network.IPAM, error) {
	id, err := r.tryCreateNetwork(ctx, slot, options)
	if err != nil {
		return nil, err
	}
	got, err := r.inspectNetwork(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := r.removeNetwork(ctx, id); err != nil {
		return nil, err
	}
	for _, c := range got.IPAM.Config {
		if c.Subnet.Addr().Is4() && c.Subnet.Bits() <= 29 {
			c.AuxAddress = map[string]netip.Addr{nowhere: lastHost(c.Subnet)}
			return &network.IPAM{Config: []network.IPAMConfig{c}}, nil
		}
	}
	return nil, fmt.Errorf("create network: the engine gave it no IPv4 subnet that a dead end would fit in: %v", got.IPAM.Config)
}

// lastHost is the last address of a subnet but the broadcast's. Engines give addresses out from the first.
func lastHost(subnet netip.Prefix) netip.Addr {
	ip := subnet.Addr().As4()
	for bit := subnet.Bits(); bit < 32; bit++ {
		ip[bit/8] |= 0x80 >> (bit % 8)
	}
	ip[3]--
	return netip.AddrFrom4(ip)
}

// inspectNetwork asks for a network by its id. One that somebody took away this very moment is a
// *messages.LaterError.
func (r *Runtime) inspectNetwork(ctx context.Context, id string) (network.Network, error) {
	call, cancel := r.call(ctx)
	defer cancel()
	got, err := r.api.NetworkInspect(call, id, client.NetworkInspectOptions{})
	if cerrdefs.IsNotFound(err) {
		return network.Network{}, &messages.LaterError{Ending: messages.EndInternal, Err: fmt.Errorf("inspect network: %w", err)}
	}
	return got.Network.Network, r.fail(ctx, "inspect network", err)
}

func (r *Runtime) listNetworks(ctx context.Context, filter client.Filters) ([]network.Summary, error) {
	call, cancel := r.call(ctx)
	defer cancel()
	list, err := r.api.NetworkList(call, client.NetworkListOptions{Filters: filter})
	return list.Items, r.fail(ctx, "list networks", err)
}

func (r *Runtime) removeNetwork(ctx context.Context, id string) error {
	call, cancel := r.call(ctx)
	defer cancel()
	_, err := r.api.NetworkRemove(call, id, client.NetworkRemoveOptions{})
	return r.fail(ctx, "remove network", err)
}
