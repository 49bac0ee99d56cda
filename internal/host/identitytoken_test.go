package host

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/keys"
	"github.com/authd/authd/sdk/devidp"
)

// clock is one that tests move.
type clock struct{ off atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.off.Load())) }

func (c *clock) move(d time.Duration) { c.off.Add(int64(d)) }

// runBy makes a server run by the clock, its signing keys too; it is for siteOptions.before.
func (c *clock) runBy(t testing.TB) func(*Server) {
	return func(s *Server) {
		s.signer.Close()
		var err error
		s.signer, err = keys.NewSigner(t.Context(), keys.SignerConfig{
			Name: "identity", Store: s.store, Ring: s.ring, TokenLife: identityLife, Warn: s.log.Warn, Now: c.now,
		})
		if err != nil {
			t.Fatal(err)
		}
		s.sessions.Now = c.now
	}
}

// jwksOf gets the keys as an app does, and says how long it may keep them.
func (s *site) jwksOf(t testing.TB) (jose.JSONWebKeySet, reply) {
	t.Helper()
	got := s.get(&http.Client{}, "/.well-known/jwks.json")
	wantStatus(t, got, http.StatusOK)
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(got.body), &set); err != nil {
		t.Fatal(err)
	}
	return set, got
}

// verified reads an identity as an app does: by the JWKS, and strict about all that it says of itself.
func verified(t testing.TB, s *site, set jose.JSONWebKeySet, token, host string, now time.Time) identityClaims {
	t.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatalf("%q: %v", token, err)
	}
	if typ := parsed.Headers[0].ExtraHeaders[jose.HeaderType]; typ != "authd-identity+jwt" {
		t.Errorf("typ is %v", typ)
	}
	var standard jwt.Claims
	var claims identityClaims
	if err := parsed.Claims(set, &standard, &claims); err != nil {
		t.Fatalf("the signature: %v", err)
	}
	// No leeway: verifier and authd have one clock here.
	err = standard.ValidateWithLeeway(jwt.Expected{Issuer: s.server.publicURL.String(), AnyAudience: jwt.Audience{host}, Time: now}, 0)
	if err != nil {
		t.Errorf("the claims %+v: %v", claims, err)
	}
	if len(standard.Audience) != 1 || standard.ID == "" || standard.Expiry == nil || standard.IssuedAt == nil {
		t.Errorf("the claims are %+v", standard)
	} else if life := standard.Expiry.Time().Sub(standard.IssuedAt.Time()); life > 5*time.Minute || life <= 0 {
		t.Errorf("the token lives for %s", life)
	}
	return claims
}

func (s *site) identityOf(c *http.Client, host string) string {
	s.t.Helper()
	got := s.ask(c, viaNginx("/auth/check"), request{"GET", host, "/", nil})
	wantStatus(s.t, got, http.StatusOK)
	return got.Header.Get("X-Auth-Request-Jwt")
}

