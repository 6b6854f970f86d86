package git

import "golang.org/x/sys/unix"

// limitMemory bounds the data of a process that runs: a small work can describe a tree of 10^10 files, and
// git counts them in memory. Mapped files, such as the mirror's packs, are not data. A process that has
// ended meanwhile needs no limit, and one that has a lower one keeps it.
func limitMemory(pid int, most uint64) {
	_ = unix.Prlimit(pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: most, Max: most}, nil)
}
