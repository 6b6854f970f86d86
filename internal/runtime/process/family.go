//go:build unix

package process

// member is one process of the system, as its table shows it.
type member struct {
	identity
	parent int
	own    bool // of the session in question
}

// descend picks the session's own members out of the table, and all that descend from them.
func descend(table []member) []identity {
	children := make(map[int][]member)
	var open []member
	for _, m := range table {
		children[m.parent] = append(children[m.parent], m)
		if m.own {
			open = append(open, m)
		}
	}
	seen := make(map[int]bool)
	var family []identity
	for len(open) > 0 {
		m := open[len(open)-1]
		open = open[:len(open)-1]
		if seen[m.pid] {
			continue
		}
		seen[m.pid] = true
		family = append(family, m.identity)
		open = append(open, children[m.pid]...)
	}
	return family
}
