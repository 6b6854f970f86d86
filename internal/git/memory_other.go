//go:build !linux

package git

// limitMemory does nothing where a running process cannot be limited. Only the context's deadline ends a
// git that counts too much there.
func limitMemory(int, uint64) {}
