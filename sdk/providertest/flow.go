package providertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
)

// flowChecks are those that come before a whole login.
func flowChecks() []check {
	return []check{
		{name: "configure-once", run: checkConfigureOnce},
		{name: "configure-again", run: checkConfigureAgain},
		{name: "configured", run: checkConfigured},
		{name: "capabilities", run: checkCapabilities},
		{name: "authorize-params", run: checkParams, when: byCode},
		{name: "authorize-request", run: checkAuthorizeRequest, when: byCode},
		{name: "exchange", run: checkExchange, when: byCode},
	}
}

// loginChecks look at who signed in.
func loginChecks() []check {
	return []check{
		{name: "login-sub", run: checkSub},
		{name: "login-in-one-call", run: checkInOneCall, when: byCode},
		{name: "login-claims", run: checkClaims},
		{name: "login-big-numbers", run: checkBigNumbers, when: asksIDP},
		{name: "login-email-verified", run: checkEmailVerified, when: asksIDP},
	}
}

func byCode(s *suite) bool { return !s.shared.can(sdk.CapabilityPassword) }

// asksIDP tells whether the made-up people are known to what the provider asks.
func asksIDP(s *suite) bool { return s.h.Credentials == nil }

func checkConfigureOnce(ctx context.Context, s *suite) error {
	_, err := s.shared.client.Configure(ctx, s.configure())
	if code := status.Code(err); code != codes.FailedPrecondition {
		return fmt.Errorf("Configure of a process that is a provider already answered %v; want FAILED_PRECONDITION", code)
	}
	return nil
}

// checkConfigureAgain: an identity provider that is down for a moment costs no new process.
func checkConfigureAgain(ctx context.Context, s *suite) error {
	p, err := s.started(ctx)
	if err != nil {
		return err
	}
	defer p.stop()
	s.idp.Fault(devidp.EndpointDiscovery, devidp.Fault{Status: 503})
	if _, err = p.client.Configure(ctx, s.configure()); err == nil {
		return nil // it asks nothing beforehand
	}
	s.seen.heard("an error of Configure", err.Error())
	if err := wantSource("Configure with an identity provider that is down", err, sdk.SourceUpstream); err != nil {
		return err
	}
	s.idp.Clear()
	if _, err := p.client.Configure(ctx, s.configure()); err != nil {
		return fmt.Errorf("the identity provider is back, but Configure of the same process fails: %w", err)
	}
	return nil
}

func checkConfigured(_ context.Context, s *suite) error {
	c := s.shared.Configured
	var faults []error
	if byCode(s) {
		u, err := url.Parse(c.AuthorizationEndpoint)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Fragment != "" {
			faults = append(faults, fmt.Errorf("the authorization endpoint %q is no URL that people can be sent to", c.AuthorizationEndpoint))
		}
	}
	if s.shared.can(sdk.CapabilityOpenID) && c.Issuer == "" {
		faults = append(faults, errors.New("the provider has the capability OPENID and no issuer"))
	}
	if !s.shared.can(sdk.CapabilityOpenID) && c.Issuer != "" {
		faults = append(faults, fmt.Errorf("the provider has the issuer %q and not the capability OPENID, so nobody verified it", c.Issuer))
	}
	return errors.Join(faults...)
}

// checkCapabilities: what is announced is there, and what is there is announced.
func checkCapabilities(ctx context.Context, s *suite) error {
	p, err := s.configured(ctx)
	if err != nil {
		return err
	}
	defer p.stop()
	var faults []error
	for _, m := range methods() {
		if m.capability == "" {
			continue
		}
		there := status.Code(m.call(ctx, p.process)) != codes.Unimplemented
		if announced := p.can(m.capability); announced != there {
			faults = append(faults, fmt.Errorf("capability %s: announced %v, but %s implemented %v", m.capability, announced, m.name, there))
		}
	}
	return errors.Join(faults...)
}