// Threat 96, 97: an app learns from the token who is there, from nobody but authd, and for itself alone.
func TestIdentityToken(t *testing.T) {
	t.Parallel()
	s := appSite(t, siteOptions{})
	ada, grace := s.browser(), s.browser()
	s.login(ada, "ada", "/auth/oauth/idp")
	s.login(grace, "grace", "/auth/oauth/idp")
	set, keysReply := s.jwksOf(t)
	if strings.Contains(keysReply.body, `"d":`) || keysReply.Header.Get("Access-Control-Allow-Origin") != "*" || !strings.HasPrefix(keysReply.Header.Get("Cache-Control"), "public, max-age=") {
		t.Errorf("the keys come as %v\n%s", keysReply.Header, keysReply.body)
	}
	token := s.identityOf(ada, "wiki.example.com")
	claims := verified(t, s, set, token, "wiki.example.com", time.Now())
	subject := s.get(ada, "/auth/check").Header.Get("X-Auth-Request-Subject")
	want := identityClaims{
		Issuer: s.url, Subject: claims.Subject, Audience: "wiki.example.com", IssuedAt: claims.IssuedAt, Expires: claims.Expires, ID: claims.ID,
		Identifier: "ada", PreferredUsername: "ada", Name: "Ada Quillfeather", Email: "ada@example.org", EmailVerified: true,
		Groups: []string{"admins", "staff"}, Provider: "idp",
	}
	if diff := cmp.Diff(want, claims); diff != "" || len(claims.Subject) != 26 || subject != "" && subject != claims.Subject {
		t.Errorf("the token says (-want +got):\n%s", diff)
	}
	// Signed once: the very same bytes at every address.
	for where, at := range everyRoute {
		if got := s.ask(ada, at.via, request{"GET", "wiki.example.com", "/", nil}).Header.Get("X-Auth-Request-Jwt"); got != token {
			t.Errorf("%s: another token: %s", where, got)
		}
	}
	if other := s.identityOf(ada, "tokens.example.com"); verified(t, s, set, other, "tokens.example.com", time.Now()).ID == claims.ID {
		t.Error("two apps share a token")
	}
	if verified(t, s, set, s.identityOf(grace, "wiki.example.com"), "wiki.example.com", time.Now()).Identifier != "grace" {
		t.Error("grace is somebody else")
	}
	// A copy changes nothing at authd, as whatever it is shown.
	for _, as := range [][]string{
		{"Cookie", "authd=" + token}, {"Authorization", "Bearer " + token}, {"X-Auth-Request-Jwt", token}, {"X-Auth-Request-Access-Token", token}, {"Proxy-Authorization", "Bearer " + token},
	} {
		for where, at := range everyRoute {
			got := s.ask(&http.Client{}, at.via, request{"GET", "wiki.example.com", "/", as})
			wantStatus(t, got, http.StatusUnauthorized)
			wantIdentity(t, where, got, "")
		}
		wantStatus(t, s.get(&http.Client{}, "/auth/session", as...), http.StatusUnauthorized)
	}
}

// Threat 96: one that an app keeps ends while it still verifies the next; a new one is made after half its life, and
// with a new key. Whoever keeps the JWKS for as long as it says verifies all of them.
func TestIdentityTokenIsRenewed(t *testing.T) {
	t.Parallel()
	var time clock
	s := appSite(t, siteOptions{before: time.runBy(t)})
	c := s.browser()
	s.login(c, "ada", "/auth/oauth/idp")
	const host = "wiki.example.com"
	set, _ := s.jwksOf(t)
	first := s.identityOf(c, host)
	time.move(identityLife/2 - 10e9)
	if s.identityOf(c, host) != first {
		t.Error("signed anew before half of its life")
	}
	time.move(20e9)
	second := s.identityOf(c, host)
	if second == first {
		t.Error("kept beyond half of its life")
	}
	verified(t, s, set, second, host, time.now())
	if s.identityOf(c, host) != second {
		t.Error("signed at each check")
	}
	// A clock that was set back: the kept one would begin in the future.
	time.move(-identityLife)
	third := s.identityOf(c, host)
	if third == second {
		t.Error("a token of the future is handed on")
	}
	verified(t, s, set, third, host, time.now())
	time.move(identityLife)

	// The next key was published when the first one was made; after an hour every app has it.
	time.move(2 * 3600e9)
	before, answer := s.jwksOf(t)
	old := s.identityOf(c, host)
	if _, err := s.server.signer.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	fresh := s.identityOf(c, host)
	if kid(t, fresh) == kid(t, old) {
		t.Error("the new key does not sign")
	}
	verified(t, s, before, fresh, host, time.now())
	after, later := s.jwksOf(t)
	verified(t, s, after, old, host, time.now())
	if answer.Header.Get("ETag") == later.Header.Get("ETag") {
		t.Error("other keys have the same ETag")
	}
	if got := s.get(&http.Client{}, "/.well-known/jwks.json", "If-None-Match", later.Header.Get("ETag")); got.StatusCode != http.StatusNotModified || got.body != "" {
		t.Errorf("the same keys again: status %d", got.StatusCode)
	}
}

func kid(t *testing.T, token string) string {
	t.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Headers[0].KeyID
}

