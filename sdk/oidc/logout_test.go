package oidc_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
)

func verifyLogout(t *testing.T, p sdk.Provider, raw string) (*sdk.LogoutToken, error) {
	t.Helper()
	return p.(sdk.LogoutTokenVerifier).VerifyLogoutToken(t.Context(), raw)
}

// Threats 75, 77: a good logout token says whose session, or which one.
func TestLogoutToken(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newProvider(t, at(idp))
	for name, test := range map[string]struct{ sub, sid string }{
		"a user": {"u1", ""}, "a session": {"", "s1"}, "both": {"u1", "s1"},
	} {
		got, err := verifyLogout(t, p, idp.LogoutToken(test.sub, test.sid, "demo"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := &sdk.LogoutToken{Issuer: idp.Issuer(), Sub: test.sub, SID: test.sid}
		if diff := cmp.Diff(got, want, cmpopts.IgnoreFields(sdk.LogoutToken{}, "ID", "Expiry")); diff != "" {
			t.Errorf("%s (got -, want +):\n%s", name, diff)
		}
		// Threat 76: what it takes to remember it until it ends.
		if got.ID == "" || !got.Expiry.After(time.Now()) {
			t.Errorf("%s: got id %q, expiry %v", name, got.ID, got.Expiry)
		}
	}
}

// Threat 75: a forged or wrong one ends nobody's session, and is nobody's fault but the sender's, so that a flood of
// them does not make the identity provider look ill.
func TestLogoutTokenIsRefused(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newProvider(t, at(idp))
	token := mustLogin(t, idp, p)
	tests := map[string]string{
		"an ID token":        token.IDToken,
		"nothing":            "",
		"garbage":            "a.b.c",
		"for another client": idp.LogoutToken("u1", "", "other"),
		"of another issuer":  idp.LogoutTokenFor("https://attacker.invalid", "u1", "", "demo", devidp.Fault{}),
	}
	for _, flaw := range []devidp.Flaw{
		devidp.FlawAlgNone, devidp.FlawHS256ClientSecret, devidp.FlawHS256PublicKey, devidp.FlawBrokenSignature, devidp.FlawUnknownKey,
		devidp.FlawHeaderJKU, devidp.FlawHeaderJWK, devidp.FlawWeakKey, devidp.FlawCritical, devidp.FlawNotJWT,
		devidp.FlawWrongIssuer, devidp.FlawNoIssuer, devidp.FlawWrongAudience, devidp.FlawNoAudience, devidp.FlawExtraAudience,
		devidp.FlawExpired, devidp.FlawNoExpiry, devidp.FlawFutureIssuedAt, devidp.FlawNoIssuedAt, devidp.FlawNotYetValid,
		devidp.FlawWithNonce, devidp.FlawNoEvents, devidp.FlawNoTokenID, devidp.FlawNoSubject, devidp.FlawWrongTokenType,
		devidp.FlawRepeatedClaim, devidp.FlawCaseClaim, devidp.FlawNumericSub, devidp.FlawLongSub, devidp.FlawEmptySub,
	} {
		tests[string(flaw)] = idp.LogoutToken("u1", "", "demo", flaw)
	}
	edits := map[string]func(map[string]any){
		"nonce null":               set("nonce", nil),
		"events is a string":       set("events", "http://schemas.openid.net/event/backchannel-logout"),
		"events is a list":         set("events", []string{"http://schemas.openid.net/event/backchannel-logout"}),
		"events is something else": set("events", map[string]any{"http://schemas.openid.net/event/other": map[string]any{}}),
		"event is no object":       set("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": true}),
		"event is null":            set("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": nil}),
		"jti of a number":          set("jti", 7),
		"sid of a number":          set("sid", 7),
		"sid empty":                set("sid", ""),
		"sub with a newline":       set("sub", "a\nb"),
		"azp of another client":    set("azp", "other"),
	}
	for name, edit := range edits {
		tests[name] = idp.LogoutTokenFor(idp.Issuer(), "u1", "", "demo", devidp.Fault{EditClaims: edit})
	}
	for name, raw := range tests {
		got, err := verifyLogout(t, p, raw)
		if err == nil {
			t.Errorf("%s: got %+v, want it refused", name, got)
			continue
		}
		if e := typed(t, err); e.Source != sdk.SourceUser || e.Code != "invalid_request" {
			t.Errorf("%s: got %v, want invalid_request of the user", name, err)
		}
	}
}

// Threat 29: and a logout token is no ID token.
func TestLogoutTokenIsNoIDToken(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newProvider(t, at(idp))
	token := mustLogin(t, idp, p)
	ada, _ := idp.User("ada")
	_, err := p.GetUserInfo(t.Context(), &sdk.Token{AccessToken: token.AccessToken, IDToken: idp.LogoutToken(ada.Sub, "", "demo")})
	wantUpstream(t, err)
	if !strings.Contains(err.Error(), "made for something else") {
		t.Errorf("got %v, want the type to be the reason", err)
	}
}

// An identity provider whose keys can't be had is at fault itself.
func TestLogoutTokenWithoutKeys(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newProvider(t, at(idp))
	idp.Fault(devidp.EndpointJWKS, devidp.Fault{Status: 503})
	_, err := verifyLogout(t, p, idp.LogoutToken("u1", "", "demo"))
	wantUpstream(t, err)
}