// checkExchange: what authd made to protect a login really is sent along with the code, and the code once.
func checkExchange(ctx context.Context, s *suite) error {
	in, err := s.authorize(ctx, s.shared, s.who(verified))
	if err != nil {
		return err
	}
	_, exchangeErr := s.shared.getToken(ctx, in)
	requests := s.redeemed(in.Code)
	if len(requests) == 0 {
		return fmt.Errorf("the code never reached the token endpoint (GetToken: %v)", exchangeErr)
	}
	var faults []error
	if len(requests) > 1 {
		faults = append(faults, fmt.Errorf("the code was sent %d times; it counts once, and a second use may end the first login", len(requests)))
	}
	sent := requests[0]
	for name, want := range map[string]string{"code_verifier": in.CodeVerifier, "redirect_uri": in.RedirectURI} {
		if got := param(sent, name); got != want {
			faults = append(faults, fmt.Errorf("the token request has %s=%.60q; send the one of CodeExchange, unchanged", name, got))
		}
	}
	if len(sent.Query) > 0 {
		faults = append(faults, errors.New("the token request has a query; secrets belong into the body, since URLs are logged"))
	}
	if want := s.settings["client_id"]; want != "" && sent.ClientID != want {
		faults = append(faults, fmt.Errorf("the token request names the client %q; want the setting client_id", sent.ClientID))
	}
	return errors.Join(faults...)
}

// redeemed are the requests that carried a code.
func (s *suite) redeemed(code string) []devidp.RecordedRequest {
	var found []devidp.RecordedRequest
	for _, name := range endpoints() {
		for _, request := range s.idp.Requests(name) {
			if param(request, "code") == code {
				found = append(found, request)
			}
		}
	}
	return found
}

// param reads a parameter of a request, in whichever way it was sent.
func param(r devidp.RecordedRequest, name string) string {
	if value := r.Form.Get(name); value != "" {
		return value
	}
	if value := r.Query.Get(name); value != "" {
		return value
	}
	var object map[string]any
	if json.Unmarshal(r.Body, &object) == nil {
		if value, ok := object[name].(string); ok {
			return value
		}
	}
	return ""
}

// firstLogins signs each of the made-up people in, and notes which endpoints that takes.
func (s *suite) firstLogins(ctx context.Context, r report) error {
	for i := range people() {
		way, err := s.ticket(ctx, s.shared, s.who(i))
		if err != nil {
			return err
		}
		var token *sdk.Token
		at, err := s.idp.asked(func() error { token, err = way.redeem(ctx); return err })
		if err != nil {
			return fmt.Errorf("get the token: %w; %s", err, s.shared.log.tail())
		}
		s.tokenAt = first(at, devidp.EndpointToken, devidp.EndpointGitHubToken)
		var user *sdk.User
		at, err = s.idp.asked(func() error { user, err = s.shared.getUserInfo(ctx, token); return err })
		if err != nil {
			return fmt.Errorf("GetUserInfo: %w; %s", err, s.shared.log.tail())
		}
		s.infoAt = first(at, devidp.EndpointUserInfo, devidp.EndpointGitHubUser)
		s.token, s.users = token, append(s.users, user)
	}
	if s.tokenAt == "" {
		r.Logf("no token endpoint was asked; how the provider takes its failures was not checked")
	}
	if s.infoAt == "" {
		r.Logf("no userinfo endpoint was asked; how the provider takes its failures was not checked")
	}
	return nil
}

// first is the first of names that is in found.
func first(found []string, names ...string) string {
	for _, name := range names {
		if slices.Contains(found, name) {
			return name
		}
	}
	return ""
}

// checkSub: an id that is stable, a person's own, and no address that may be given to somebody else.
func checkSub(ctx context.Context, s *suite) error {
	_, again, err := s.login(ctx, s.shared, s.who(verified))
	if err != nil {
		return err
	}
	was := s.users[verified]
	var faults []error
	if asksIDP(s) {
		_, again, err = s.renamed(ctx)
		if err != nil {
			return err
		}
	}
	if again.Sub != was.Sub {
		faults = append(faults, fmt.Errorf("the same person has the sub %q and, at the next login, %q; take the id that never changes", was.Sub, again.Sub))
	}
	if strings.EqualFold(was.Sub, was.Email) || strings.Contains(was.Sub, "@") {
		faults = append(faults, errors.New("the sub is an e-mail address; addresses are given to other people, so take the id"))
	}
	if asksIDP(s) && (was.Sub == s.users[unverified].Sub || was.Sub == s.users[unsaid].Sub || s.users[unverified].Sub == s.users[unsaid].Sub) {
		faults = append(faults, errors.New("two people have the same sub"))
	}
	return errors.Join(faults...)
}

