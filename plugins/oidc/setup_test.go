package main

import (
	"bytes"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	xoauth2 "golang.org/x/oauth2"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

const callback = "http://127.0.0.1:9/auth/oauth/oidc/callback"

func startIDP(t *testing.T, opt devidp.Options) *devidp.Server {
	t.Helper()
	opt.SigningAlg = "ES256"
	return providertest.StartIDP(t, opt)
}

// demo adds the client of the developer identity provider to the settings, as pairs of name and value.
func demo(pairs ...string) map[string]string {
	values := map[string]string{"client_id": "demo", "client_secret": "demo-secret"}
	for i := 0; i+1 < len(pairs); i += 2 {
		values[pairs[i]] = pairs[i+1]
	}
	return values
}

func configure(t *testing.T, kind sdk.Type, values map[string]string) (sdk.Provider, error) {
	t.Helper()
	return providertest.Configure(t, kind, values, nil)
}

func mustConfigure(t *testing.T, kind sdk.Type, values map[string]string) sdk.Provider {
	t.Helper()
	p, err := configure(t, kind, values)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// logBook is a log and what was written to it.
func logBook() (hclog.Logger, *bytes.Buffer) {
	written := &bytes.Buffer{}
	return hclog.New(&hclog.LoggerOptions{Output: written, Level: hclog.Warn}), written
}

// getToken signs ada in, as authd would, and redeems the code.
func getToken(t *testing.T, idp *devidp.Server, p sdk.Provider) (*sdk.Token, error) {
	t.Helper()
	verifier := xoauth2.GenerateVerifier()
	params := asked(t, p)
	openid, ok := p.(sdk.OpenID)
	hybrid := ok && openid.Metadata().Hybrid()
	for name, value := range map[string]string{
		"client_id": "demo", "response_type": "code", "redirect_uri": callback, "state": "s", "nonce": "n",
		"code_challenge": xoauth2.S256ChallengeFromVerifier(verifier), "code_challenge_method": "S256",
	} {
		params.Params.Set(name, value)
	}
	back := sentBack(t, idp, params, hybrid)
	return p.GetToken(t.Context(), sdk.CodeExchange{Code: back.Get("code"), RedirectURI: callback, CodeVerifier: verifier, Nonce: "n", Params: back})
}

// sentBack is what the identity provider answers ada's browser with: in the query, or, in the hybrid flow, as a form.
func sentBack(t *testing.T, idp *devidp.Server, params sdk.AuthorizeParams, hybrid bool) url.Values {
	t.Helper()
	var back url.Values
	var err error
	if hybrid {
		params.Params.Set("response_type", sdk.ResponseTypeHybrid)
		params.Params.Set("response_mode", "form_post")
		_, back, err = idp.AuthorizeForm(t.Context(), params.Endpoint+"?"+params.Params.Encode(), "ada")
	} else {
		var to string
		to, err = idp.Authorize(t.Context(), params.Endpoint+"?"+params.Params.Encode(), "ada")
		_, query, _ := strings.Cut(to, "?")
		back, _ = url.ParseQuery(query)
	}
	if err != nil || back.Get("code") == "" {
		t.Fatalf("got %v, error %v; want a code", back, err)
	}
	back.Del("iss") // of the built-in mount's; the vendors send none
	return back
}

// signIn goes on to the user.
func signIn(t *testing.T, idp *devidp.Server, p sdk.Provider) (*sdk.User, error) {
	t.Helper()
	token, err := getToken(t, idp, p)
	if err != nil {
		return nil, err
	}
	return p.GetUserInfo(t.Context(), token)
}

// asked is the authorization request, with every scope that the developer identity provider knows.
func asked(t *testing.T, p sdk.Provider) sdk.AuthorizeParams {
	t.Helper()
	params, err := p.AuthorizeParams(t.Context(), sdk.AuthorizeRequest{Scope: []string{"openid", "profile", "email", "groups", "offline_access"}})
	if err != nil {
		t.Fatal(err)
	}
	return params
}

// endSession is the query of the address where people are sent to sign out.
func endSession(t *testing.T, p sdk.Provider, want string) url.Values {
	t.Helper()
	to, err := p.(sdk.EndSessioner).EndSession(t.Context(), sdk.EndSessionRequest{
		IDTokenHint: "hint", PostLogoutRedirectURI: "https://auth.example.com/auth/logout", State: "s",
	})
	if err != nil {
		t.Fatal(err)
	}
	base, query, _ := strings.Cut(to, "?")
	if base != want {
		t.Errorf("people sign out at %q, want %q", base, want)
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// wrong is a setting as people get it wrong, and what authd says then.
type wrong struct {
	values  map[string]string // laid over the right ones
	setting string            // at fault
	mend    string            // part of the message
}

// testWrong makes a provider of each, which must fail with a message that names the setting and the mend.
func testWrong(t *testing.T, kind sdk.Type, right map[string]string, tests map[string]wrong) {
	t.Helper()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			providertest.CheckMistake(t, kind, right, test.values, test.setting, test.mend)
		})
	}
}

// wantSource asserts whose fault an error is and what it says.
func wantSource(t *testing.T, err error, source sdk.Source, code, says string) {
	t.Helper()
	var typed *sdk.Error
	if !errors.As(err, &typed) || typed.Source != source || typed.Code != code || !strings.Contains(err.Error(), says) {
		t.Errorf("got %v, want source %v, code %q and %q in it", err, source, code, says)
	}
}

func isTrue(b *bool) bool { return b != nil && *b }
