package oidc_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
)

func refresh(t *testing.T, p sdk.Provider, old *sdk.Token) (*sdk.Token, error) {
	t.Helper()
	return p.(sdk.Refresher).RefreshToken(t.Context(), old)
}

func TestRefresh(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newProvider(t, at(idp))
	token := mustLogin(t, idp, p)
	renewed, err := refresh(t, p, token)
	if err != nil {
		t.Fatal(err)
	}
	if renewed.AccessToken == token.AccessToken || renewed.RefreshToken == "" || renewed.IDToken == "" || renewed.Expiry.IsZero() {
		t.Errorf("got %+v, want new tokens of every kind", renewed)
	}
	if u, err := p.GetUserInfo(t.Context(), renewed); err != nil || u.PreferredUsername != "ada" {
		t.Errorf("got %+v, error %v; want ada", u, err)
	}
}

// The old refresh token stays in use when no new one comes; the caller sees that by its absence.
func TestRefreshWithoutNewRefreshToken(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newProvider(t, at(idp))
	token := mustLogin(t, idp, p)
	idp.Fault(devidp.EndpointToken, devidp.Fault{Flaws: []devidp.Flaw{devidp.FlawNoNewRefreshToken}})
	renewed, err := refresh(t, p, token)
	if err != nil || renewed.RefreshToken != "" {
		t.Errorf("got %+v, error %v; want no refresh token", renewed, err)
	}
}

// Not every identity provider sends an ID token again; userinfo then says who it is.
func TestRefreshWithoutIDToken(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	config := at(idp)
	p := newProvider(t, config)
	token := mustLogin(t, idp, p)
	idp.Fault(devidp.EndpointToken, devidp.Fault{Flaws: []devidp.Flaw{devidp.FlawNoIDToken}})
	renewed, err := refresh(t, p, token)
	if err != nil || renewed.IDToken != "" {
		t.Fatalf("got %+v, error %v; want no ID token", renewed, err)
	}
	if u, err := p.GetUserInfo(t.Context(), renewed); err != nil || u.PreferredUsername != "ada" {
		t.Errorf("got %+v, error %v; want ada by userinfo alone", u, err)
	}
	config.NoUserInfo = true
	_, err = newProvider(t, config).GetUserInfo(t.Context(), renewed)
	wantUpstream(t, err)
}

// Where userinfo is not asked, the old ID token goes on telling who it is.
func TestRefreshWithoutIDTokenAndUserInfo(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	config := at(idp)
	config.NoUserInfo = true
	p := newProvider(t, config)
	token := mustLogin(t, idp, p)
	idp.Fault(devidp.EndpointToken, devidp.Fault{Flaws: []devidp.Flaw{devidp.FlawNoIDToken}})
	renewed, err := refresh(t, p, token)
	if err != nil || renewed.IDToken != token.IDToken || renewed.AccessToken == token.AccessToken {
		t.Fatalf("got %+v, error %v; want new tokens beside the old ID token", renewed, err)
	}
	if u, err := p.GetUserInfo(t.Context(), renewed); err != nil || u.PreferredUsername != "ada" {
		t.Errorf("got %+v, error %v; want ada", u, err)
	}
}

// Threat 38: a refresh that swaps the user, the client or the issuer ends the session.
func TestRefreshMustNotSwapTheUser(t *testing.T) {
	tests := map[devidp.Flaw]sdk.Source{
		devidp.FlawOtherUser:       sdk.SourceUser,
		devidp.FlawWrongIssuer:     sdk.SourceUser,
		devidp.FlawWrongAudience:   sdk.SourceUser,
		devidp.FlawAzpOther:        sdk.SourceUser,
		devidp.FlawExtraAudience:   sdk.SourceUser,
		devidp.FlawBrokenSignature: sdk.SourceUpstream,
		devidp.FlawAlgNone:         sdk.SourceUpstream,
		devidp.FlawExpired:         sdk.SourceUpstream,
		devidp.FlawWrongAtHash:     sdk.SourceUpstream,
		devidp.FlawNoSub:           sdk.SourceUpstream,
		devidp.FlawCaseClaim:       sdk.SourceUpstream,
	}
	idp := startIDP(t, devidp.Options{})
	p := newProvider(t, at(idp))
	for flaw, want := range tests {
		t.Run(string(flaw), func(t *testing.T) {
			idp.Clear()
			token := mustLogin(t, idp, p)
			idp.Fault(devidp.EndpointToken, devidp.Fault{Grant: "refresh_token", Flaws: []devidp.Flaw{flaw}})
			_, err := refresh(t, p, token)
			got := typed(t, err)
			if got.Source != want || (want == sdk.SourceUser) != (got.Code == "invalid_grant") {
				t.Errorf("got %v with code %q, want source %v", err, got.Code, want)
			}
		})
	}
}

