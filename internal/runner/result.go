package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"devs-webhook/messages"
)

// writeResult puts the result into place whole and durably. Whatever the agent has left under its name is replaced.
func writeResult(out string, result messages.Result) error {
	data, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	temp := filepath.Join(out, ".result.json.new")
	if err := os.RemoveAll(temp); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	if err := writeNew(temp, append(data, '\n')); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	if err := putInPlace(temp, filepath.Join(out, resultFile)); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return syncDir(out)
}

// writeNew writes a file that was not there, durably.
func writeNew(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Sync(), file.Close())
}

// putInPlace renames a file over whatever is there: an agent may have made a directory of that name.
func putInPlace(temp, path string) error {
	err := os.Rename(temp, path)
	if err == nil {
		return nil
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}
