//go:build unix && !linux

package process

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// describe is the shell's way to note down when the process $$ started.
const describe = `LC_ALL=C ps -o lstart= -p $$`

// identity is a process, told from a later one of the same number.
type identity struct {
	pid   int
	start string // as ps shows it, to the second
}

// startTime takes the padding out of a date, which differs with the columns around it.
func startTime(noted string) string { return strings.Join(strings.Fields(noted), " ") }

// alive says whether the process still runs. A zombie does not: it has ended, and only waits to be asked.
func (p identity) alive() (bool, error) {
	cmd := exec.Command("ps", "-o", "stat=,lstart=", "-p", strconv.Itoa(p.pid))
	cmd.Env = []string{"LC_ALL=C", "PATH=/bin:/usr/bin"}
	out, err := cmd.Output()
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return false, nil // no such process
	}
	if err != nil {
		return false, fmt.Errorf("look for process: %w", err)
	}
	state, start, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	return !strings.HasPrefix(state, "Z") && startTime(start) == p.start, nil
}

// family lists the processes of the group that p leads and their descendants.
func (p identity) family() ([]identity, error) {
	if alive, err := p.alive(); !alive || err != nil {
		return nil, err // without its leader nothing says that a group of this number is still ours
	}
	cmd := exec.Command("ps", "-axo", "pid=,ppid=,pgid=,stat=,lstart=")
	cmd.Env = []string{"LC_ALL=C", "PATH=/bin:/usr/bin"}
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var table []member
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 5 || strings.HasPrefix(f[3], "Z") {
			continue
		}
		pid, _ := strconv.Atoi(f[0])
		parent, _ := strconv.Atoi(f[1])
		table = append(table, member{
			identity: identity{pid: pid, start: startTime(strings.Join(f[4:], " "))},
			parent:   parent,
			own:      f[2] == strconv.Itoa(p.pid),
		})
	}
	return descend(table), nil
}
