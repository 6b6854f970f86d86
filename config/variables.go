package config

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

// Variable describes one variable of the environment.
type Variable struct {
	Name       string
	Topic      string // the heading that it stands under
	Kind       string // what a value is, with its unit
	Default    string // "" is none
	DevDefault string // the default in dev mode, if it differs
	Computed   string // the default in words, if it depends on something else
	Need       string // when it is required; "" is never
	OneOf      []string
	Min, Max   string // bounds; "" is none
	Example    string
	Doc        string
	Secret     bool

	bare  string // unit of a number without one
	field string // of the struct; unique in Config
	index []int
}

// Variables describes all variables, in the order of Config.
func Variables() []Variable {
	topics := map[string]string{
		"GitHub": "GitHub", "Access": "Who may", "Webhook": "Webhook", "Admin": "Administration",
		"Containers": "Containers", "Agent": "Agent", "Task": "Tasks", "State": "State", "Service": "The service",
	}
	var vars []Variable
	for section := range reflect.TypeFor[Config]().Fields() {
		if section.Type.Kind() != reflect.Struct {
			continue
		}
		for field := range section.Type.Fields() {
			tag := field.Tag
			v := Variable{
				Name: tag.Get("env"), Topic: topics[section.Name],
				Kind:    kind(field.Type, tag.Get("bare")),
				Default: tag.Get("envDefault"), DevDefault: tag.Get("dev"), Computed: tag.Get("computed"),
				Need: tag.Get("need"), OneOf: strings.Fields(tag.Get("oneof")), Min: tag.Get("min"), Max: tag.Get("max"),
				Example: tag.Get("example"), Doc: tag.Get("doc"), Secret: field.Type == reflect.TypeFor[Secret](),
				bare: tag.Get("bare"), field: field.Name, index: append(slices.Clone(section.Index), field.Index...),
			}
			vars = append(vars, v)
		}
	}
	return vars
}

// kind says what a value of the type is.
func kind(t reflect.Type, bare string) string {
	switch t {
	case reflect.TypeFor[Secret]():
		return "secret"
	case reflect.TypeFor[List]():
		return "names, separated by commas"
	case reflect.TypeFor[Bytes]():
		return "bytes, such as 512m or 4GiB"
	case reflect.TypeFor[Space]():
		return "share of the disk, or bytes"
	case reflect.TypeFor[bool]():
		return "true or false"
	case reflect.TypeFor[int]():
		return "whole number"
	case reflect.TypeFor[float64]():
		return "number"
	case reflect.TypeFor[time.Duration]():
		return map[string]string{"": "duration", "h": "hours, or a duration", "s": "seconds, or a duration"}[bare]
	}
	return "text"
}

// of is the variable's value in a configuration.
func (v Variable) of(c *Config) reflect.Value {
	return reflect.ValueOf(c).Elem().FieldByIndex(v.index)
}
