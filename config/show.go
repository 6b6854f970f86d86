package config

import (
	"fmt"
	"io"
	"strings"
)

// Print writes the effective configuration: a line for each variable, with where its value came from.
// Secrets say only whether they are set.
func (c Config) Print(w io.Writer) error {
	vars, topic := Variables(), ""
	for _, v := range vars {
		if v.Topic != topic {
			if topic != "" {
				if _, err := fmt.Fprintln(w); err != nil {
					return fmt.Errorf("print configuration: %w", err)
				}
			}
			if topic = v.Topic; topic != "" {
				if _, err := fmt.Fprintf(w, "# %s\n", topic); err != nil {
					return fmt.Errorf("print configuration: %w", err)
				}
			}
		}
		if _, err := fmt.Fprintln(w, c.line(v)); err != nil {
			return fmt.Errorf("print configuration: %w", err)
		}
	}
	return nil
}

// line shows one variable.
func (c Config) line(v Variable) string {
	value := show(v.of(&c).Interface())
	origin := c.origins[v.Name]
	if v.Name == "ADMIN_ADDR" && value == "" {
		value = "none"
	}
	if origin == "" {
		origin = "default"
		if value == "" || v.Computed != "" && v.of(&c).IsZero() {
			value, origin = "", strings.TrimSuffix("default: "+v.Computed, ": ")
		}
		if v.Secret {
			origin = "not set"
		}
	}
	return fmt.Sprintf("%-40s # %s", v.Name+"="+value, origin)
}

// Markdown is docs/configuration.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(preamble)
	topic := ""
	for _, v := range Variables() {
		if v.Topic != topic {
			topic = v.Topic
			fmt.Fprintf(&b, "\n## %s\n\n| Variable | Value | Default | What it is |\n|---|---|---|---|\n", topic)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", v.Name, v.valueText(), v.defaultText(), v.Doc)
	}
	b.WriteString("\n## Variables without effect\n\n" +
		"Names of the original service for which this one has no use, or none yet. Each that is set is named in a warning.\n\n" +
		"| Variable | Why |\n|---|---|\n")
	for _, f := range formerVariables() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", f.name, f.why)
	}
	return b.String()
}

const preamble = `# Configuration

<!-- Made from config/config.go by: go test ./config -update -->

The service is configured by its environment. A value is taken from the first place that has one:

1. a flag of the command line (` + "`--source`, `--host`, `--port`, `--dev`" + `);
2. the environment of the process;
3. for secrets, a systemd credential (` + "`LoadCredential=`" + `) with the variable's name, in upper or lower case;
4. the file that ` + "`--env-file`" + ` names, with one ` + "`NAME=value`" + ` a line; with ` + "`--dev`" + `, ` + "`./.env`" + ` if there is one;
5. the default.

A secret may also lie in a file: ` + "`GITHUB_TOKEN_FILE=/run/secrets/github_token`" + `. In the file of point 4, a value with a
` + "`$`" + ` in it needs single quotes.

Names match in any case. An empty value counts as unset. Unknown names are ignored. If anything is wrong, the service
does not start and names everything that is wrong at once; ` + "`devs-webhook config`" + ` shows the values in effect, without the secrets.

A duration is written as in ` + "`90s`, `15m`, `1h30m` or `7d`" + `. Bytes have a unit, ` + "`k`, `m`, `g` or `t`" + ` (also ` + "`KiB`" + ` and so on), each 1,024 of the one before.
`

// valueText is the kind of value with its bounds.
func (v Variable) valueText() string {
	text := v.Kind
	if len(v.OneOf) > 0 {
		text = "`" + strings.Join(v.OneOf, "`, `") + "`"
	}
	switch {
	case v.Min != "" && v.Max != "":
		text += fmt.Sprintf(", `%s` to `%s`", v.Min, v.Max)
	case v.Min != "":
		text += fmt.Sprintf(", at least `%s`", v.Min)
	}
	return text
}

// defaultText is the default, and when there must be a value.
func (v Variable) defaultText() string {
	var parts []string
	switch {
	case v.Default != "":
		parts = append(parts, "`"+v.Default+"`")
	case v.Computed != "":
		parts = append(parts, v.Computed)
	}
	if v.Need != "" {
		parts = append(parts, strings.TrimSuffix("required: "+v.Need, ": always"))
	}
	if v.DevDefault != "" {
		parts = append(parts, "in dev mode `"+v.DevDefault+"`")
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, "; ")
}