// Threat 38: what the old ID token says is kept to even when its key is gone by now, and when it can't be read.
func TestRefreshAfterKeyRotation(t *testing.T) {
	c := newClock()
	idp := startIDP(t, devidp.Options{Now: c.Now})
	p := newProvider(t, atTime(idp, c))
	token := mustLogin(t, idp, p)
	idp.RotateKeys()
	c.Turn(2 * time.Hour)
	renewed, err := refresh(t, p, token)
	if err != nil {
		t.Fatal(err)
	}
	for _, unreadable := range []string{"x", "a.!.c", "a.bm8.c"} {
		renewed.IDToken = unreadable
		again, err := refresh(t, p, renewed)
		if got := typed(t, err); got.Code != "invalid_grant" {
			t.Errorf("old ID token %q: got %+v, error %v; want invalid_grant", unreadable, again, err)
		}
		if renewed, err = login(t, idp, p); err != nil {
			t.Fatal(err)
		}
	}
}

// Threats 33, 39: a refresh token is sent once; a refusal is the user's end, a failure is not.
func TestRefreshFaults(t *testing.T) {
	tests := map[string]struct {
		fault devidp.Fault
		want  sdk.Source
	}{
		"revoked": {devidp.Fault{Error: "invalid_grant"}, sdk.SourceUser},
		"down":    {devidp.Fault{Status: 503}, sdk.SourceUpstream},
		"dropped": {devidp.Fault{Drop: true}, sdk.SourceUpstream},
		"garbage": {devidp.Fault{NotJSON: true}, sdk.SourceUpstream},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			idp := startIDP(t, devidp.Options{})
			p := newProvider(t, at(idp))
			token := mustLogin(t, idp, p)
			idp.Fault(devidp.EndpointToken, test.fault)
			_, err := refresh(t, p, token)
			if got := typed(t, err); got.Source != test.want {
				t.Errorf("got %v, want source %v", err, test.want)
			}
			if n := idp.RequestCount(devidp.EndpointToken); n != 2 {
				t.Errorf("the token endpoint was asked %d times, want once for the code and once for the refresh", n)
			}
		})
	}
}

func TestRevoke(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newProvider(t, at(idp))
	token := mustLogin(t, idp, p)
	if err := p.(sdk.Revoker).RevokeToken(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if _, err := refresh(t, p, token); typed(t, err).Code != "invalid_grant" {
		t.Errorf("got %v, want the refresh token to be gone", err)
	}
	sent := idp.Requests(devidp.EndpointRevoke)
	if len(sent) != 2 || sent[0].AuthStyle != "client_secret_basic" || sent[0].Form.Get("token") != token.RefreshToken {
		t.Errorf("got %d requests, want the refresh token first, then the access token, with the client's credentials", len(sent))
	}
}

// Threat 73: where the browser is sent to sign out at the identity provider.
func TestEndSession(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	idp.Fault(devidp.EndpointDiscovery, devidp.Fault{EditBody: func(body map[string]any) {
		body["end_session_endpoint"] = body["end_session_endpoint"].(string) + "?tenant=t&client_id=other"
	}})
	p := newProvider(t, at(idp))
	to, err := p.(sdk.EndSessioner).EndSession(t.Context(), sdk.EndSessionRequest{
		IDTokenHint: "hint", PostLogoutRedirectURI: "https://auth.example.com/?a=b", State: "s&t",
	})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"tenant": {"t"}, "client_id": {"demo"}, "id_token_hint": {"hint"},
		"post_logout_redirect_uri": {"https://auth.example.com/?a=b"}, "state": {"s&t"},
	}
	if diff := cmp.Diff(u.Query(), want); diff != "" {
		t.Errorf("query (got -, want +):\n%s", diff)
	}
}

func TestEndSessionReallyEndsIt(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newProvider(t, at(idp))
	token := mustLogin(t, idp, p)
	ada, _ := idp.User("ada")
	if len(idp.SessionIDs(ada.Sub)) == 0 {
		t.Fatal("there is no session to end")
	}
	to, err := p.(sdk.EndSessioner).EndSession(t.Context(), sdk.EndSessionRequest{IDTokenHint: token.IDToken, PostLogoutRedirectURI: callback, State: "bye"})
	if err != nil {
		t.Fatal(err)
	}
	back, err := idp.NewBrowser().Logout(t.Context(), to)
	if err != nil || back != callback+"?state=bye" {
		t.Errorf("got %q, error %v; want the way back with the state", back, err)
	}
	if left := idp.SessionIDs(ada.Sub); len(left) != 0 {
		t.Errorf("sessions %v are left", left)
	}
}
