package docker

import (
	"fmt"
	"net/netip"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"devs-webhook/messages"
)

const (
	uid  = 1000 // of the runner and the agent, in every image
	user = "1000:1000"
	// volumePath is where the attempt's volume is mounted. The attempt's directory is one level below: a
	// volume's own directory is root's, and the engine does not take its owner from an archive.
	volumePath = "/devs"
	runPath    = volumePath + "/" + runDir
	runDir     = "run"
	binPath    = volumePath + "/bin"
	binaryName = "devs-webhook"
)

// containerOptions describes a slot's container: nothing writable but its own volume and /tmp, no
// privilege and no way to one, and a bound on everything that it shares with its neighbours.
func (r *Runtime) containerOptions(l messages.Launch, g ground) client.ContainerCreateOptions {
	grace := int(r.opts.StopGrace.Seconds())
	return client.ContainerCreateOptions{
		Name: r.name(l.Slot),
		Config: &container.Config{
			Image:       r.opts.Image,
			User:        user,
			Env:         []string{"HOME=" + runPath + "/home", "LANG=C.UTF-8"},
			WorkingDir:  runPath,
			Entrypoint:  []string{binPath + "/" + binaryName},
			Cmd:         []string{"runner", "--dir", runPath},
			Labels:      r.attemptLabels(l),
			StopSignal:  "SIGTERM",
			StopTimeout: &grace,
			// An image's own health check would run programs beside the agent for nothing.
			Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
		},
		HostConfig: r.hostConfig(l, g),
	}
}

// resolvers are the name servers behind the engine's own one in the container. With an internal network
// there is none: engines before 26 passed questions on from the host's own network if the host has its name
// server on loopback (CVE-2024-29018), and names are a way to carry data out. The engine still tells the
// names of the network itself.
func (o *Options) resolvers() []netip.Addr {
	if !o.internal() {
		return nil
	}
	return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})} // the container's own loopback, where nobody answers
}

func (r *Runtime) hostConfig(l messages.Launch, g ground) *container.HostConfig {
	return &container.HostConfig{
		// What a daemon's restart ended is judged by the container actor, which alone knows the task's
		// limits; an exited container must stay, for its files and its exit code.
		RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyDisabled},
		AutoRemove:     false,
		NetworkMode:    container.NetworkMode(r.name(l.Slot)),
		DNS:            r.opts.resolvers(),
		CapDrop:        []string{"ALL"},
		SecurityOpt:    []string{"no-new-privileges"},
		ReadonlyRootfs: true,
		IpcMode:        container.IPCModePrivate,
		Runtime:        r.opts.OCIRuntime,
		// exec, because builds put programs there and start them.
		Tmpfs: map[string]string{"/tmp": fmt.Sprintf("rw,exec,nosuid,nodev,mode=1777,size=%d", g.limits.tmpSize)},
		// Rotated, for the disk's sake; the record is the events file. Not the driver "local", which on
		// engine 20.10 joins a line of more than 16 KiB with the next one.
		LogConfig: container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "10m", "max-file": "3"}},
		Resources: container.Resources{
			Memory:     g.limits.memory,
			MemorySwap: g.limits.memory, // memory and swap together: no swap
			NanoCPUs:   g.limits.nanoCPUs,
			PidsLimit:  &r.opts.PIDs,
			Ulimits: []*container.Ulimit{
				{Name: "core", Soft: 0, Hard: 0},
				{Name: "nofile", Soft: 16384, Hard: 16384},
			},
		},
		Mounts: []mount.Mount{
			{
				Type: mount.TypeVolume, Source: r.volumeName(l), Target: volumePath,
				VolumeOptions: &mount.VolumeOptions{NoCopy: true, Labels: r.attemptLabels(l)},
			},
			g.runner.mount(true),
		},
	}
}
