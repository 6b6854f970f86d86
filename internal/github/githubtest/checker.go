// Package githubtest checks requests against GitHub's own description of its REST API. It is for tests
// only: of the client, and of the servers that stand in for GitHub.
package githubtest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// description is GitHub's OpenAPI description, cut down to the paths that the service may use; see the
// README beside it.
const description = "testdata/openapi/github-api-subset.json.gz"

// load reads the description once per test binary: it takes 0.2 s and is only read afterwards.
var load = sync.OnceValues(func() (routers.Router, error) {
	doc, err := readDescription()
	if err != nil {
		return nil, err
	}
	addUserByID(doc)
	doc.Servers = openapi3.Servers{{URL: "/"}}
	return gorillamux.NewRouter(doc)
})

// Checker returns a function that says what is wrong with a request to GitHub's REST API, or nil: an
// unknown path or method, a parameter or query that GitHub does not know, a body that does not fit, no
// user agent. The request's path must be as at https://api.github.com, so a server that has the API below
// a prefix strips it first. The body is read and put back. A redirected path,
// /repositories/{id}/…, is checked as /repos/{owner}/{repo}/…, which it stands for.
//
// The function is safe for concurrent use.
func Checker(t testing.TB) func(*http.Request) error {
	t.Helper()
	router, err := load()
	if err != nil {
		t.Fatalf("load GitHub's API description: %v", err)
	}
	return func(r *http.Request) error { return check(router, r) }
}

// byID is what the API redirects to when a repository has moved. GitHub does not describe these paths.
var byID = regexp.MustCompile(`^/repositories/[0-9]+(/|$)`)

func check(router routers.Router, r *http.Request) error {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return fmt.Errorf("read body: %w", err)
		}
		_ = r.Body.Close()
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	if r.UserAgent() == "" {
		return errors.New("no user agent: GitHub refuses such a request with 403")
	}
	asked := r.Clone(r.Context())
	asked.Body = io.NopCloser(bytes.NewReader(body))
	asked.URL = &url.URL{Path: byID.ReplaceAllString(r.URL.Path, "/repos/owner/name$1"), RawQuery: r.URL.RawQuery}

	route, params, err := router.FindRoute(asked)
	if err != nil {
		return fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err)
	}
	if err := knownQuery(route, asked.URL.Query()); err != nil {
		return fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err)
	}
	return openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: asked, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc:  openapi3filter.NoopAuthenticationFunc,
			SkipSettingDefaults: true,
		},
	})
}

// knownQuery refuses a query parameter that the operation does not have: GitHub would ignore it, and the
// client would believe that it had asked for something.
func knownQuery(route *routers.Route, query url.Values) error {
	for name := range query {
		if route.Operation.Parameters.GetByInAndName("query", name) == nil &&
			route.PathItem.Parameters.GetByInAndName("query", name) == nil {
			return fmt.Errorf("GitHub does not know the query parameter %q here", name)
		}
	}
	return nil
}

// addUserByID adds GET /user/{account_id}, which GitHub has and the subset lacks:
// https://docs.github.com/rest/users/users#get-a-user-using-their-id.
func addUserByID(doc *openapi3.T) {
	id := openapi3.NewPathParameter("account_id").WithSchema(openapi3.NewInt64Schema())
	doc.Paths.Set("/user/{account_id}", &openapi3.PathItem{Get: &openapi3.Operation{
		OperationID: "users/get-by-id",
		Parameters:  openapi3.Parameters{{Value: id}},
		Responses:   doc.Paths.Find("/users/{username}").Get.Responses,
	}})
}

func readDescription() (*openapi3.T, error) {
	path, err := fromModuleRoot(description)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("unzip %s: %w", description, err)
	}
	raw, err := io.ReadAll(unzipped)
	if err != nil {
		return nil, fmt.Errorf("unzip %s: %w", description, err)
	}
	loader := openapi3.NewLoader()
	loader.Context = context.Background()
	return loader.LoadFromData(raw)
}

// fromModuleRoot finds a file of the module from wherever the test runs: go test starts each package's
// tests in the package's own directory.
func fromModuleRoot(name string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, filepath.FromSlash(name)), nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("find %s: no go.mod above the working directory", name)
		}
		dir = parent
	}
}
