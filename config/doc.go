// Package config turns the environment into the service's configuration. It is the only reader of the
// environment: everybody else is given values.
//
// A value is taken from the first place that has one: a flag of the command line, the process
// environment, a systemd credential (secrets only), the file named by --env-file, the default. A secret may also lie in
// a file that NAME_FILE names. Names match in any case, the exact upper case first; an empty value counts
// as unset, and an unknown name is no fault. All faults are reported at once.
//
// docs/configuration.md is made from the tags of Config's fields; `go test ./config -update` rewrites it.
package config
