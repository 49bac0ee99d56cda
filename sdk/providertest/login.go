package providertest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
)

// callTimeout is what authd gives a provider for one call.
const callTimeout = 10 * time.Second

// redirectURI is where the identity provider sends people back; nobody goes there.
const redirectURI = "http://127.0.0.1:9/auth/oauth/kit/callback"

// provider is a process that was configured. Its calls have authd's deadline, and leave their secrets and errors with
// the witness.
type provider struct {
	*process
	*sdk.Configured
	seen *witness
}

func (p *provider) can(c sdk.Capability) bool {
	for _, has := range p.Capabilities {
		if has == c {
			return true
		}
	}
	return false
}

// call makes one call, and keeps in mind what it said.
func call[T any](ctx context.Context, p *provider, method string, do func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := do(ctx)
	if err != nil {
		p.seen.heard("an error of "+method, err.Error())
		var e *sdk.Error
		if errors.As(err, &e) {
			for _, d := range e.Diagnostics {
				p.seen.heard("a diagnostic of "+method, d.String())
			}
		}
	}
	return answer, err
}

func (p *provider) authorizeParams(ctx context.Context, in sdk.AuthorizeRequest) (sdk.AuthorizeParams, error) {
	return call(ctx, p, "AuthorizeParams", func(ctx context.Context) (sdk.AuthorizeParams, error) {
		return p.client.AuthorizeParams(ctx, in)
	})
}

// token makes a call whose answer is a token, and looks whether it is one.
func (p *provider) token(ctx context.Context, method string, do func(context.Context) (*sdk.Token, error)) (*sdk.Token, error) {
	t, err := call(ctx, p, method, do)
	if err != nil {
		return nil, err
	}
	if t == nil || t.AccessToken == "" {
		return nil, fmt.Errorf("%s answered neither an error nor a token with an access_token", method)
	}
	p.seen.secret("access token", t.AccessToken)
	p.seen.secret("refresh token", t.RefreshToken)
	p.seen.secret("ID token", t.IDToken)
	return t, nil
}

func (p *provider) getToken(ctx context.Context, in sdk.CodeExchange) (*sdk.Token, error) {
	p.seen.secret("authorization code", in.Code)
	p.seen.secret("code_verifier", in.CodeVerifier)
	p.seen.secret("ID token of the authorization response", in.Params.Get("id_token"))
	return p.token(ctx, "GetToken", func(ctx context.Context) (*sdk.Token, error) { return p.client.GetToken(ctx, in) })
}

// getTokenAndUser is getToken as authd calls it: with the user, if the plugin tells it there.
func (p *provider) getTokenAndUser(ctx context.Context, in sdk.CodeExchange) (t *sdk.Token, u *sdk.User, err error) {
	t, err = p.token(ctx, "GetToken", func(ctx context.Context) (*sdk.Token, error) {
		t, u, err = p.client.GetTokenAndUser(ctx, in)
		return t, err
	})
	return t, u, err
}

func (p *provider) refreshToken(ctx context.Context, t *sdk.Token) (*sdk.Token, error) {
	return p.token(ctx, "RefreshToken", func(ctx context.Context) (*sdk.Token, error) { return p.client.RefreshToken(ctx, t) })
}

func (p *provider) passwordLogin(ctx context.Context, in sdk.Credentials) (*sdk.Token, error) {
	p.seen.secret("password", in.Password)
	return p.token(ctx, "PasswordLogin", func(ctx context.Context) (*sdk.Token, error) { return p.client.PasswordLogin(ctx, in) })
}

func (p *provider) getUserInfo(ctx context.Context, t *sdk.Token) (*sdk.User, error) {
	u, err := call(ctx, p, "GetUserInfo", func(ctx context.Context) (*sdk.User, error) { return p.client.GetUserInfo(ctx, t) })
	if err == nil && (u == nil || u.Sub == "") {
		return nil, errors.New("GetUserInfo answered neither an error nor a user with a sub")
	}
	return u, err
}

// request is an authorization request as authd makes it.
func (s *suite) request() (sdk.AuthorizeRequest, string) {
	verifier := rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(verifier))
	return sdk.AuthorizeRequest{
		RedirectURI: redirectURI, State: rand.Text(), Nonce: rand.Text(), Scope: s.scopes(),
		CodeChallenge: base64.RawURLEncoding.EncodeToString(sum[:]), CodeChallengeMethod: "S256",
	}, verifier
}

func (s *suite) scopes() []string {
	if len(s.h.Scopes) > 0 {
		return s.h.Scopes
	}
	return s.h.Type.Scopes
}

