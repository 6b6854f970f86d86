package runtime

import (
	"fmt"
	"regexp"
)

// The directories of an attempt, below its own one.
const (
	InDir   = "in"        // what the service gives
	OutDir  = "out"       // what comes out
	WorkDir = "workspace" // the checked out repository
	HomeDir = "home"      // the agent's home
)

// The files in out/ that are collected. Everything else there stays where it is.
const (
	EventsFile  = "events.jsonl"
	ResultFile  = "result.json"
	IntentsFile = "intents.json"
	BundleFile  = "work.bundle"
	LogFile     = "agent.log"
	SessionFile = "session.tar"
)

// slotName is what Docker takes as a name, so that one rule holds everywhere; a name of this form is
// also a safe file name.
var slotName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$`)

// CheckSlot refuses a slot's name that could not be a container's or a directory's.
func CheckSlot(slot string) error {
	if !slotName.MatchString(slot) {
		return fmt.Errorf("slot name %q: want a letter or digit, then up to 62 letters, digits, '_', '.' or '-'", slot)
	}
	return nil
}
