package oidc_test

import (
	"errors"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	xoauth2 "golang.org/x/oauth2"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/oidc"
)

// callback is where authd would listen; nothing does.
const callback = "http://127.0.0.1:9/auth/oauth/oidc/callback"

// clock is a clock that tests turn by hand, the same for both sides.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Turn(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}

// startIDP runs the developer identity provider.
func startIDP(t *testing.T, opt devidp.Options) *devidp.Server {
	t.Helper()
	if opt.SigningAlg == "" {
		opt.SigningAlg = "ES256"
	}
	idp, err := devidp.Start(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idp.Close() })
	return idp
}

func sdkConfig(t *testing.T) sdk.Config {
	t.Helper()
	client, err := sdk.NewHTTPClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return sdk.Config{Type: "oidc", ID: "oidc", Scopes: []string{"openid", "profile", "email"}, HTTP: client, Log: hclog.NewNullLogger()}
}

// at is the configuration for the identity provider's client.
func at(idp *devidp.Server) oidc.Config {
	return oidc.Config{Issuer: idp.Issuer(), ClientID: "demo", ClientSecret: "demo-secret"}
}

func newProvider(t *testing.T, c oidc.Config) sdk.Provider {
	t.Helper()
	p, err := oidc.New(t.Context(), sdkConfig(t), c)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return p
}

// authorize signs ada in at the identity provider, as authd would send her there, and returns what authd would hand on.
func authorize(t *testing.T, idp *devidp.Server, p sdk.Provider, in sdk.AuthorizeRequest) sdk.CodeExchange {
	t.Helper()
	verifier := xoauth2.GenerateVerifier()
	params, err := p.AuthorizeParams(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"client_id": "demo", "response_type": "code", "redirect_uri": callback, "state": "s", "nonce": "the-nonce",
		"code_challenge": xoauth2.S256ChallengeFromVerifier(verifier), "code_challenge_method": "S256",
	} {
		params.Params.Set(name, value)
	}
	rest := sentBack(t, idp, params, p.(sdk.OpenID).Metadata().Hybrid())
	code := rest.Get("code")
	rest.Del("code")
	rest.Del("state")
	return sdk.CodeExchange{Code: code, RedirectURI: callback, CodeVerifier: verifier, Nonce: "the-nonce", MaxAge: in.MaxAge, Params: rest}
}

// sentBack is what the identity provider answers to an authorization request: in the query, or, in the hybrid flow, as
// a form.
func sentBack(t *testing.T, idp *devidp.Server, params sdk.AuthorizeParams, hybrid bool) url.Values {
	t.Helper()
	if hybrid {
		params.Params.Set("response_type", sdk.ResponseTypeHybrid)
		params.Params.Set("response_mode", "form_post")
		_, form, err := idp.AuthorizeForm(t.Context(), params.Endpoint+"?"+params.Params.Encode(), "ada")
		if err != nil || form.Get("code") == "" {
			t.Fatalf("got %v, error %v; want a code", form, err)
		}
		return form
	}
	back, err := idp.Authorize(t.Context(), params.Endpoint+"?"+params.Params.Encode(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(back)
	if err != nil || u.Query().Get("code") == "" {
		t.Fatalf("got %q, error %v; want a code", back, err)
	}
	return u.Query()
}

// login goes as far as GetToken.
func login(t *testing.T, idp *devidp.Server, p sdk.Provider) (*sdk.Token, error) {
	t.Helper()
	return p.GetToken(t.Context(), authorize(t, idp, p, sdk.AuthorizeRequest{Scope: []string{"openid", "profile", "email", "groups", "offline_access"}}))
}

func mustLogin(t *testing.T, idp *devidp.Server, p sdk.Provider) *sdk.Token {
	t.Helper()
	token, err := login(t, idp, p)
	if err != nil {
		t.Fatalf("GetToken: %v", err)
	}
	return token
}

// whole goes as far as GetUserInfo.
func whole(t *testing.T, idp *devidp.Server, p sdk.Provider) (*sdk.User, error) {
	t.Helper()
	token, err := login(t, idp, p)
	if err != nil {
		return nil, err
	}
	return p.GetUserInfo(t.Context(), token)
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

func wantUpstream(t *testing.T, err error) {
	t.Helper()
	if got := typed(t, err); got.Source != sdk.SourceUpstream {
		t.Errorf("got source %v (%v), want upstream", got.Source, err)
	}
}

// failing is an http.RoundTripper that no request may reach.
type failing struct{ t *testing.T }

func (f failing) RoundTrip(r *http.Request) (*http.Response, error) {
	f.t.Errorf("a request was made: %s", r.URL)
	return nil, errors.New("no request is allowed here")
}
