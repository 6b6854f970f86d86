package runtime

const maxMemoryPerSlot = 4 << 30

// MemoryPerSlot is the default memory limit of one slot in bytes: the lesser of 4 GiB and an equal share
// of 70 % of the machine's total, so that all slots at work leave room for the machine itself.
func MemoryPerSlot(total int64, slots int) int64 {
	share := total / 10 * 7 / int64(max(slots, 1))
	return min(share, maxMemoryPerSlot)
}
