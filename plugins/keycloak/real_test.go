//go:build unix

package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	xoauth2 "golang.org/x/oauth2"

	"github.com/authd/authd/internal/realtest"
	"github.com/authd/authd/sdk"
)

// keycloak is a real Keycloak, started by the first test that asks for it.
var keycloak = realtest.NewSharedKeycloak(realtest.Realm())

func TestMain(m *testing.M) {
	code := m.Run()
	keycloak.Stop()
	os.Exit(code)
}

const callback = "http://127.0.0.1:9/auth/oauth/keycloak/callback"

// atReal makes the provider for the real Keycloak.
func atReal(t *testing.T, over map[string]string) sdk.Provider {
	t.Helper()
	k := keycloak.Get(t)
	values := map[string]string{"base_url": k.URL, "realm": k.Realm, "client_id": "authd", "client_secret": "authd-secret", "roles": "true"}
	for name, value := range over {
		values[name] = value
	}
	p, err := makeProvider(t, values)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// browser keeps cookies and stops where the identity provider sends it to authd.
func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), callback) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
}

var formAction = regexp.MustCompile(`<form[^>]*\saction="([^"]+)"`)

// signIn fills in Keycloak's form and returns the exchange that authd would make.
func signIn(t *testing.T, p sdk.Provider, client *http.Client, who realtest.Person) sdk.CodeExchange {
	t.Helper()
	verifier := xoauth2.GenerateVerifier()
	params, err := p.AuthorizeParams(t.Context(), sdk.AuthorizeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"client_id": "authd", "response_type": "code", "redirect_uri": callback, "state": "s", "nonce": "the-nonce",
		"code_challenge": xoauth2.S256ChallengeFromVerifier(verifier), "code_challenge_method": "S256",
	} {
		params.Params.Set(name, value)
	}
	page, err := client.Get(params.Endpoint + "?" + params.Params.Encode())
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(page.Body)
	_ = page.Body.Close()
	found := formAction.FindSubmatch(text)
	if err != nil || found == nil {
		t.Fatalf("no form on Keycloak's page (%v, %v):\n%s", page.Status, err, text)
	}
	back, err := client.PostForm(strings.ReplaceAll(string(found[1]), "&amp;", "&"), url.Values{"username": {who.Username}, "password": {who.Password}})
	if err != nil {
		t.Fatal(err)
	}
	_ = back.Body.Close()
	location, err := back.Location()
	if err != nil {
		t.Fatalf("Keycloak answered %s without a redirect", back.Status)
	}
	rest := location.Query()
	code := rest.Get("code")
	rest.Del("code")
	return sdk.CodeExchange{Code: code, RedirectURI: callback, CodeVerifier: verifier, Nonce: "the-nonce", Params: rest}
}

