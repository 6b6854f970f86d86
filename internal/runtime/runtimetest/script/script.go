// Package script is what the suite of the runtimes tells its stand-in for the runner to do, and what that
// tells back.
package script

import "time"

// Script is in/script.json. The zero value does nothing but leave a result.
type Script struct {
	Count        bool              // append a line to agent.log on each start
	Child        bool              // start a child that ignores SIGTERM, and note its number in agent.log
	Events       int               // events to write
	Pad          int               // spaces after each event's text
	Pace         time.Duration     // pause after each event
	Raw          []string          // lines to write amid the events
	Facts        bool              // write Facts to agent.log
	Dial         []string          // TCP addresses to try for Facts
	DialLink     []string          // the same, as if they were neighbours on the link, whatever the routes say
	Resolve      []string          // names to look up for Facts
	Files        map[string]int    // files of so many bytes in out/
	Links        map[string]string // symbolic links in out/, by name
	Pipes        []string          // named pipes in out/
	Dirs         []string          // directories in out/, read-only and not empty
	SparseBundle int64             // size of a work bundle that is one hole
	Memory       int               // bytes to use
	Hang         bool              // until SIGTERM
	Stubborn     bool              // hang, whatever the signal
	NoResult     bool
	Exit         int // the exit code
}

// Facts is what a process inside can tell of its surroundings.
type Facts struct {
	UID, GID, PID int
	Dir           string
	Env           []string
	Status        string          // /proc/self/status
	Writable      map[string]bool // by directory; those of the attempt without its path
	Interfaces    []string        // that are up, without loopback
	RootMount     string          // options of the root's mount
	TmpExec       bool            // a program in /tmp can be started
	TmpSize       int64
	CoreLimit     uint64
	Input         string            // of in/thread/1.md
	Routes        string            // /proc/net/route
	Inet6         string            // /proc/net/if_inet6
	Dialed        map[string]string // by address: what came of it, "" if it was connected
	Resolved      map[string]string // by name: the addresses, "" if there is none
}
