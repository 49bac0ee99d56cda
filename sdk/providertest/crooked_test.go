package providertest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"sync"
	"testing"

	"github.com/authd/authd/sdk"
)

// crooked is a good provider with one thing wrong.
type crooked struct {
	sdk.Provider
	params func(sdk.AuthorizeRequest, *sdk.AuthorizeParams)
	ask    func(*sdk.AuthorizeRequest)
	token  func(ctx context.Context, in sdk.CodeExchange, next func(context.Context, sdk.CodeExchange) (*sdk.Token, error)) (*sdk.Token, error)
	user   func(*sdk.Token, *sdk.User, error) (*sdk.User, error)
}

func (c crooked) AuthorizeParams(ctx context.Context, in sdk.AuthorizeRequest) (sdk.AuthorizeParams, error) {
	if c.ask != nil {
		c.ask(&in)
	}
	out, err := c.Provider.AuthorizeParams(ctx, in)
	if c.params != nil {
		c.params(in, &out)
	}
	return out, err
}

func (c crooked) GetToken(ctx context.Context, in sdk.CodeExchange) (*sdk.Token, error) {
	if c.token != nil {
		return c.token(ctx, in, c.Provider.GetToken)
	}
	return c.Provider.GetToken(ctx, in)
}

func (c crooked) GetUserInfo(ctx context.Context, t *sdk.Token) (*sdk.User, error) {
	u, err := c.Provider.GetUserInfo(ctx, t)
	if c.user != nil {
		return c.user(t, u, err)
	}
	return u, err
}

// plainBut is the plain type, whose provider has one thing wrong.
func plainBut(c crooked) sdk.Type {
	typ := plainType()
	typ.New = func(_ context.Context, config sdk.Config) (sdk.Provider, error) {
		p, err := plainProvider(config, nil)
		out := c
		out.Provider = p
		return out, err
	}
	return typ
}

// TestConfigureFaults: a provider that can't be made, or not again.
func TestConfigureFaults(t *testing.T) {
	typ := plainType()
	typ.New = func(context.Context, sdk.Config) (sdk.Provider, error) { return nil, errors.New("nil map") }
	caught(t, "configure", "nil map", plainHarness(typ), inProcess{types: []sdk.Type{typ}})

	typ = openIDType()
	typ.New = func(ctx context.Context, c sdk.Config) (sdk.Provider, error) {
		p, err := openIDProvider(ctx, c)
		if err != nil {
			return nil, sdk.ConfigErrorf("issuer", "does not answer")
		}
		return p, nil
	}
	caught(t, "configure-again", "source upstream", openIDHarness(typ), inProcess{types: []sdk.Type{typ}})

	var first error
	typ = openIDType()
	typ.New = func(ctx context.Context, c sdk.Config) (sdk.Provider, error) {
		p, err := openIDProvider(ctx, c)
		if err != nil && first == nil {
			first = err
		}
		if first != nil {
			return nil, first
		}
		return p, nil
	}
	caught(t, "configure-again", "is back", openIDHarness(typ), inProcess{types: []sdk.Type{typ}})
}

