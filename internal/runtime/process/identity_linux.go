package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// describe is the shell's way to note down when the process $$ started: its stat line, and which boot of
// the machine that is counted from.
const describe = `cat /proc/$$/stat /proc/sys/kernel/random/boot_id`

// identity is a process, told from a later one of the same number.
type identity struct {
	pid   int
	start string // field 22 of its stat line, ticks since boot; and the boot's id
}

// startTime takes the start time out of what describe noted.
func startTime(noted string) string {
	line, boot, _ := strings.Cut(noted, "\n")
	return stat(line).field(22) + " " + strings.TrimSpace(boot)
}

// stat is the line of /proc/<pid>/stat, see proc_pid_stat(5). The second field, the program's name in
// parentheses, may hold spaces and parentheses.
type stat string

// field counts from 1, as the manual does; from 3 on.
func (s stat) field(n int) string {
	_, rest, _ := cutLast(string(s), ")")
	fields := strings.Fields(rest)
	if n < 3 || n-3 >= len(fields) {
		return ""
	}
	return fields[n-3]
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// alive says whether the process still runs. A zombie does not: it has ended, and only waits to be asked.
func (p identity) alive() (bool, error) {
	start, state, err := look(p.pid)
	return start == p.start && state != "" && state != "Z" && state != "X", err
}

// look reads when the process of this number started, and its state; empty if there is none.
func look(pid int) (start, state string, err error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", "", fmt.Errorf("look for process: %w", err)
	}
	line, err := readStat(pid)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return " " + strings.TrimSpace(string(boot)), "", nil
	}
	if err != nil {
		return "", "", fmt.Errorf("look for process: %w", err)
	}
	return line.field(22) + " " + strings.TrimSpace(string(boot)), line.field(3), nil
}

// lost says that nothing of p can be left: the machine was booted since, or its number is another's, which
// the kernel does not give out while a session of that number has members.
func (p identity) lost() (bool, error) {
	start, state, err := look(p.pid)
	if err != nil {
		return false, err
	}
	if state == "" { // nobody has the number: same boot?
		_, boot, _ := strings.Cut(p.start, " ")
		return start != " "+boot, nil
	}
	return start != p.start, nil
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return stat(text), err
}

// family lists the processes of the session that p leads, or led, and their descendants, which may be in
// sessions of their own. A descendant that cut both ties is not found.
func (p identity) family() ([]identity, error) {
	if lost, err := p.lost(); lost || err != nil {
		return nil, err
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	_, boot, _ := strings.Cut(p.start, " ")
	leader := strconv.Itoa(p.pid)
	var table []member
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		line, err := readStat(pid)
		if err != nil || line.field(3) == "Z" {
			continue
		}
		parent, _ := strconv.Atoi(line.field(4))
		table = append(table, member{
			identity: identity{pid: pid, start: line.field(22) + " " + boot},
			parent:   parent,
			own:      line.field(6) == leader,
		})
	}
	return descend(table), nil
}
