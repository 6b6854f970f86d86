package safeoutput

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"devs-webhook/messages"
)

// intentsVersion is the version of the schema of intents.json that is understood.
const intentsVersion = 1

// readIntents reads intents.json. What it asks for beyond the schema is refused and kept as text.
func (o *Output) readIntents(dir string) error {
	raw, err := readFile(dir, intentsFile, maxIntents)
	if hostile, ok := errors.AsType[*hostileError](err); ok {
		o.refuse(intentsFile + " was not read: " + hostile.what + ".")
		return nil
	}
	if err != nil || raw == nil {
		return err
	}
	o.parseIntents(raw)
	return nil
}

// field is one name of a JSON object with its value. Names may repeat: a map would hide that.
type field struct {
	name  string
	value json.RawMessage
}

// fields takes a JSON object apart.
func fields(raw []byte) ([]field, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if start, err := dec.Token(); err != nil {
		return nil, err
	} else if start != json.Delim('{') {
		return nil, errors.New("it is not an object")
	}
	var all []field
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		all = append(all, field{name.(string), value}) // a name is always a string
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object")
	}
	return all, nil
}

func (o *Output) parseIntents(raw []byte) {
	all, err := fields(raw)
	if err != nil {
		o.refuse(fmt.Sprintf("%s is not understood (%s). It says:\n%s", intentsFile, oneLine(err.Error()), raw))
		return
	}
	if !o.rightVersion(all) {
		o.refuse(fmt.Sprintf("%s is not of version %d. It says:\n%s", intentsFile, intentsVersion, raw))
		return
	}
	o.Intents.Version = intentsVersion
	for _, f := range all {
		switch f.name {
		case "version":
		case "comment":
			o.comment(f)
		case "pull_request":
			o.pullRequest(f)
		default:
			o.refuseField(f, "there is no such kind of request")
		}
	}
}

// rightVersion wants the version once, and right.
func (o *Output) rightVersion(all []field) bool {
	found := 0
	for _, f := range all {
		if f.name != "version" {
			continue
		}
		found++
		var v int
		if err := json.Unmarshal(f.value, &v); err != nil || v != intentsVersion {
			return false
		}
	}
	return found == 1
}

func (o *Output) comment(f field) {
	var c messages.CommentIntent
	switch err := strict(f.value, &c); {
	case err != nil:
		o.refuseField(f, oneLine(err.Error()))
	case o.Intents.Comment != nil:
		o.refuseField(f, "one comment is the limit")
	case strings.TrimSpace(clean(c.Body)) == "":
		o.refuseField(f, "it has no body")
	default:
		c.Body = shorten(clean(c.Body), maxWords)
		o.Intents.Comment = &c
	}
}

func (o *Output) pullRequest(f field) {
	var p messages.PullRequestIntent
	switch err := strict(f.value, &p); {
	case err != nil:
		o.refuseField(f, oneLine(err.Error()))
	case o.Intents.PullRequest != nil:
		o.refuseField(f, "one pull request is the limit")
	default:
		p.Title, p.Body = cutRunes(oneLine(p.Title), maxTitle), shorten(clean(p.Body), maxWords)
		o.Intents.PullRequest = &p
	}
}

// strict decodes an object of the closed schema: no other fields, and none twice.
func strict(raw json.RawMessage, into any) error {
	all, err := fields(raw)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, f := range all {
		if seen[f.name] {
			return fmt.Errorf("the field %q is there twice", f.name)
		}
		seen[f.name] = true
		if f.name != strings.ToLower(f.name) { // the decoder would let Body pass for body
			return fmt.Errorf("unknown field %q", f.name)
		}
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}

// refuseField keeps a request that is not carried out, with all that it says.
func (o *Output) refuseField(f field, why string) {
	o.refuse(fmt.Sprintf("%s asks for %q, which is not done: %s. It says:\n%s", intentsFile, cutRunes(oneLine(f.name), 100), why, readable(f.value)))
}

// readable shows a value with its line ends as line ends, if it is one text.
func readable(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}