// authorizeURL puts together where a browser is sent, as authd does: its own parameters over the provider's.
func (s *suite) authorizeURL(in sdk.AuthorizeRequest, got sdk.AuthorizeParams) (string, error) {
	to, err := url.Parse(got.Endpoint)
	if err != nil {
		return "", fmt.Errorf("the authorization endpoint %q is no URL", got.Endpoint)
	}
	params := to.Query()
	for name, values := range got.Params {
		params[name] = values
	}
	for name, value := range s.owned(in) {
		params.Set(name, value)
	}
	if s.shared.Hybrid() {
		params.Set("response_mode", "form_post")
	}
	to.RawQuery = params.Encode()
	return to.String(), nil
}

// owned are the parameters that authd writes itself.
func (s *suite) owned(in sdk.AuthorizeRequest) map[string]string {
	responseType := sdk.ResponseTypeCode
	if s.shared.Hybrid() {
		responseType = sdk.ResponseTypeHybrid
	}
	return map[string]string{
		"client_id": s.settings["client_id"], "response_type": responseType, "redirect_uri": in.RedirectURI, "state": in.State,
		"nonce": in.Nonce, "code_challenge": in.CodeChallenge, "code_challenge_method": in.CodeChallengeMethod,
	}
}

// authorize signs a person in at the identity provider and returns what comes back.
func (s *suite) authorize(ctx context.Context, p *provider, who devidp.User) (sdk.CodeExchange, error) {
	in, verifier := s.request()
	got, err := p.authorizeParams(ctx, in)
	if err != nil {
		return sdk.CodeExchange{}, fmt.Errorf("AuthorizeParams: %w", err)
	}
	to, err := s.authorizeURL(in, got)
	if err != nil {
		return sdk.CodeExchange{}, err
	}
	back, err := s.visit(ctx, to, s.shared.Hybrid() || got.Params.Get("response_mode") == "form_post", who.Sub)
	if err != nil {
		return sdk.CodeExchange{}, err
	}
	if back.Get("state") != in.State {
		return sdk.CodeExchange{}, fmt.Errorf("the identity provider sent the browser back without the state: %s %s", back.Get("error"), back.Get("error_description"))
	}
	out := sdk.CodeExchange{Code: back.Get("code"), RedirectURI: redirectURI, CodeVerifier: verifier, Nonce: in.Nonce, Params: back}
	if out.Code == "" {
		return out, fmt.Errorf("the identity provider refused the authorization request: %s: %s", back.Get("error"), back.Get("error_description"))
	}
	delete(back, "state")
	delete(back, "code")
	for name, values := range s.h.Callback {
		back[name] = values
	}
	return out, nil
}

// visit is the browser's part of authorize.
func (s *suite) visit(ctx context.Context, to string, form bool, who string) (url.Values, error) {
	if form {
		_, back, err := s.idp.AuthorizeForm(ctx, to, who)
		return back, err
	}
	callback, err := s.idp.Authorize(ctx, to, who)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(callback, redirectURI) {
		return nil, fmt.Errorf("the identity provider sent the browser to %q", callback)
	}
	back, err := url.Parse(callback)
	if err != nil {
		return nil, err
	}
	if back.Fragment != "" {
		return url.ParseQuery(back.Fragment)
	}
	return back.Query(), nil
}

// ticket is a login up to the point where the provider gets its token.
type ticket struct {
	code   string // "" where a password was typed
	redeem func(context.Context) (*sdk.Token, error)
}

// ticket prepares a login of a person, by code or by password as the provider has it.
func (s *suite) ticket(ctx context.Context, p *provider, who devidp.User) (ticket, error) {
	if p.can(sdk.CapabilityPassword) {
		in := s.credentials(who)
		return ticket{redeem: func(ctx context.Context) (*sdk.Token, error) { return p.passwordLogin(ctx, in) }}, nil
	}
	in, err := s.authorize(ctx, p, who)
	if err != nil {
		return ticket{}, err
	}
	return ticket{code: in.Code, redeem: func(ctx context.Context) (*sdk.Token, error) { return p.getToken(ctx, in) }}, nil
}

func (s *suite) credentials(who devidp.User) sdk.Credentials {
	if s.h.Credentials != nil {
		return *s.h.Credentials
	}
	return sdk.Credentials{Username: who.Username, Password: who.Password}
}

// login is the whole way of a person through a provider.
func (s *suite) login(ctx context.Context, p *provider, who devidp.User) (*sdk.Token, *sdk.User, error) {
	way, err := s.ticket(ctx, p, who)
	if err != nil {
		return nil, nil, err
	}
	token, err := way.redeem(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("get the token: %w", err)
	}
	user, err := p.getUserInfo(ctx, token)
	if err != nil {
		return nil, nil, fmt.Errorf("GetUserInfo: %w", err)
	}
	return token, user, nil
}
