package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// maxLog bounds out/agent.log, in bytes.
const maxLog = 20 << 20

// cappedLog is out/agent.log: what the agent and the setup commands printed, as they printed it, up to a limit.
// It is safe for concurrent use. A log that cannot be written is no reason to end a run.
type cappedLog struct {
	mu   sync.Mutex
	file *os.File
	left int
}

func newLog(out string) (*cappedLog, error) {
	file, err := os.OpenFile(filepath.Join(out, "agent.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return &cappedLog{file: file, left: maxLog}, nil
}

// Write takes all of b and never fails.
func (l *cappedLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left == 0 {
		return len(b), nil
	}
	kept := b[:min(len(b), l.left)]
	l.left -= len(kept)
	_, _ = l.file.Write(kept)
	if l.left == 0 {
		_, _ = l.file.WriteString("\n[the log is cut here: it has reached its limit]\n")
	}
	return len(b), nil
}

func (l *cappedLog) writeln(text string) { _, _ = l.Write([]byte(text + "\n")) }

func (l *cappedLog) close() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("close log: %w", err)
	}
	return nil
}
