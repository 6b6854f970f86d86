package docker

import (
	"context"
	"slices"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// ensureNetwork makes the slot's network, which is its container's only one. It is not an internal one:
// the agent speaks to its model's API from here. Once that goes by a gateway on the network's own
// address, nothing else in this package stands against making it so.
//
// Engines before 25 accept a second network of the same name, and then refuse to start a container with
// the name as ambiguous, even if it was created with an id. That happens when the request of a service
// that was killed is carried out after its successor has looked; so all but the oldest are taken away.
// The caller holds mu.
func (r *Runtime) ensureNetwork(ctx context.Context, slot string) error {
	found, err := r.listNetworks(ctx, r.ours(slot))
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return r.createNetwork(ctx, slot)
	}
	slices.SortFunc(found, func(a, b network.Summary) int { return a.Created.Compare(b.Created) })
	for _, extra := range found[1:] {
		if err := r.removeNetwork(ctx, extra.ID); err != nil && !refused(err) {
			return err
		}
	}
	return nil
}

func (r *Runtime) createNetwork(ctx context.Context, slot string) error {
	call, cancel := r.call(ctx)
	defer cancel()
	_, err := r.api.NetworkCreate(call, r.name(slot), client.NetworkCreateOptions{Driver: "bridge", Labels: r.slotLabels(slot)})
	if cerrdefs.IsConflict(err) {
		return nil // a newer engine keeps names apart, and such a late request was faster
	}
	return r.fail(ctx, "create network", err)
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
