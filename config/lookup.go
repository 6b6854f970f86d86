package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/joho/godotenv"
)

const (
	fileSuffix = "_FILE" // of the variable that names a secret's file
	// mostFile bounds a file of secrets or variables.
	mostFile = 1 << 20
)

// Environ makes a lookup of a list of NAME=value, such as os.Environ gives. Names match in any case, the
// exact one first; of two that differ in case only, the earlier counts. What is not there is "".
func Environ(environ []string) func(name string) string {
	exact, folded := map[string]string{}, map[string]string{}
	for _, entry := range environ {
		name, value, ok := strings.Cut(entry, "=")
		if !ok || value == "" {
			continue
		}
		if _, have := exact[name]; !have {
			exact[name] = value
		}
		if _, have := folded[strings.ToUpper(name)]; !have {
			folded[strings.ToUpper(name)] = value
		}
	}
	return func(name string) string {
		if value, ok := exact[name]; ok {
			return value
		}
		return folded[strings.ToUpper(name)]
	}
}

// layer is a place that values come from.
type layer struct {
	get    func(name string) string
	origin string
}

// lookup finds values in layers, the first of which wins.
type lookup struct {
	layers      []layer
	credentials string // systemd's directory of them, looked at after the first layer; "" is none
	home        string
	faults      *faults
}

// find gives a variable's value and where it came from. A fault of the place itself is noted.
func (l *lookup) find(v Variable) (value, origin string) {
	for i, place := range l.layers {
		if value, origin = l.findIn(place, v); origin != "" {
			return value, origin
		}
		if i == 0 && v.Secret {
			if value, origin = l.credential(v.Name); origin != "" {
				return value, origin
			}
		}
	}
	return "", ""
}

func (l *lookup) findIn(place layer, v Variable) (value, origin string) {
	value = place.get(v.Name)
	if !v.Secret {
		if value = strings.TrimSpace(value); value != "" {
			return value, place.origin
		}
		return "", ""
	}
	value = strings.TrimRight(value, "\r\n")
	path := strings.TrimSpace(place.get(v.Name + fileSuffix))
	switch {
	case value != "" && path != "":
		l.faults.addExample(v.Name, "is set twice: itself and by "+v.Name+fileSuffix, "")
		return value, place.origin
	case value != "":
		return value, place.origin
	case path != "":
		return l.secretFile(v.Name, path), place.origin + ", " + v.Name + fileSuffix
	}
	return "", ""
}

// secretFile reads a secret from a file that somebody named, so that its absence is a fault.
func (l *lookup) secretFile(name, path string) string {
	path, err := expandHome(path, l.home)
	if err == nil {
		var data []byte
		if data, err = readFile(path); err == nil {
			if value := strings.TrimRight(string(data), "\r\n"); value != "" {
				return value
			}
			err = errors.New("it is empty")
		}
	}
	l.faults.addExample(name+fileSuffix, fmt.Sprintf("names a file that cannot be used: %v", cause(err)), "/run/secrets/"+strings.ToLower(name))
	return ""
}

// credential reads a systemd credential, named as the variable or in lower case.
func (l *lookup) credential(name string) (value, origin string) {
	if l.credentials == "" {
		return "", ""
	}
	for _, file := range []string{name, strings.ToLower(name)} {
		data, err := readFile(filepath.Join(l.credentials, file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			l.faults.addExample(name, fmt.Sprintf("is a systemd credential that cannot be read: %v", cause(err)), "")
			return "", ""
		}
		if value = strings.TrimRight(string(data), "\r\n"); value != "" {
			return value, "systemd credential"
		}
	}
	return "", ""
}

// envFile makes a layer of a file of NAME=value lines.
func envFile(path string) (layer, error) {
	data, err := readFile(path)
	if err != nil {
		return layer{}, cause(err)
	}
	values, err := godotenv.UnmarshalBytes(data)
	if err != nil {
		// Its error quotes the file, which may hold secrets.
		return layer{}, errors.New("a line is neither NAME=value nor a comment")
	}
	entries := make([]string, 0, len(values))
	for name, value := range values {
		entries = append(entries, name+"="+value)
	}
	return layer{get: Environ(entries), origin: path}, nil
}

// readFile reads a small file, which may also be a pipe.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, mostFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > mostFile {
		return nil, errors.New("it is larger than 1 MiB")
	}
	return data, nil
}

// cause is the error without the path and the system call, for a sentence that names the file.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// expandHome replaces a leading ~ by the home directory.
func expandHome(path, home string) (string, error) {
	rest, tilde := strings.CutPrefix(path, "~")
	if !tilde {
		return path, nil
	}
	if rest != "" && rest[0] != '/' {
		return "", errors.New("it begins with somebody else's ~")
	}
	if home == "" {
		return "", errors.New("it begins with ~, and HOME is not set")
	}
	return filepath.Join(home, rest), nil
}