func realLogin(t *testing.T, p sdk.Provider, who realtest.Person) *sdk.Token {
	t.Helper()
	token, err := p.GetToken(t.Context(), signIn(t, p, browser(t), who))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestRealUser(t *testing.T) {
	p := atReal(t, nil)
	for _, who := range []realtest.Person{realtest.Alice, realtest.Bob} {
		u, err := p.GetUserInfo(t.Context(), realLogin(t, p, who))
		if err != nil {
			t.Fatal(err)
		}
		want := &sdk.User{
			Sub: u.Sub, PreferredUsername: who.Username, Name: who.Name, Email: who.Email, EmailVerified: &who.EmailVerified,
			GivenName: strings.Fields(who.Name)[0], FamilyName: strings.Fields(who.Name)[1], SID: u.SID, Groups: u.Groups, Claims: u.Claims,
		}
		if diff := cmp.Diff(u, want); diff != "" {
			t.Errorf("%s (got -, want +):\n%s", who.Username, diff)
		}
		for _, group := range append(slices.Clone(who.Groups), "role:member") {
			if !slices.Contains(u.Groups, group) {
				t.Errorf("%s: got groups %v, want %s among them", who.Username, u.Groups, group)
			}
		}
		if slices.Contains(u.Groups, "role:admin") != slices.Contains(who.Groups, "admins") {
			t.Errorf("%s: got groups %v, want role:admin for admins alone", who.Username, u.Groups)
		}
		if u.Sub == "" || u.SID == "" {
			t.Errorf("%s: got sub %q and sid %q", who.Username, u.Sub, u.SID)
		}
	}
}

// Keycloak signs access, refresh and ID tokens alike. None passes for another.
func TestRealAccessTokenIsNoIDToken(t *testing.T) {
	p := atReal(t, nil)
	token := realLogin(t, p, realtest.Alice)
	for name, raw := range map[string]string{"access token": token.AccessToken, "refresh token": token.RefreshToken} {
		if u, err := p.GetUserInfo(t.Context(), &sdk.Token{AccessToken: token.AccessToken, IDToken: raw}); err == nil {
			t.Errorf("%s as ID token: got %+v, want an error", name, u)
		}
	}
}

// Threats 38, 39: renewed while the session lives, refused once it has ended.
func TestRealRefreshAndSignOut(t *testing.T) {
	p := atReal(t, nil)
	client := browser(t)
	token, err := p.GetToken(t.Context(), signIn(t, p, client, realtest.Alice))
	if err != nil {
		t.Fatal(err)
	}
	renewed, err := p.(sdk.Refresher).RefreshToken(t.Context(), token)
	if err != nil || renewed.IDToken == "" || renewed.AccessToken == token.AccessToken {
		t.Fatalf("got %+v, error %v; want new tokens", renewed, err)
	}
	if u, err := p.GetUserInfo(t.Context(), renewed); err != nil || u.PreferredUsername != "alice" {
		t.Fatalf("got %+v, error %v; want Alice", u, err)
	}
	out, err := p.(sdk.EndSessioner).EndSession(t.Context(), sdk.EndSessionRequest{IDTokenHint: renewed.IDToken, PostLogoutRedirectURI: callback, State: "bye"})
	if err != nil {
		t.Fatal(err)
	}
	back, err := client.Get(out)
	if err != nil {
		t.Fatal(err)
	}
	_ = back.Body.Close()
	if location, err := back.Location(); err != nil || location.String() != callback+"?state=bye" {
		t.Errorf("got %s to %v, want the way back without a question", back.Status, location)
	}
	_, err = p.(sdk.Refresher).RefreshToken(t.Context(), renewed)
	var typed *sdk.Error
	if !errors.As(err, &typed) || typed.Source != sdk.SourceUser || typed.Code != "invalid_grant" {
		t.Errorf("after signing out: got %v, want invalid_grant of the user", err)
	}
}

func TestRealRevoke(t *testing.T) {
	p := atReal(t, nil)
	token := realLogin(t, p, realtest.Alice)
	if err := p.(sdk.Revoker).RevokeToken(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if _, err := p.(sdk.Refresher).RefreshToken(t.Context(), token); err == nil {
		t.Error("a revoked refresh token still works")
	}
}

// Every way of client authentication that Keycloak knows works, and a wrong secret is told from all else.
func TestRealClientAuthentication(t *testing.T) {
	for _, method := range []string{"client_secret_basic", "client_secret_post"} {
		p := atReal(t, map[string]string{"token_endpoint_auth_method": method})
		realLogin(t, p, realtest.Alice)
	}
	p := atReal(t, map[string]string{"client_secret": "wrong"})
	_, err := p.GetToken(t.Context(), signIn(t, p, browser(t), realtest.Alice))
	var typed *sdk.Error
	if !errors.As(err, &typed) || typed.Source != sdk.SourceConfig {
		t.Errorf("got %v, want source config", err)
	}
}

func TestRealCheck(t *testing.T) {
	for secret, want := range map[string]sdk.Severity{"authd-secret": sdk.SeverityOK, "wrong": sdk.SeverityError} {
		found, err := atReal(t, map[string]string{"client_secret": secret}).(sdk.Checker).Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		worst := sdk.SeverityOK
		for _, d := range found {
			worst = max(worst, d.Severity)
		}
		if worst != want || len(found) < 4 {
			t.Errorf("secret %q: got %v, want %v at worst", secret, found, want)
		}
	}
}
