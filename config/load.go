package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v10"
)

// Flags are what the command line says, in place of variables. What is empty or nil is not said.
type Flags struct {
	Source  string // TASK_SOURCE
	Host    string // WEBHOOK_HOST
	Port    *int   // WEBHOOK_PORT
	Dev     *bool  // DEV_MODE; true also reads ./.env, if there is one and EnvFile is empty
	EnvFile string // a file of NAME=value lines, which the environment overrides
}

// values are those said, by variable.
func (f Flags) values() map[string]string {
	said := map[string]string{"TASK_SOURCE": f.Source, "WEBHOOK_HOST": f.Host}
	if f.Port != nil {
		said["WEBHOOK_PORT"] = strconv.Itoa(*f.Port)
	}
	if f.Dev != nil {
		said["DEV_MODE"] = strconv.FormatBool(*f.Dev)
	}
	return said
}

// Load makes the configuration from a lookup of the environment, usually Environ(os.Environ()), and from
// the flags. It reads the files that they name, and nothing else.
//
// If something is wrong, the error is a *FaultsError with all of it, and the Config holds what could be
// understood: enough to Print, not to run.
func Load(get func(name string) string, flags Flags) (Config, error) {
	found := &faults{vars: Variables()}
	from := lookup{
		layers:      []layer{{get, "environment"}},
		credentials: get("CREDENTIALS_DIRECTORY"),
		home:        get("HOME"),
		faults:      found,
	}
	from.addEnvFile(flags)

	c := Config{origins: map[string]string{}}
	values := c.gather(&from, flags.values(), get("STATE_DIRECTORY"))
	c.parse(values, found)
	c.check(found)
	c.warn(from)
	return c, found.err()
}

// addEnvFile adds the file that the flags name as the last layer.
func (l *lookup) addEnvFile(flags Flags) {
	path, optional := flags.EnvFile, false
	if path == "" && flags.Dev != nil && *flags.Dev {
		path, optional = ".env", true
	}
	if path == "" {
		return
	}
	file, err := envFile(path)
	switch {
	case err == nil:
		l.layers = append(l.layers, file)
	case optional && errors.Is(err, fs.ErrNotExist):
	default:
		l.faults.addExample("--env-file", fmt.Sprintf("names a file that cannot be used, %s: %v", path, err), "/etc/devs-webhook/env")
	}
}

// gather finds the text of every variable, the defaults that depend on something included.
func (c *Config) gather(from *lookup, said map[string]string, stateDirectory string) map[string]string {
	values := map[string]string{}
	for _, v := range from.faults.vars {
		value, origin := said[v.Name], "flag"
		if value == "" {
			value, origin = from.find(v)
		}
		if value != "" {
			values[v.Name], c.origins[v.Name] = v.normal(value), origin
		}
	}
	if values["STATE_DIR"] == "" {
		// systemd gives a list if the unit names several; the first is meant for us.
		first, _, _ := strings.Cut(stateDirectory, ":")
		if values["STATE_DIR"] = first; first != "" {
			c.origins["STATE_DIR"] = "systemd"
		} else {
			values["STATE_DIR"] = "~/.devs-webhook"
		}
	}
	dir, err := expandHome(values["STATE_DIR"], from.home)
	if err != nil {
		from.faults.add("STATE_DIR", fmt.Sprintf("%s cannot be used: %v", quote(values["STATE_DIR"]), err))
	}
	values["STATE_DIR"] = dir
	if dev, err := parseBool(values["DEV_MODE"]); err == nil && dev {
		for _, v := range from.faults.vars {
			if values[v.Name] == "" && v.DevDefault != "" {
				values[v.Name] = v.DevDefault
			}
		}
	}
	return values
}

// normal is a value in the form that is parsed: choices in lower case, bare numbers with their unit.
func (v Variable) normal(value string) string {
	if len(v.OneOf) > 0 {
		value = strings.ToLower(value)
	}
	if v.Name == "LOG_LEVEL" {
		// The original's names for them.
		switch value {
		case "warning":
			value = "warn"
		case "critical":
			value = "error"
		}
	}
	if v.bare != "" && isNumber(value) {
		value += v.bare
	}
	return value
}

// parse fills the configuration and checks each value by itself.
func (c *Config) parse(values map[string]string, found *faults) {
	byField := map[string]Variable{}
	for _, v := range found.vars {
		byField[v.field] = v
	}
	// No secret is in such an error: their parser takes everything.
	err := env.ParseWithOptions(c, env.Options{Environment: values, FuncMap: parsers()})
	if all, ok := errors.AsType[env.AggregateError](err); ok {
		for _, err := range all.Errors {
			if p, ok := errors.AsType[env.ParseError](err); ok {
				v := byField[p.Name]
				found.add(v.Name, fmt.Sprintf("%s %v", quote(values[v.Name]), p.Err))
			} else {
				found.add("configuration", err.Error())
			}
		}
	}
	for _, v := range found.vars {
		if values[v.Name] != "" && !found.has(v.Name) {
			v.bound(v.of(c), values[v.Name], found)
		}
	}
	if c.State.Dir != "" {
		c.State.Dir = filepath.Clean(c.State.Dir)
	}
}

// bound checks a value against oneof, min and max.
func (v Variable) bound(value reflect.Value, text string, found *faults) {
	if len(v.OneOf) > 0 && !slices.Contains(v.OneOf, value.String()) {
		found.add(v.Name, fmt.Sprintf("%s is none of %s", quote(text), strings.Join(v.OneOf, ", ")))
	}
	parse := parsers()[value.Type()]
	for _, limit := range []struct {
		text, word string
		sign       float64
	}{{v.Min, "less", 1}, {v.Max, "more", -1}} {
		if limit.text == "" {
			continue
		}
		most, err := parse(limit.text)
		if err != nil {
			found.add(v.Name, fmt.Sprintf("has a limit that cannot be read, %s: %v", limit.text, err))
		} else if limit.sign*number(value.Interface()) < limit.sign*number(most) {
			found.add(v.Name, fmt.Sprintf("%s is %s than %s", quote(text), limit.word, limit.text))
		}
	}
}

// number is a bounded value as a number to compare.
func number(value any) float64 {
	switch v := value.(type) {
	case int:
		return float64(v)
	case float64:
		return v
	case Bytes:
		return float64(v)
	case time.Duration:
		return float64(v)
	}
	return 0
}
