package docker

import (
	"context"
	"errors"
	"slices"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"

	"devs-webhook/messages"
)

// oldRunner is the age from which the runner of another release goes, if no container uses it.
const oldRunner = 24 * time.Hour

// Sweep removes what this installation left on the engine and keep does not want: containers, volumes,
// the networks of slots that are not configured any more, and runners of other releases. keep is asked
// about each attempt after it was seen, and must look at the store then, not before: an attempt is in
// the store before it is on the engine. What cannot be removed does not stop the rest.
func (r *Runtime) Sweep(ctx context.Context, keep func(messages.AttemptRef) bool) (removed int, err error) {
	s := sweep{Runtime: r, keep: keep}
	err = errors.Join(s.containers(ctx), s.volumes(ctx), s.networks(ctx), s.runners(ctx))
	return s.removed, err
}

type sweep struct {
	*Runtime
	keep    func(messages.AttemptRef) bool
	removed int
}

// count counts a removal that went well, and passes the error on.
func (s *sweep) count(err error) error {
	if err == nil {
		s.removed++
	}
	return err
}

func (s *sweep) wanted(labels map[string]string) bool {
	ref := s.attemptOf(labels)
	return ref != messages.AttemptRef{} && s.keep(ref)
}

func (s *sweep) containers(ctx context.Context) error {
	list, err := s.listContainers(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range list {
		if s.wanted(c.Labels) {
			continue
		}
		errs = append(errs, s.container(ctx, c))
	}
	return errors.Join(errs...)
}

func (s *sweep) container(ctx context.Context, c container.Summary) error {
	if c.Labels[labelRunner] != "" {
		// A helper that fills the runner's volume: left over only if nobody fills.
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	return s.count(s.removeContainer(ctx, c.ID))
}

func (s *sweep) volumes(ctx context.Context) error {
	list, err := s.listVolumes(ctx, s.ours(""))
	if err != nil {
		return err
	}
	var errs []error
	for _, v := range list {
		if s.wanted(v.Labels) {
			continue
		}
		errs = append(errs, s.volume(ctx, v.Name))
	}
	return errors.Join(errs...)
}

// volume removes a volume, unless a container uses it.
func (s *sweep) volume(ctx context.Context, name string) error {
	err := s.removeVolume(ctx, name)
	if cerrdefs.IsConflict(err) {
		return nil
	}
	return s.count(err)
}

// networks leaves those of configured slots, and those that a container still needs: one that was never
// started holds no endpoint, so the engine itself would not object.
func (s *sweep) networks(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	used, err := s.listContainers(ctx)
	if err != nil {
		return err
	}
	list, err := s.listNetworks(ctx, s.ours(""))
	if err != nil {
		return err
	}
	var errs []error
	for _, network := range list {
		slot := network.Labels[labelSlot]
		if slices.Contains(s.opts.Slots, slot) ||
			slices.ContainsFunc(used, func(c container.Summary) bool { return c.Labels[labelSlot] == slot }) {
			continue
		}
		if err := s.count(s.removeNetwork(ctx, network.ID)); err != nil && !refused(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// runners removes those of other releases, of any installation: who needs one again fills it again.
func (s *sweep) runners(ctx context.Context) error {
	s.mu.Lock()
	current, err := s.readRunner()
	s.mu.Unlock()
	if err != nil {
		return err
	}
	list, err := s.listVolumes(ctx, make(client.Filters).Add("label", labelRunner))
	if err != nil {
		return err
	}
	var errs []error
	for _, v := range list {
		created, err := time.Parse(time.RFC3339, v.Labels[labelCreated])
		if v.Name == current.volume() || err != nil || time.Since(created) < oldRunner {
			continue
		}
		errs = append(errs, s.volume(ctx, v.Name))
	}
	return errors.Join(errs...)
}

func (r *Runtime) listContainers(ctx context.Context) ([]container.Summary, error) {
	call, cancel := r.call(ctx)
	defer cancel()
	list, err := r.api.ContainerList(call, client.ContainerListOptions{All: true, Filters: r.ours("")})
	return list.Items, r.fail(ctx, "list containers", err)
}

func (r *Runtime) listVolumes(ctx context.Context, filter client.Filters) ([]volume.Volume, error) {
	call, cancel := r.call(ctx)
	defer cancel()
	list, err := r.api.VolumeList(call, client.VolumeListOptions{Filters: filter})
	return list.Items, r.fail(ctx, "list volumes", err)
}
