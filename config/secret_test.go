package config_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"devs-webhook/config"

	"github.com/rs/zerolog"
)

func TestSecretHides(t *testing.T) {
	s := config.NewSecret("hunter2")
	type outer struct {
		Open   config.Secret
		closed config.Secret
		list   []config.Secret
	}
	value := outer{Open: s, closed: s, list: []config.Secret{s}}
	var shown strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10s", "%T"} {
		for _, v := range []any{s, &s, value, &value} {
			fmt.Fprintf(&shown, verb+"\n", v)
		}
	}
	text, _ := s.MarshalText()
	shown.Write(text)
	data, err := json.Marshal(map[string]any{"a": s, "b": value, "c": map[config.Secret]int{s: 1}})
	if err != nil {
		t.Fatal(err)
	}
	shown.Write(data)
	log := zerolog.New(&shown)
	log.Info().Interface("value", value).Any("secret", s).Stringer("text", s).Msg("shown")
	for _, form := range []string{"hunter2", "68756e74657232", "68756E74657232", "[104 117"} {
		if strings.Contains(shown.String(), form) {
			t.Errorf("%q is shown in:\n%s", form, shown.String())
		}
	}
	if s.Reveal() != "hunter2" || s.Empty() {
		t.Error("the value is not there")
	}
	if none := (config.Secret{}); none.Reveal() != "" || !none.Empty() || none.String() != "" {
		t.Error("the zero secret is not empty")
	}
	if config.NewSecret("") != (config.Secret{}) {
		t.Error("an empty secret is not the zero one")
	}
}
