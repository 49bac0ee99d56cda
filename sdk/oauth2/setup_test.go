package oauth2_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

// endpoint is an identity provider's endpoint that answers what the test says and remembers what it was asked.
type endpoint struct {
	*httptest.Server
	mu    sync.Mutex
	forms []url.Values
	heads []http.Header
}

func newEndpoint(t *testing.T, answer http.HandlerFunc) *endpoint {
	t.Helper()
	e := &endpoint{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Errorf("the form does not parse: %v", err)
		}
		e.mu.Lock()
		e.forms = append(e.forms, r.PostForm)
		e.heads = append(e.heads, r.Header.Clone())
		e.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(e.Close)
	return e
}

// seen returns the forms and headers of the requests so far.
func (e *endpoint) seen() ([]url.Values, []http.Header) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.forms, e.heads
}

func says(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func saysJSON(status int, body string) http.HandlerFunc {
	return says(status, "application/json", body)
}

func httpClient(t *testing.T) *http.Client {
	t.Helper()
	c, err := sdk.NewHTTPClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// clientFor is a confidential client of a token endpoint.
func clientFor(t *testing.T, tokenURL string) *oauth2.Client {
	t.Helper()
	return &oauth2.Client{
		HTTP: httpClient(t), ID: "the-client", Secret: "the-secret", AuthStyle: oauth2.AuthBasic, TokenURL: tokenURL, RevokeURL: tokenURL,
	}
}

func sdkConfig(t *testing.T, settings map[string]string) sdk.Config {
	t.Helper()
	return sdk.Config{
		Type: "acme", ID: "acme", Settings: settings, Scopes: []string{"profile"},
		HTTP: httpClient(t), Log: hclog.NewNullLogger(),
	}
}

// exchange is what a good authorization response leads to.
func exchange() sdk.CodeExchange {
	return sdk.CodeExchange{Code: "the-code", RedirectURI: "https://auth.example.com/cb", CodeVerifier: "the-verifier"}
}

// typed returns the *sdk.Error that err must be.
func typed(t *testing.T, err error) *sdk.Error {
	t.Helper()
	var e *sdk.Error
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want an *sdk.Error", err)
	}
	return e
}

// mapByID maps {"id": 7, "login": "x"}.
func mapByID(_ context.Context, _ *oauth2.Client, raw json.RawMessage, _ *sdk.Token) (*sdk.User, error) {
	o, err := oauth2.ParseObject(raw)
	if err != nil {
		return nil, err
	}
	return &sdk.User{Sub: string(o["id"]), PreferredUsername: o.String("login")}, nil
}