// Threat 110: however many names a browser makes up below a wildcard, a session keeps few tokens.
func TestIdentityTokensAreBounded(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{keys: trustLoopback, toml: "\n[[apps]]\nhost = \"*.example.com\"\n"})
	c := s.browser()
	s.login(c, "ada", "/auth/oauth/idp")
	set, _ := s.jwksOf(t)
	seen := map[string]bool{}
	for i := range 3 * maxAudiences {
		host := fmt.Sprintf("a%d.example.com", i)
		token := s.identityOf(c, host)
		verified(t, s, set, token, host, time.Now())
		seen[token] = true
		id := s.sessionCookie(c).Value
		found, err := s.server.sessions.Lookup(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if kept := len(s.server.grantOf(found).tokens.identity); kept > maxAudiences || kept == 0 {
			t.Fatalf("%d tokens are kept", kept)
		}
	}
	if len(seen) != 3*maxAudiences {
		t.Errorf("%d different tokens for %d apps", len(seen), 3*maxAudiences)
	}
}

// A check goes on without a token when none can be signed; then the app knows nobody.
func TestIdentityCannotBeSigned(t *testing.T) {
	t.Parallel()
	var time clock
	s := appSite(t, siteOptions{before: time.runBy(t)})
	c := s.browser()
	s.login(c, "ada", "/auth/oauth/idp")
	// The signer's store is gone, and what it read is too old.
	s.server.signer.Store = deafStore{s.server.signer.Store}
	time.move(2 * 3600e9)
	got := s.ask(c, viaNginx("/auth/check"), request{"GET", "wiki.example.com", "/", nil})
	wantStatus(t, got, http.StatusOK)
	wantIdentity(t, "without keys", got, "ada")
	if token := got.Header.Get("X-Auth-Request-Jwt"); token != "" {
		t.Errorf("signed without keys: %s", token)
	}
	s.logs.await(t, "the identity can't be signed", 0)
	failsWith(t, s.get(&http.Client{}, "/.well-known/jwks.json", "Accept", "application/json"), http.StatusServiceUnavailable, "internal")
}

// The identity provider's token goes to the apps that ask for it, while it is good; all others get an empty one.
func TestAccessToken(t *testing.T) {
	t.Parallel()
	var time clock
	s := appSite(t, siteOptions{before: time.runBy(t), idp: devidp.Options{AccessTokenLife: 600e9}})
	c, guest := s.browser(), s.browser()
	s.login(c, "ada", "/auth/oauth/idp")
	ask := func(c *http.Client, host, uri string) string {
		t.Helper()
		got := s.ask(c, viaNginx("/auth/check"), request{"GET", host, uri, []string{"X-Auth-Request-Access-Token", "forged"}})
		values := got.Header.Values("X-Auth-Request-Access-Token")
		if len(values) != 1 {
			t.Fatalf("%s: the header is there %d times", host, len(values))
		}
		return values[0]
	}
	if got := ask(c, "wiki.example.com", "/"); got != "" {
		t.Errorf("an app that did not ask for it gets %s", got)
	}
	if got := ask(guest, "tokens.example.com", "/"); got != "" {
		t.Errorf("a guest has the token %s", got)
	}
	token := ask(c, "tokens.example.com", "/")
	if used := s.idp.Requests(devidp.EndpointUserInfo); len(used) == 0 || used[len(used)-1].Header.Get("Authorization") != "Bearer "+token || token == "" {
		t.Errorf("the app gets %q, which is not the token of the identity provider", token)
	}
	if again := ask(c, "tokens.example.com", "/"); again != token {
		t.Errorf("the next check hands on %q", again)
	}
	time.move(601e9)
	if got := ask(c, "tokens.example.com", "/"); got == token {
		t.Error("a token that has run out is handed on")
	}
	// That look-up has begun to renew it. To the identity provider no time has passed, so its new token is good for ten
	// minutes from now.
	for s.idp.Stats().RefreshAnswers == 0 && t.Context().Err() == nil {
		wantStatus(t, s.get(&http.Client{}, "/healthz"), http.StatusOK)
	}
	time.move(-601e9)
	renewed := token
	for (renewed == token || renewed == "") && t.Context().Err() == nil {
		renewed = ask(c, "tokens.example.com", "/")
	}
	used := s.idp.Requests(devidp.EndpointUserInfo)
	if got := used[len(used)-1].Header.Get("Authorization"); got != "Bearer "+renewed {
		t.Errorf("the app gets %q, the identity provider knows %q", renewed, got)
	}
	if got := ask(c, "wiki.example.com", "/"); got != "" {
		t.Errorf("after the renewal an app that did not ask for it gets %s", got)
	}
}
