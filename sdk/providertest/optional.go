package providertest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
)

// optionalChecks are for what only some providers can do.
func optionalChecks() []check {
	capable := func(c sdk.Capability) func(*suite) bool { return func(s *suite) bool { return s.shared.can(c) } }
	refreshes := func(s *suite) bool { return s.shared.can(sdk.CapabilityRefresh) && s.token.RefreshToken != "" }
	checks := []check{
		{name: "refresh", run: checkRefresh, when: refreshes},
		{name: "refresh-kept", run: checkRefreshKept, when: func(s *suite) bool { return refreshes(s) && s.tokenAt == devidp.EndpointToken }},
		{name: "refresh-invalid-grant", run: checkRefreshRefused, when: func(s *suite) bool { return refreshes(s) && asksIDP(s) }},
		{name: "refresh-other-user", run: checkRefreshOtherUser, when: func(s *suite) bool { return refreshes(s) && openID(s) }},
		{name: "refresh-without-token", run: checkRefreshWithout, when: capable(sdk.CapabilityRefresh)},
		{name: "revoke", run: checkRevoke, when: capable(sdk.CapabilityRevocation)},
		{name: "end-session", run: checkEndSession, when: capable(sdk.CapabilityEndSession)},
		{name: "password", run: checkPassword, when: capable(sdk.CapabilityPassword)},
		{name: "logout-token", run: checkLogoutToken, when: capable(sdk.CapabilityBackchannelLogout)},
		{name: "check", run: checkCheck, when: capable(sdk.CapabilityCheck)},
	}
	for _, flaw := range logoutFlaws() {
		checks = append(checks, check{name: "logout-token-" + string(flaw), when: capable(sdk.CapabilityBackchannelLogout), run: func(ctx context.Context, s *suite) error {
			return s.logoutLie(ctx, flaw)
		}})
	}
	return checks
}

func checkRefresh(ctx context.Context, s *suite) error {
	token, before, err := s.login(ctx, s.shared, s.who(verified))
	if err != nil {
		return err
	}
	for range 2 { // the second time with the token that came of the first: where they rotate, the old one is spent
		next, err := s.shared.refreshToken(ctx, token)
		if err != nil {
			return fmt.Errorf("RefreshToken: %w", err)
		}
		if next.AccessToken == token.AccessToken {
			return errors.New("RefreshToken answered the old access token")
		}
		if next.RefreshToken == token.RefreshToken {
			return errors.New("the identity provider rotates refresh tokens, but RefreshToken answered the old one; hand on the new one, or the next refresh fails")
		}
		after, err := s.shared.getUserInfo(ctx, next)
		if err != nil {
			return fmt.Errorf("GetUserInfo after RefreshToken: %w", err)
		}
		if after.Sub != before.Sub {
			return fmt.Errorf("after RefreshToken the sub is %q, before it was %q", after.Sub, before.Sub)
		}
		token = next
	}
	return nil
}

// checkRefreshKept: an identity provider that does not rotate sends no refresh token, and the old one stays good.
func checkRefreshKept(ctx context.Context, s *suite) error {
	token, _, err := s.login(ctx, s.shared, s.who(verified))
	if err != nil {
		return err
	}
	s.idp.Fault(s.tokenAt, devidp.Fault{Flaws: []devidp.Flaw{devidp.FlawNoNewRefreshToken}})
	next, err := s.shared.refreshToken(ctx, token)
	if err != nil {
		return fmt.Errorf("RefreshToken: %w", err)
	}
	if next.RefreshToken != "" && next.RefreshToken != token.RefreshToken {
		return errors.New("the identity provider sent no refresh token, but RefreshToken answered a new one")
	}
	return nil
}

func checkRefreshRefused(ctx context.Context, s *suite) error {
	token, _, err := s.login(ctx, s.shared, s.who(verified))
	if err != nil {
		return err
	}
	s.idp.RevokeUser(s.who(verified).Sub)
	_, err = s.shared.refreshToken(ctx, token)
	return wantSource("RefreshToken", err, sdk.SourceUser)
}

