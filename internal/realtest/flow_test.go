//go:build unix

package realtest

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/oauth2"
)

// signIn walks through the code flow as a browser would: it opens the authorization
// endpoint, fills in the first form, and stops at the redirect to redirectURI.
func signIn(t *testing.T, authURL, redirectURI string, who Person) url.Values {
	t.Helper()
	client := &http.Client{
		Jar:     newJar(t),
		Timeout: time.Minute,
		CheckRedirect: func(req *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(req.URL.String(), redirectURI) {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
	page, action := openForm(t, client, authURL)
	resp, err := client.PostForm(action, url.Values{"username": {who.Username}, "password": {who.Password}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	location, err := resp.Location()
	if err != nil {
		t.Fatalf("the form gave %s and no redirect (%v); the page before was:\n%s", resp.Status, err, page)
	}
	return location.Query()
}

var formAction = regexp.MustCompile(`<form[^>]*\saction="([^"]+)"`)

func openForm(t *testing.T, client *http.Client, link string) (page, action string) {
	t.Helper()
	resp, err := client.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := formAction.FindStringSubmatch(string(text))
	if found == nil {
		t.Fatalf("GET %s: %s without a form:\n%s", link, resp.Status, text)
	}
	target, err := resp.Request.URL.Parse(strings.ReplaceAll(found[1], "&amp;", "&"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text), target.String()
}

// exchange verifies what came back and returns the claims of the ID token and of the
// userinfo endpoint.
func exchange(t *testing.T, conf *oauth2.Config, provider *oidc.Provider, answer url.Values, verifier string) (idToken, userinfo map[string]any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	token, err := conf.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatalf("exchange of %v: %v", answer, err)
	}
	raw, _ := token.Extra("id_token").(string)
	verified, err := provider.Verifier(&oidc.Config{ClientID: conf.ClientID}).Verify(ctx, raw)
	if err != nil {
		t.Fatalf("ID token: %v", err)
	}
	if err := verified.Claims(&idToken); err != nil {
		t.Fatal(err)
	}
	info, err := provider.UserInfo(ctx, conf.TokenSource(ctx, token))
	if err != nil {
		t.Fatalf("userinfo: %v", err)
	}
	if err := info.Claims(&userinfo); err != nil {
		t.Fatal(err)
	}
	return idToken, userinfo
}

func discover(t *testing.T, issuer string) *oidc.Provider {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		t.Fatal(err)
	}
	return provider
}

var sorted = cmpopts.SortSlices(func(a, b any) bool {
	x, _ := a.(string)
	y, _ := b.(string)
	return x < y
})

func checkAlice(t *testing.T, where string, claims map[string]any) {
	t.Helper()
	want := map[string]any{
		"preferred_username": "alice", "name": "Alice Anders", "email": "alice@example.com",
		"email_verified": true, "groups": []any{"admins", "staff"},
	}
	got := map[string]any{}
	for key := range want {
		got[key] = claims[key]
	}
	if diff := cmp.Diff(want, got, sorted); diff != "" {
		t.Errorf("%s (-want +got):\n%s", where, diff)
	}
}

func newJar(t *testing.T) *cookiejar.Jar {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return jar
}
