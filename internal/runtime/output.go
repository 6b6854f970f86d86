package runtime

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// OutputLimits bounds what is collected, in bytes per file. Zero means the default.
type OutputLimits struct {
	Events  int64 // 50 MB
	Result  int64 // 1 MB
	Intents int64 // 1 MB
	Log     int64 // 20 MB
	Bundle  int64 // 500 MB
	Session int64 // 20 MiB, what the runner itself keeps to
}

// OutputFile is one of the known files in out/.
type OutputFile struct {
	Name  string
	Limit int64
	// Cut says that the beginning of a file above the limit is of use; else it is left out.
	Cut bool
}

// Files lists what is collected.
func (l OutputLimits) Files() []OutputFile {
	const mb = 1_000_000
	return []OutputFile{
		{Name: EventsFile, Limit: orDefault(l.Events, 50*mb), Cut: true},
		{Name: ResultFile, Limit: orDefault(l.Result, mb)},
		{Name: IntentsFile, Limit: orDefault(l.Intents, mb)},
		{Name: LogFile, Limit: orDefault(l.Log, 20*mb), Cut: true},
		{Name: BundleFile, Limit: orDefault(l.Bundle, 500*mb)},
		{Name: SessionFile, Limit: orDefault(l.Session, 20<<20)},
	}
}

func orDefault(n, def int64) int64 {
	if n > 0 {
		return n
	}
	return def
}

// Clear makes dir ready for a collection: there, private, and without files of an earlier one that was
// interrupted.
func Clear(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make output directory: %w", err)
	}
	for _, file := range (OutputLimits{}).Files() {
		if err := os.Remove(filepath.Join(dir, file.Name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clear output directory: %w", err)
		}
	}
	return nil
}

// Save writes one file of size bytes into dir, with mode 0600, and syncs it. Note is a sentence for
// people if the file was cut or left out.
func Save(dir string, file OutputFile, size int64, r io.Reader) (note string, err error) {
	if size > file.Limit && !file.Cut {
		return fmt.Sprintf("%s was left out: %d bytes, the limit is %d", file.Name, size, file.Limit), nil
	}
	if size > file.Limit {
		note = fmt.Sprintf("%s was cut: %d bytes, the limit is %d", file.Name, size, file.Limit)
		size = file.Limit
	}
	f, err := os.OpenFile(filepath.Join(dir, file.Name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("save %s: %w", file.Name, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	// The size was said before the bytes came: never read more than that, nor take less for the whole.
	if _, err := io.CopyN(f, r, size); err != nil {
		return "", fmt.Errorf("save %s: %w", file.Name, err)
	}
	if err := f.Sync(); err != nil {
		return "", fmt.Errorf("sync %s: %w", file.Name, err)
	}
	return note, nil
}

// SyncDir makes the names in dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