// checkRefreshOtherUser: whoever holds a session never becomes somebody else (OpenID Connect Core section 12.2).
func checkRefreshOtherUser(ctx context.Context, s *suite) error {
	token, _, err := s.login(ctx, s.shared, s.who(verified))
	if err != nil {
		return err
	}
	s.idp.Fault(s.tokenAt, devidp.Fault{Flaws: []devidp.Flaw{devidp.FlawOtherUser}})
	next, err := s.shared.refreshToken(ctx, token)
	if err == nil && next.IDToken == "" {
		return nil // the provider keeps nothing of the new ID token, so nobody is misled
	}
	return wantRefusal(err)
}

func checkRefreshWithout(ctx context.Context, s *suite) error {
	if _, err := s.shared.refreshToken(ctx, &sdk.Token{AccessToken: "kit-access-token"}); err == nil {
		return errors.New("RefreshToken answered a token though there was no refresh token")
	}
	return nil
}

func checkRevoke(ctx context.Context, s *suite) error {
	token, _, err := s.login(ctx, s.shared, s.who(verified))
	if err != nil {
		return err
	}
	at, err := s.idp.asked(func() error {
		_, err := call(ctx, s.shared, "RevokeToken", func(ctx context.Context) (any, error) { return nil, s.shared.client.RevokeToken(ctx, token) })
		return err
	})
	if err != nil {
		return fmt.Errorf("RevokeToken: %w", err)
	}
	if len(at) == 0 {
		return errors.New("RevokeToken asked nothing of the identity provider")
	}
	if s.infoAt == "" {
		return nil
	}
	if _, err := s.shared.getUserInfo(ctx, token); err == nil {
		return errors.New("the token still works after RevokeToken")
	}
	return nil
}