// TestFlowFaults: one fault in the way of a login.
func TestFlowFaults(t *testing.T) {
	type next = func(context.Context, sdk.CodeExchange) (*sdk.Token, error)
	asks := 0
	var mu sync.Mutex
	var cached *sdk.User
	for _, test := range []struct {
		check, says string
		crooked     crooked
	}{
		{"authorize-params", "origin", crooked{params: func(_ sdk.AuthorizeRequest, out *sdk.AuthorizeParams) {
			if asks++; asks > 1 {
				out.Endpoint = "https://elsewhere.example/authorize"
			}
		}}},
		{"authorize-params", "already has client_id", crooked{params: func(_ sdk.AuthorizeRequest, out *sdk.AuthorizeParams) { out.Endpoint += "?client_id=demo" }}},
		{"authorize-params", "sets state", crooked{params: func(_ sdk.AuthorizeRequest, out *sdk.AuthorizeParams) { out.Params.Set("state", "mine") }}},
		{"authorize-params", "sets nonce", crooked{params: func(_ sdk.AuthorizeRequest, out *sdk.AuthorizeParams) { out.Params.Set("nonce", "mine") }}},
		{"authorize-params", "sets code_challenge", crooked{params: func(_ sdk.AuthorizeRequest, out *sdk.AuthorizeParams) { out.Params.Set("code_challenge", "mine") }}},
		{"authorize-params", "sets redirect_uri", crooked{params: func(_ sdk.AuthorizeRequest, out *sdk.AuthorizeParams) {
			out.Params.Set("redirect_uri", "https://elsewhere.example/")
		}}},
		{"authorize-params", "prompt", crooked{params: func(_ sdk.AuthorizeRequest, out *sdk.AuthorizeParams) { out.Params.Set("prompt", "consent") }}},
		{"authorize-params", "prompt", crooked{ask: func(in *sdk.AuthorizeRequest) { in.Prompt = "" }}},
		{"authorize-params", "login hint", crooked{ask: func(in *sdk.AuthorizeRequest) { in.LoginHint = "" }}},
		{"authorize-params", "scope", crooked{ask: func(in *sdk.AuthorizeRequest) { in.Scope = nil }}},
		{"authorize-request", "request_uri", crooked{params: func(_ sdk.AuthorizeRequest, out *sdk.AuthorizeParams) { out.Params.Set("request_uri", "urn:x") }}},
		{"exchange", "code_verifier", crooked{token: func(ctx context.Context, in sdk.CodeExchange, next next) (*sdk.Token, error) {
			in.CodeVerifier = ""
			return next(ctx, in)
		}}},
		{"exchange", "redirect_uri", crooked{token: func(ctx context.Context, in sdk.CodeExchange, next next) (*sdk.Token, error) {
			in.RedirectURI += "/"
			return next(ctx, in)
		}}},
		{"exchange", "2 times", crooked{token: func(ctx context.Context, in sdk.CodeExchange, next next) (*sdk.Token, error) {
			t, err := next(ctx, in)
			_, _ = next(ctx, in)
			return t, err
		}}},
		{"exchange", "never reached", crooked{token: func(context.Context, sdk.CodeExchange, next) (*sdk.Token, error) {
			return &sdk.Token{AccessToken: "made-up"}, nil
		}}},
		{"login", "get the token", crooked{token: func(context.Context, sdk.CodeExchange, next) (*sdk.Token, error) { return nil, errors.New("nil map") }}},
		{"login", "refused the authorization request", crooked{params: func(_ sdk.AuthorizeRequest, out *sdk.AuthorizeParams) {
			out.Params.Set("response_mode", "no-such-mode")
		}}},
		{"login", "a user with a sub", crooked{user: func(_ *sdk.Token, u *sdk.User, err error) (*sdk.User, error) { return &sdk.User{}, err }}},
		{"login-sub", "e-mail", crooked{user: changed(func(u *sdk.User) { u.Sub = u.Email })}},
		{"login-sub", "never changes", crooked{user: changed(func(u *sdk.User) { u.Sub = u.PreferredUsername })}},
		{"login-sub", "never changes", crooked{user: changed(func(u *sdk.User) { u.Sub = rand.Text() })}},
		{"login-sub", "two people", crooked{user: changed(func(u *sdk.User) { u.Sub = "1" })}},
		{"login-claims", "JSON object", crooked{user: changed(func(u *sdk.User) { u.Claims = nil })}},
		{"login-claims", "JSON object", crooked{user: changed(func(u *sdk.User) { u.Claims = json.RawMessage(`["a"]`) })}},
		{"login-claims", "JSON object", crooked{user: changed(func(u *sdk.User) { u.Claims = json.RawMessage(`null`) })}},
		{"login-big-numbers", "json.Number", crooked{user: changed(func(u *sdk.User) {
			var lax map[string]any
			_ = json.Unmarshal(u.Claims, &lax)
			u.Claims, _ = json.Marshal(lax)
		})}},
		{"login-big-numbers", "not in the claims", crooked{user: changed(func(u *sdk.User) { u.Claims = json.RawMessage(`{}`) })}},
		{"login-email-verified", "is not verified", crooked{user: changed(func(u *sdk.User) { u.EmailVerified = new(bool); *u.EmailVerified = true })}},
		{"login-email-verified", "it does not say", crooked{user: changed(func(u *sdk.User) {
			if u.EmailVerified == nil {
				u.EmailVerified = new(bool)
			}
		})}},
		{"login-email-verified", "e-mail address is", crooked{user: changed(func(u *sdk.User) { u.Email = "x" + u.Email })}},
		{"parallel", "somebody else", crooked{user: changed(func(u *sdk.User) {
			mu.Lock()
			defer mu.Unlock()
			if asks++; asks%7 == 0 && cached != nil {
				*u = *cached
			}
			one := *u
			cached = &one
		})}},
	} {
		t.Run(test.check+"/"+test.says, func(t *testing.T) {
			asks = 0
			typ := plainBut(test.crooked)
			caught(t, test.check, test.says, plainHarness(typ), inProcess{types: []sdk.Type{typ}})
		})
	}
}

func changed(change func(*sdk.User)) func(*sdk.Token, *sdk.User, error) (*sdk.User, error) {
	return func(_ *sdk.Token, u *sdk.User, err error) (*sdk.User, error) {
		if err == nil {
			change(u)
		}
		return u, err
	}
}
