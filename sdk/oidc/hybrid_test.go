package oidc_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/oidc"
)

// hybridAt is the configuration for the hybrid flow. Userinfo is not asked, so that nothing else tells who it is.
func hybridAt(idp *devidp.Server) oidc.Config {
	config := at(idp)
	config.Hybrid, config.NoUserInfo = true, true
	return config
}

func TestHybridLogin(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		idp := startIDP(t, devidp.Options{SigningAlg: alg})
		p := newProvider(t, hybridAt(idp))
		if got := p.(sdk.OpenID).Metadata().ResponseType; got != "code id_token" {
			t.Errorf("%s: asks for %q", alg, got)
		}
		u, err := whole(t, idp, p)
		if err != nil || u.PreferredUsername != "ada" {
			t.Errorf("%s: got %+v, error %v; want ada", alg, u, err)
		}
		if u != nil && strings.Contains(string(u.Claims), "c_hash") {
			t.Errorf("%s: the claims that a session keeps hold a c_hash: %s", alg, u.Claims)
		}
	}
}

// wantBrowsers asserts that an error blames what the browser brought: were it the identity provider's fault, any visitor
// could make that look broken.
func wantBrowsers(t *testing.T, err error) {
	t.Helper()
	if got := typed(t, err); got.Source != sdk.SourceUser || got.Code != "invalid_grant" {
		t.Errorf("got source %v, code %q (%v); want invalid_grant of the user", got.Source, got.Code, err)
	}
}

// frontFlaws are what is wrong with the ID token that comes with the code, beside what concerns an access token, of
// which there is none yet (OpenID Connect Core section 3.3.2.11).
func frontFlaws() []devidp.Flaw {
	flaws := []devidp.Flaw{devidp.FlawWrongCHash, devidp.FlawNoCHash, devidp.FlawCallbackNoToken}
	for _, flaw := range devidp.Flaws(devidp.EndpointToken) {
		if flaw.MustRefuse() && flaw != devidp.FlawWrongAtHash && slices.Contains(devidp.Flaws(devidp.EndpointAuthorize), flaw) {
			flaws = append(flaws, flaw)
		}
	}
	return flaws
}

// Threats 8, 20, 21, 22, 26, 27, 28: an ID token that comes with the code is believed no more than any other one, and
// nothing is sent to the token endpoint before it was found to be right.
func TestHybridFlaws(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		idp := startIDP(t, devidp.Options{SigningAlg: alg})
		for _, flaw := range frontFlaws() {
			idp.Clear()
			idp.ForgetRequests()
			idp.Fault(devidp.EndpointAuthorize, devidp.Fault{Flaws: []devidp.Flaw{flaw}})
			token, err := login(t, idp, newProvider(t, hybridAt(idp)))
			if err == nil {
				t.Errorf("%s %s: got %+v, want a refusal", alg, flaw, token)
				continue
			}
			if flaw == devidp.FlawOtherUser {
				wantUpstream(t, err)
			} else {
				wantBrowsers(t, err)
			}
			if n := idp.RequestCount(devidp.EndpointTrap); n != 0 {
				t.Errorf("%s %s: the token's own address was asked %d times", alg, flaw, n)
			}
			// Of a token that is right but for who it is about, only the second one can tell.
			if n := idp.RequestCount(devidp.EndpointToken); n != 0 && flaw != devidp.FlawOtherUser {
				t.Errorf("%s %s: the code was redeemed", alg, flaw)
			}
		}
	}
}

// Threat 30: both ID tokens must be about the same user of the same issuer (OpenID Connect Core section 3.3.3.6).
func TestHybridOtherUserAtTheTokenEndpoint(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newProvider(t, hybridAt(idp))
	idp.Fault(devidp.EndpointToken, devidp.Fault{Flaws: []devidp.Flaw{devidp.FlawOtherUser}})
	_, err := login(t, idp, p)
	wantUpstream(t, err)
	if err != nil && !strings.Contains(err.Error(), "somebody else") {
		t.Errorf("got %v, want it to say what is wrong", err)
	}
}

// Threat 7: the code and the ID token of two logins do not go together, and neither does an ID token without a code.
func TestHybridMixedAnswers(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newProvider(t, hybridAt(idp))
	ask := sdk.AuthorizeRequest{Scope: []string{"openid"}}
	mine, theirs := authorize(t, idp, p, ask), authorize(t, idp, p, ask)
	swapped := mine
	swapped.Code, swapped.CodeVerifier = theirs.Code, theirs.CodeVerifier
	bare := mine
	bare.Code = ""
	twice := mine
	twice.Params = url.Values{"id_token": {mine.Params.Get("id_token"), mine.Params.Get("id_token")}}
	for name, in := range map[string]sdk.CodeExchange{"the code of another login": swapped, "no code": bare, "two ID tokens": twice} {
		_, err := p.GetToken(t.Context(), in)
		if err == nil {
			t.Errorf("%s: it was taken for good", name)
			continue
		}
		wantBrowsers(t, err)
		if strings.Contains(err.Error(), mine.Params.Get("id_token")) {
			t.Errorf("%s: the error holds the ID token", name)
		}
	}
	if n := idp.RequestCount(devidp.EndpointToken); n != 0 {
		t.Errorf("the token endpoint was asked %d times", n)
	}
	if _, err := p.GetToken(t.Context(), mine); err != nil {
		t.Errorf("the right pair: %v", err)
	}
}

// Threat 17: max_age holds for the ID token that comes with the code, too.
func TestHybridMaxAge(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newProvider(t, hybridAt(idp))
	idp.Fault(devidp.EndpointAuthorize, devidp.Fault{Flaws: []devidp.Flaw{devidp.FlawStaleAuthTime}})
	_, err := p.GetToken(t.Context(), authorize(t, idp, p, sdk.AuthorizeRequest{Scope: []string{"openid"}, MaxAge: time.Hour}))
	wantBrowsers(t, err)
}

// Without the hybrid flow no ID token is asked for and none is looked at; authd lets none through.
func TestCodeFlowNeedsNoIDTokenInFront(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newProvider(t, at(idp))
	if p.(sdk.OpenID).Metadata().Hybrid() {
		t.Error("the hybrid flow is asked for")
	}
	mustLogin(t, idp, p)
}

// Threats 46, 51: keys that can't be had are the identity provider's fault, whoever brought the token.
func TestHybridKeysUnavailable(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newProvider(t, hybridAt(idp))
	idp.Fault(devidp.EndpointJWKS, devidp.Fault{Status: 503})
	_, err := login(t, idp, p)
	wantUpstream(t, err)
}
