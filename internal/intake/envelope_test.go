package intake_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"devs-webhook/internal/intake"
)

func TestEnvelope(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	object := `{"zen":"a & b = c+d ü"}`
	tests := []struct {
		name        string
		contentType string
		raw         string
		want        string // empty: an error that contains wantErr
		wantErr     string
	}{
		{"json", "application/json", object, object, ""},
		{"json with a charset", "Application/JSON; charset=utf-8", object, object, ""},
		{"faulty parameter", "application/json; charset", object, object, ""},
		{"blanks around", "application/json", " \r\n" + object + "\n", object, ""},
		{"form", form, "payload=" + url.QueryEscape(object), object, ""},
		{"form with other fields", form, "a=1&payload=" + url.QueryEscape(object) + "&b=2", object, ""},
		{"no content type, json", "", object, object, ""},
		{"no content type, form", "", "payload=" + url.QueryEscape(object), object, ""},
		{"empty", "application/json", "", "", "empty"},
		{"empty form field", form, "payload=", "", "empty"},
		{"array", "application/json", "[1]", "", "not a JSON object"},
		{"string", "application/json", `"{}"`, "", "not a JSON object"},
		{"cut off", "application/json", `{"a":1`, "", "not a JSON object"},
		{"two objects", "application/json", "{}{}", "", "not a JSON object"},
		{"too deep", "application/json", `{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}", "", "not a JSON object"},
		{"form named json", "application/json", "payload=" + url.QueryEscape(object), "", "not a JSON object"},
		{"json named form", form, object, "", "no field named payload"},
		{"two payloads", form, "payload=%7B%7D&payload=%7B%7D", "", "more than one"},
		{"broken form", form, "payload=%zz", "", "form cannot be read"},
		{"xml", "text/xml", object, "", "not supported"},
		{"unreadable type", "/;/", object, "", "cannot be read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := intake.Envelope(tt.contentType, []byte(tt.raw))
			switch {
			case tt.want != "" && (err != nil || string(got) != tt.want):
				t.Errorf("Envelope = %q, %v; want %q", got, err, tt.want)
			case tt.want == "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)):
				t.Errorf("Envelope = %q, %v; want an error with %q", got, err, tt.wantErr)
			}
		})
	}
}

func TestCheckDeliveryID(t *testing.T) {
	for id, ok := range map[string]bool{
		"72d3162e-cc78-11e3-81ab-4c9367dc0958": true,
		"1":                                    true,
		"sqs-../..":                            true, // printable; it is never a file name
		strings.Repeat("x", 128):               true,
		strings.Repeat("x", 129):               false,
		"":                                     false,
		"a b":                                  false,
		"a\n":                                  false,
		"a\x7f":                                false,
		"ü":                                    false,
	} {
		if err := intake.CheckDeliveryID(id); (err == nil) != ok {
			t.Errorf("CheckDeliveryID(%q) = %v", id, err)
		}
	}
}

func FuzzEnvelope(f *testing.F) {
	f.Add("application/json", []byte(`{"a":1}`))
	f.Add("application/x-www-form-urlencoded", []byte("payload=%7B%7D"))
	f.Add("", []byte("payload={}"))
	f.Add("application/json; charset", []byte(" {} "))
	f.Fuzz(func(t *testing.T, contentType string, raw []byte) {
		payload, err := intake.Envelope(contentType, raw)
		if err != nil {
			if payload != nil || !utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("error %q with payload %q", err, payload)
			}
			return
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal(payload, &object); err != nil || object == nil {
			t.Errorf("payload %q is no object: %v", payload, err)
		}
	})
}