// checkEndSession: the URL says whose session it is and where to go then; without either, people are asked, or stay
// where they are.
func checkEndSession(ctx context.Context, s *suite) error {
	token, _, err := s.login(ctx, s.shared, s.who(verified))
	if err != nil {
		return err
	}
	in := sdk.EndSessionRequest{IDTokenHint: token.IDToken, PostLogoutRedirectURI: "http://127.0.0.1:9/auth/logout", State: rand.Text()}
	to, err := call(ctx, s.shared, "EndSession", func(ctx context.Context) (string, error) { return s.shared.client.EndSession(ctx, in) })
	if err != nil {
		return fmt.Errorf("EndSession: %w", err)
	}
	if to == "" {
		return errors.New("the provider has the capability END_SESSION, but EndSession answered no URL though the identity provider has the endpoint")
	}
	u, err := url.Parse(to)
	if err != nil || u.Host == "" {
		return fmt.Errorf("EndSession answered %.60q, which is no URL", to)
	}
	var faults []error
	want := map[string]string{"client_id": s.settings["client_id"], "post_logout_redirect_uri": in.PostLogoutRedirectURI, "state": in.State}
	if token.IDToken != "" {
		want["id_token_hint"] = token.IDToken
	}
	for name, value := range want {
		if got := u.Query().Get(name); got != value {
			faults = append(faults, fmt.Errorf("the URL of EndSession has %s=%.40q; want the one of the request (OpenID Connect RP-Initiated Logout 1.0 section 2)", name, got))
		}
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	back, err := s.idp.NewBrowser().Logout(ctx, to)
	if err != nil {
		return fmt.Errorf("the identity provider did not take the URL of EndSession: %w", err)
	}
	if wanted := in.PostLogoutRedirectURI + "?state=" + in.State; back != wanted {
		return fmt.Errorf("after the logout the browser is sent to %q, want %q", back, wanted)
	}
	return nil
}

func checkPassword(ctx context.Context, s *suite) error {
	right := s.credentials(s.who(verified))
	if _, _, err := s.login(ctx, s.shared, s.who(verified)); err != nil {
		return fmt.Errorf("with the right password: %w", err)
	}
	var faults []error
	for name, in := range map[string]sdk.Credentials{
		"a wrong password":     {Username: right.Username, Password: right.Password + "x"},
		"no password":          {Username: right.Username},
		"an unknown user":      {Username: "kit-nobody", Password: right.Password},
		"no user":              {Password: right.Password},
		"more than a password": {Username: right.Username, Password: right.Password + "\x00"},
	} {
		_, err := s.shared.passwordLogin(ctx, in)
		if fault := wantSource("PasswordLogin with "+name, err, sdk.SourceUser); fault != nil {
			faults = append(faults, fault)
		}
	}
	return errors.Join(faults...)
}

// logoutFlaws are what makes a logout token one to refuse (OpenID Connect Back-Channel Logout 1.0 section 2.6).
func logoutFlaws() []devidp.Flaw {
	return []devidp.Flaw{
		devidp.FlawAlgNone, devidp.FlawHS256PublicKey, devidp.FlawHS256ClientSecret, devidp.FlawBrokenSignature,
		devidp.FlawUnknownKey, devidp.FlawHeaderJKU, devidp.FlawHeaderJWK, devidp.FlawWrongIssuer, devidp.FlawNoIssuer,
		devidp.FlawWrongAudience, devidp.FlawNoAudience, devidp.FlawExpired, devidp.FlawNotJWT, devidp.FlawWithNonce,
		devidp.FlawNoEvents, devidp.FlawNoTokenID, devidp.FlawNoSubject, devidp.FlawWrongTokenType,
	}
}

func (s *suite) logoutToken(f devidp.Fault) (string, *sdk.User) {
	user := s.users[verified]
	return s.idp.LogoutTokenFor(s.shared.Issuer, user.Sub, user.SID, s.settings["client_id"], f), user
}

func (s *suite) verifyLogoutToken(ctx context.Context, token string) (*sdk.LogoutToken, error) {
	return call(ctx, s.shared, "VerifyLogoutToken", func(ctx context.Context) (*sdk.LogoutToken, error) {
		return s.shared.client.VerifyLogoutToken(ctx, token)
	})
}

func checkLogoutToken(ctx context.Context, s *suite) error {
	raw, user := s.logoutToken(devidp.Fault{})
	got, err := s.verifyLogoutToken(ctx, raw)
	if err != nil {
		return fmt.Errorf("VerifyLogoutToken of a good one: %w", err)
	}
	var faults []error
	if got.Issuer != s.shared.Issuer || got.Sub != user.Sub || got.SID != user.SID {
		faults = append(faults, fmt.Errorf("VerifyLogoutToken says issuer %q, sub %q and sid %q; the token says %q, %q and %q",
			got.Issuer, got.Sub, got.SID, s.shared.Issuer, user.Sub, user.SID))
	}
	if got.ID == "" || !got.Expiry.After(time.Now()) {
		faults = append(faults, errors.New("VerifyLogoutToken leaves out jti or exp, by which authd knows a token that comes again"))
	}
	if _, err := s.verifyLogoutToken(ctx, s.token.IDToken); err == nil {
		faults = append(faults, errors.New("VerifyLogoutToken took an ID token; whoever has seen one could end sessions"))
	}
	return errors.Join(faults...)
}

func (s *suite) logoutLie(ctx context.Context, flaw devidp.Flaw) error {
	raw, _ := s.logoutToken(devidp.Fault{Flaws: []devidp.Flaw{flaw}})
	_, err := s.verifyLogoutToken(ctx, raw)
	if s.idp.RequestCount(devidp.EndpointTrap) > 0 {
		s.idp.ForgetRequests()
		return errors.New("keys were fetched from an address that the token itself named")
	}
	return wantRefusal(err)
}

// checkCheck: nothing is wrong with an identity provider in good health.
func checkCheck(ctx context.Context, s *suite) error {
	found, err := call(ctx, s.shared, "Check", s.shared.client.Check)
	if err != nil {
		return fmt.Errorf("Check: %w", err)
	}
	var faults []error
	if len(found) == 0 {
		faults = append(faults, errors.New("Check found nothing to say; tell at least what is well"))
	}
	for _, d := range found {
		s.seen.heard("a diagnostic of Check", d.String())
		if d.Severity == sdk.SeverityError {
			faults = append(faults, fmt.Errorf("Check finds a fault where there is none: %s", d))
		}
	}
	return errors.Join(faults...)
}
