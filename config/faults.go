package config

import (
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing wrong with the configuration. None of its texts holds the value of a secret.
type Fault struct {
	Name    string // of the variable, or of the flag
	Problem string // a predicate: Name and Problem make a sentence
	Example string // a value that would do; may be empty
}

// FaultsError is everything that is wrong with the configuration, in the order of Variables.
type FaultsError struct{ Faults []Fault }

// Error lists the faults, for a terminal.
func (e *FaultsError) Error() string {
	var b strings.Builder
	if len(e.Faults) == 1 {
		b.WriteString("the configuration has a fault:\n")
	} else {
		fmt.Fprintf(&b, "the configuration has %d faults:\n", len(e.Faults))
	}
	for _, f := range e.Faults {
		fmt.Fprintf(&b, "\n  %s %s\n", f.Name, f.Problem)
		if f.Example == "" {
			continue
		}
		separator := "="
		if strings.HasPrefix(f.Name, "--") {
			separator = " "
		}
		fmt.Fprintf(&b, "      for example: %s%s%s\n", f.Name, separator, f.Example)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// faults collects them. Of a variable the first is kept: what follows from it helps nobody.
type faults struct {
	vars []Variable
	list []Fault
}

// add notes a fault of a variable, with the variable's own example.
func (f *faults) add(name, problem string) {
	i := slices.IndexFunc(f.vars, func(v Variable) bool { return v.Name == name })
	example := ""
	if i >= 0 {
		example = f.vars[i].Example
	}
	f.addExample(name, problem, example)
}

func (f *faults) addExample(name, problem, example string) {
	if !f.has(name) {
		f.list = append(f.list, Fault{Name: name, Problem: problem, Example: example})
	}
}

func (f *faults) has(name string) bool {
	return slices.ContainsFunc(f.list, func(have Fault) bool { return have.Name == name })
}

// err is nil if there are none.
func (f *faults) err() error {
	if len(f.list) == 0 {
		return nil
	}
	place := func(fault Fault) int {
		return slices.IndexFunc(f.vars, func(v Variable) bool {
			return v.Name == strings.TrimSuffix(fault.Name, fileSuffix)
		})
	}
	slices.SortStableFunc(f.list, func(a, b Fault) int { return place(a) - place(b) })
	return &FaultsError{Faults: f.list}
}

// quote shows a value in a problem, cut if it is long.
func quote(value string) string {
	const most = 60
	if runes := []rune(value); len(runes) > most {
		value = string(runes[:most]) + "…"
	}
	return fmt.Sprintf("%q", value)
}