// renamed signs a person in who has a new name and address meanwhile.
func (s *suite) renamed(ctx context.Context) (*sdk.Token, *sdk.User, error) {
	old := s.who(verified)
	changed := old
	changed.Username, changed.Name, changed.Email = "kit-vera-moved", "Vera Moved", "kit-vera-moved@example.org"
	if err := s.idp.SetUser(changed); err != nil {
		return nil, nil, err
	}
	token, user, err := s.login(ctx, s.shared, changed)
	return token, user, errors.Join(err, s.idp.SetUser(old))
}

// checkInOneCall: a user who comes along with the token is the one that GetUserInfo tells.
func checkInOneCall(ctx context.Context, s *suite) error {
	in, err := s.authorize(ctx, s.shared, s.who(verified))
	if err != nil {
		return err
	}
	token, along, err := s.shared.getTokenAndUser(ctx, in)
	if err != nil || along == nil { // who leaves it out is asked for it
		return err
	}
	user, err := s.shared.getUserInfo(ctx, token)
	if err != nil {
		return fmt.Errorf("GetUserInfo: %w", err)
	}
	if !reflect.DeepEqual(along, user) {
		return fmt.Errorf("GetToken with with_user tells another user (%q) than GetUserInfo (%q), or not all of it", along.Sub, user.Sub)
	}
	return nil
}

func checkClaims(_ context.Context, s *suite) error {
	var faults []error
	for _, user := range s.users {
		var object map[string]json.RawMessage
		if err := json.Unmarshal(user.Claims, &object); err != nil || object == nil {
			faults = append(faults, fmt.Errorf("the claims are no JSON object: %.60q", user.Claims))
		}
	}
	return errors.Join(faults...)
}

// checkBigNumbers: an id above 2^53 must not go through a float64.
func checkBigNumbers(_ context.Context, s *suite) error {
	user, exact := s.users[verified], strconv.Itoa(bigID)
	for name, text := range map[string]string{"claims": string(user.Claims), "sub": user.Sub} {
		for _, spoilt := range []string{strconv.Itoa(bigID - 1), "9.007199254740992e+15", "9.007199254740993e+15"} {
			if strings.Contains(text, spoilt) {
				return fmt.Errorf("the number %s became %s in the %s; keep the JSON that arrived, or decode with json.Number", exact, spoilt, name)
			}
		}
	}
	if s.infoAt != "" && !strings.Contains(string(user.Claims), exact) {
		return fmt.Errorf("the identity provider said %s, which is not in the claims; pass on all that it said", exact)
	}
	return nil
}

// checkEmailVerified: three values, and only one of them is true.
func checkEmailVerified(_ context.Context, s *suite) error {
	var faults []error
	for i, test := range []struct {
		said    string
		allowed []string
	}{
		verified:   {"is verified", []string{"true", "absent"}},
		unverified: {"is not verified", []string{"false", "absent"}},
		unsaid:     {"may or may not be verified: it does not say", []string{"absent"}},
	} {
		user := s.users[i]
		if user.Email == "" {
			user.EmailVerified = nil // of no address anything may be said
		}
		if got := threeValued(user.EmailVerified); !slices.Contains(test.allowed, got) {
			faults = append(faults, fmt.Errorf("the identity provider says that an address %s; email_verified is %s, want %s", test.said, got, strings.Join(test.allowed, " or ")))
		}
		if want := s.who(i).Email; user.Email != "" && user.Email != want {
			faults = append(faults, fmt.Errorf("the e-mail address is %q, want %q", user.Email, want))
		}
	}
	return errors.Join(faults...)
}

func threeValued(b *bool) string {
	if b == nil {
		return "absent"
	}
	return strconv.FormatBool(*b)
}
