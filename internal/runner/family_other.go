//go:build !linux

package runner

import "syscall"

// newFamily does without the care for orphans: outside Linux nobody can be made their parent. The agent's process
// group is still ended.
func newFamily() (*family, error) {
	return &family{own: map[int]struct{}{}, ring: make(chan struct{}, 1)}, nil
}

func (f *family) close() {}

func (f *family) reap() {}

func killDescendants() int { return 0 }

func agentAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
