package providertest

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
)

// Good providers pass, in this process and in another one.

func TestPlain(t *testing.T) { Run(t, plainHarness(plainType())) }

func TestOpenID(t *testing.T) { Run(t, openIDHarness(openIDType())) }

func TestPassword(t *testing.T) { Run(t, plainHarness(passwordType())) }

func TestPlainBinary(t *testing.T) {
	RunBinary(t, link(t, ""), plainHarness(sdk.Type{Name: "plain"}))
}

func TestOpenIDBinary(t *testing.T) {
	RunBinary(t, link(t, ""), openIDHarness(sdk.Type{Name: "openid"}))
}

// door has a password form and a list of its own; it asks no identity provider.
type door struct{ people map[string]string }

func (d door) AuthorizeParams(context.Context, sdk.AuthorizeRequest) (sdk.AuthorizeParams, error) {
	return sdk.AuthorizeParams{}, sdk.ConfigErrorf("", "a door has no authorization endpoint")
}

func (d door) GetToken(context.Context, sdk.CodeExchange) (*sdk.Token, error) {
	return nil, sdk.ConfigErrorf("", "a door takes no code")
}

func (d door) PasswordLogin(_ context.Context, in sdk.Credentials) (*sdk.Token, error) {
	if password, ok := d.people[in.Username]; !ok || password != in.Password {
		return nil, sdk.UserErrorf("invalid_grant", "wrong name or password")
	}
	return &sdk.Token{AccessToken: "door:" + in.Username, TokenType: "Bearer"}, nil
}

func (d door) GetUserInfo(_ context.Context, t *sdk.Token) (*sdk.User, error) {
	name, ok := strings.CutPrefix(t.AccessToken, "door:")
	if !ok {
		return nil, sdk.UserErrorf("invalid_grant", "no token of this door")
	}
	return &sdk.User{Sub: name, Claims: json.RawMessage(`{}`)}, nil
}

// TestDoor: a provider that asks nobody is checked as far as that goes.
func TestDoor(t *testing.T) {
	Run(t, Harness{
		Type: sdk.Type{Name: "door", Label: "Door", New: func(context.Context, sdk.Config) (sdk.Provider, error) {
			return door{map[string]string{"ada": "ada-knows-it"}}, nil
		}},
		Settings:    func(*devidp.Server) map[string]string { return nil },
		Credentials: &sdk.Credentials{Username: "ada", Password: "ada-knows-it"},
	})
}

// TestHarness: what a harness asks for happens.
func TestHarness(t *testing.T) {
	var scoped, called, staffed atomic.Bool
	typ := plainBut(crooked{
		ask: func(in *sdk.AuthorizeRequest) {
			if slices.Contains(in.Scope, "orders") {
				scoped.Store(true)
			}
		},
		token: func(ctx context.Context, in sdk.CodeExchange, next func(context.Context, sdk.CodeExchange) (*sdk.Token, error)) (*sdk.Token, error) {
			if in.Params.Get("user") == "once" && !in.Params.Has("state") && !in.Params.Has("code") {
				called.Store(true)
			}
			return next(ctx, in)
		},
		user: changed(func(u *sdk.User) {
			if slices.Contains(u.Groups, "staff") {
				staffed.Store(true)
			}
		}),
	})
	h := plainHarness(typ)
	h.Scopes = []string{"orders"}
	h.Callback = url.Values{"user": {"once"}}
	h.Person = func(u *devidp.User) { u.Groups = append(u.Groups, "staff") }
	Run(t, h)
	if !scoped.Load() || !called.Load() || !staffed.Load() {
		t.Errorf("Scopes arrived: %v, Callback: %v, Person: %v; want all", scoped.Load(), called.Load(), staffed.Load())
	}
}
