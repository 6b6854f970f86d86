package sim

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"unicode/utf8"
)

// docsURL is what errors point to.
const docsURL = "https://docs.github.com/rest"

// answer is a response in the making. body is marshalled to JSON; nil means none, a string is HTML.
type answer struct {
	status int
	body   any
	header map[string]string
}

func ok(body any) answer { return answer{status: http.StatusOK, body: body} }

func created(body object, location string) answer {
	return answer{status: http.StatusCreated, body: body, header: map[string]string{"Location": location}}
}

// failed is an error of GitHub's plain form.
func failed(status int, message string) answer {
	return answer{status: status, body: object{
		"message": message, "documentation_url": docsURL, "status": strconv.Itoa(status),
	}}
}

func notFound() answer { return failed(http.StatusNotFound, "Not Found") }

func badToken() answer { return failed(http.StatusUnauthorized, "Bad credentials") }

func needsLogin() answer { return failed(http.StatusUnauthorized, "Requires authentication") }

func forbidden() answer {
	return failed(http.StatusForbidden, "Resource not accessible by personal access token")
}

// invalid is GitHub's 422 with its list of errors.
func invalid(faults ...object) answer {
	a := failed(http.StatusUnprocessableEntity, "Validation Failed")
	a.body.(object)["errors"] = faults
	return a
}

func notSupplied(field string) answer {
	return failed(http.StatusUnprocessableEntity, fmt.Sprintf("Invalid request.\n\n%q wasn't supplied.", field))
}

// broken is a fault of the simulation itself, such as of git.
func broken(err error) answer {
	return failed(http.StatusInternalServerError, "simulation: "+err.Error())
}

// GitHub's limits, in characters.
const (
	maxBody  = 65536
	maxTitle = 256
)

// tooLong refuses texts that GitHub would.
func tooLong(resource, title, body string) *answer {
	for _, text := range []struct {
		field, text string
		limit       int
	}{{"title", title, maxTitle}, {"body", body, maxBody}} {
		if utf8.RuneCountInString(text.text) > text.limit {
			return new(invalid(object{
				"resource": resource, "field": text.field, "code": "custom",
				"message": fmt.Sprintf("%s is too long (maximum is %d characters)", text.field, text.limit),
			}))
		}
	}
	return nil
}

// encode gives the bytes of an answer and their media type.
func (a answer) encode() (body []byte, mediaType string) {
	switch b := a.body.(type) {
	case nil:
		return nil, ""
	case string:
		return []byte(b), "text/html; charset=utf-8"
	default:
		data, err := json.Marshal(b)
		if err != nil {
			panic(fmt.Sprintf("sim: answer: %v", err)) // it holds only strings, numbers and lists of them
		}
		return data, "application/json; charset=utf-8"
	}
}

// write sends an answer. A GET that the client has already seen is answered 304 without its body.
func (a answer) write(w http.ResponseWriter, r *http.Request) int {
	body, mediaType := a.encode()
	h := w.Header()
	for k, v := range a.header {
		h.Set(k, v)
	}
	if mediaType != "" {
		h.Set("Content-Type", mediaType)
	}
	if r.Method == http.MethodGet && a.status == http.StatusOK {
		sum := sha256.Sum256(body)
		tag := `W/"` + hex.EncodeToString(sum[:]) + `"`
		h.Set("ETag", tag)
		h.Set("Cache-Control", "private, max-age=60, s-maxage=60")
		if r.Header.Get("If-None-Match") == tag {
			h.Del("Content-Type")
			w.WriteHeader(http.StatusNotModified)
			return http.StatusNotModified
		}
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(body) // a client that went away is no matter of ours
	return a.status
}
