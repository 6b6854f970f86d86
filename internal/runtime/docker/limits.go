package docker

import (
	"context"

	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"

	"devs-webhook/internal/runtime"
)

const maxTmpSize = 1 << 30

// limits are what a container may use at most.
type limits struct {
	memory   int64
	nanoCPUs int64
	tmpSize  int64
}

// clamp fits the wishes to the engine's machine, which refuses more processors than it has.
func (o Options) clamp(info system.Info) limits {
	l := limits{memory: o.Memory, nanoCPUs: int64(o.CPUs * 1e9), tmpSize: o.TmpSize}
	if l.memory == 0 {
		l.memory = runtime.MemoryPerSlot(info.MemTotal, len(o.Slots))
	}
	if info.MemTotal > 0 {
		l.memory = min(l.memory, info.MemTotal)
	}
	if info.NCPU > 0 {
		l.nanoCPUs = min(l.nanoCPUs, int64(info.NCPU)*1e9)
	}
	if l.tmpSize == 0 {
		l.tmpSize = min(maxTmpSize, l.memory/2)
	}
	return l
}

// askLimits asks the engine for its size, once. The caller holds mu.
func (r *Runtime) askLimits(ctx context.Context) (limits, error) {
	if r.limits != nil {
		return *r.limits, nil
	}
	call, cancel := r.call(ctx)
	defer cancel()
	result, err := r.api.Info(call, client.InfoOptions{})
	if err != nil {
		return limits{}, r.fail(ctx, "ask the engine for its size", err)
	}
	l := r.opts.clamp(result.Info)
	r.limits = &l
	return l, nil
}
