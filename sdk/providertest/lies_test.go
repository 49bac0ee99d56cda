package providertest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/oauth2"
)

// gullible believes whatever an OpenID provider, or somebody in between, says. It never refuses a token and never
// looks at two things together.
type gullible struct {
	sdk.Provider // a good one, for what is not about belief
	c            sdk.Config
}

func gullibleType() sdk.Type {
	typ := openIDType()
	typ.New = func(ctx context.Context, c sdk.Config) (sdk.Provider, error) {
		good, err := openIDProvider(ctx, c)
		return gullible{good, c}, err
	}
	return typ
}

func (g gullible) Metadata() sdk.Metadata { return g.Provider.(sdk.OpenID).Metadata() }

// GetToken reads the response with lenient eyes.
func (g gullible) GetToken(ctx context.Context, in sdk.CodeExchange) (*sdk.Token, error) {
	return g.token(ctx, url.Values{
		"grant_type": {"authorization_code"}, "code": {in.Code}, "redirect_uri": {in.RedirectURI}, "code_verifier": {in.CodeVerifier},
	})
}

func (g gullible) RefreshToken(ctx context.Context, t *sdk.Token) (*sdk.Token, error) {
	return g.token(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {t.RefreshToken}})
}

func (g gullible) token(ctx context.Context, form url.Values) (*sdk.Token, error) {
	var body map[string]any
	err := post(ctx, g.c, g.c.Settings["issuer"]+"/token", form, &body)
	t := &sdk.Token{AccessToken: "made-up", IDToken: "made-up"}
	for into, name := range map[*string]string{&t.AccessToken: "access_token", &t.IDToken: "id_token", &t.RefreshToken: "refresh_token"} {
		if value, _ := body[name].(string); value != "" {
			*into = value
		}
	}
	return t, err
}

// GetUserInfo takes the userinfo endpoint's word for it, then the ID token's, and then its own.
func (g gullible) GetUserInfo(ctx context.Context, t *sdk.Token) (*sdk.User, error) {
	claims := map[string]any{}
	if _, rest, ok := strings.Cut(t.IDToken, "."); ok {
		payload, _, _ := strings.Cut(rest, ".")
		raw, _ := base64.RawURLEncoding.DecodeString(payload)
		_ = json.Unmarshal(raw, &claims)
	}
	var said map[string]any
	if err := get(ctx, g.c.Settings["issuer"]+"/userinfo", t, &said); err == nil && len(said) > 0 {
		claims = said
	}
	u := &sdk.User{Sub: "made-up", Claims: json.RawMessage(`{}`)}
	switch sub := claims["sub"].(type) {
	case string:
		if sub != "" {
			u.Sub = sub
		}
	case float64:
		u.Sub = strconv.Itoa(int(sub))
	}
	return u, nil
}

func (g gullible) VerifyLogoutToken(_ context.Context, raw string) (*sdk.LogoutToken, error) {
	out := &sdk.LogoutToken{Issuer: g.Metadata().Issuer, ID: "made-up", Expiry: time.Now().Add(time.Minute)}
	if parts := strings.Split(raw, "."); len(parts) == 3 {
		payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
		var claims struct{ Sub, SID string }
		_ = json.Unmarshal(payload, &claims)
		out.Sub, out.SID = claims.Sub, claims.SID
	}
	return out, nil
}

// TestGullible: each lie that must be refused is caught by a check of its own when nobody refuses it.
func TestGullible(t *testing.T) {
	typ := gullibleType()
	run := func(check, says string) {
		t.Run(check, func(t *testing.T) { caught(t, check, says, openIDHarness(typ), inProcess{types: []sdk.Type{typ}}) })
	}
	idToken, identity, logout := 0, 0, 0
	for _, c := range lieChecks() {
		switch {
		case strings.HasPrefix(c.name, "id-token-"):
			idToken++
			run(c.name, "taken for good")
		case strings.HasPrefix(c.name, "answer-"):
			run(c.name, "taken for good")
		case strings.HasPrefix(c.name, "identity-") && c.name != "identity-nobody":
			identity++
			run(c.name, "taken for good")
		}
	}
	for _, flaw := range logoutFlaws() {
		logout++
		run("logout-token-"+string(flaw), "taken for good")
	}
	run("logout-token", "ID token")
	run("refresh-other-user", "taken for good")
	run("refresh-without-token", "no refresh token")
	// What the brief of an OpenID provider is about must be among them, whatever devidp calls its flaws.
	for _, flaw := range []devidp.Flaw{
		devidp.FlawWrongNonce, devidp.FlawNoNonce, devidp.FlawAlgNone, devidp.FlawHS256PublicKey, devidp.FlawHS256ClientSecret,
		devidp.FlawWrongIssuer, devidp.FlawWrongAudience, devidp.FlawExpired,
	} {
		if !hasCheck(lieChecks(), "id-token-"+string(flaw)) {
			t.Errorf("no check is about %s", flaw)
		}
	}
	if !hasCheck(lieChecks(), "identity-"+string(devidp.FlawOtherUser)) || idToken < 20 || identity < 5 || logout < 15 {
		t.Errorf("%d lies in ID tokens, %d at userinfo and %d in logout tokens were told; are the flaws gone?", idToken, identity, logout)
	}
}

func hasCheck(checks []check, name string) bool {
	for _, c := range checks {
		if c.name == name {
			return true
		}
	}
	return false
}

// TestHeaderKeys: a provider that fetches keys from wherever a token says.
func TestHeaderKeys(t *testing.T) {
	typ := gullibleType()
	typ.New = func(ctx context.Context, c sdk.Config) (sdk.Provider, error) {
		good, err := openIDProvider(ctx, c)
		return fetching{gullible{good, c}}, err
	}
	caught(t, "id-token-header-jku", "the token itself named", openIDHarness(typ), inProcess{types: []sdk.Type{typ}})
	caught(t, "logout-token-header-jku", "the token itself named", openIDHarness(typ), inProcess{types: []sdk.Type{typ}})
}

type fetching struct{ gullible }

func (f fetching) GetToken(ctx context.Context, in sdk.CodeExchange) (*sdk.Token, error) {
	t, err := f.gullible.GetToken(ctx, in)
	if err == nil {
		f.fetch(ctx, t.IDToken)
	}
	return t, err
}

func (f fetching) VerifyLogoutToken(ctx context.Context, raw string) (*sdk.LogoutToken, error) {
	f.fetch(ctx, raw)
	return nil, sdk.UserErrorf("invalid_request", "refused, but too late")
}

func (f fetching) fetch(ctx context.Context, token string) {
	first, _, _ := strings.Cut(token, ".")
	raw, _ := base64.RawURLEncoding.DecodeString(first)
	var header struct{ JKU string }
	if json.Unmarshal(raw, &header) == nil && header.JKU != "" {
		_ = get(ctx, header.JKU, &sdk.Token{}, &map[string]any{})
	}
}

// TestNobody: an answer without an id that becomes somebody.
func TestNobody(t *testing.T) {
	typ := plainType()
	typ.New = func(_ context.Context, c sdk.Config) (sdk.Provider, error) {
		return plainProvider(c, func(o *oauth2.Config) {
			o.Map = func(ctx context.Context, c *oauth2.Client, raw json.RawMessage, t *sdk.Token) (*sdk.User, error) {
				u, err := mapUser(ctx, c, raw, t)
				if err == nil && u.Sub == "" {
					u.Sub = "0"
				}
				return u, err
			}
		})
	}
	caught(t, "identity-nobody", `the user "0"`, plainHarness(typ), inProcess{types: []sdk.Type{typ}})
}

// optional is a plain provider whose further abilities have something wrong.
type optional struct {
	sdk.Provider
	refresh func(context.Context, *sdk.Token, sdk.Refresher) (*sdk.Token, error)
	revoke  func(context.Context, *sdk.Token) error
	check   func() ([]sdk.Diagnostic, error)
}

func (o optional) RefreshToken(ctx context.Context, t *sdk.Token) (*sdk.Token, error) {
	good := o.Provider.(sdk.Refresher)
	if o.refresh == nil {
		return good.RefreshToken(ctx, t)
	}
	return o.refresh(ctx, t, good)
}

func (o optional) RevokeToken(ctx context.Context, t *sdk.Token) error { return o.revoke(ctx, t) }

func (o optional) Check(context.Context) ([]sdk.Diagnostic, error) { return o.check() }

// TestOptionalFaults: what only some providers can do, done wrong.
func TestOptionalFaults(t *testing.T) {
	type refresh = func(context.Context, *sdk.Token, sdk.Refresher) (*sdk.Token, error)
	after := func(change func(old, fresh *sdk.Token)) refresh {
		return func(ctx context.Context, t *sdk.Token, good sdk.Refresher) (*sdk.Token, error) {
			fresh, err := good.RefreshToken(ctx, t)
			if err == nil {
				change(t, fresh)
			}
			return fresh, err
		}
	}
	for _, test := range []struct {
		check, says string
		optional    optional
	}{
		{"refresh", "old access token", optional{refresh: after(func(old, fresh *sdk.Token) { fresh.AccessToken = old.AccessToken })}},
		{"refresh", "rotates", optional{refresh: after(func(old, fresh *sdk.Token) { fresh.RefreshToken = old.RefreshToken })}},
		{"refresh", "GetUserInfo after", optional{refresh: after(func(_, fresh *sdk.Token) { fresh.AccessToken = "made-up" })}},
		{"refresh", "RefreshToken:", optional{refresh: func(context.Context, *sdk.Token, sdk.Refresher) (*sdk.Token, error) {
			return nil, errors.New("nil map")
		}}},
		{"refresh-kept", "answered a new one", optional{refresh: after(func(_, fresh *sdk.Token) {
			if fresh.RefreshToken == "" {
				fresh.RefreshToken = "made-up"
			}
		})}},
		{"refresh-invalid-grant", "source user", optional{refresh: func(ctx context.Context, t *sdk.Token, good sdk.Refresher) (*sdk.Token, error) {
			fresh, err := good.RefreshToken(ctx, t)
			if err != nil {
				return nil, sdk.UpstreamErrorf("can't refresh")
			}
			return fresh, nil
		}}},
		{"refresh-without-token", "no refresh token", optional{refresh: func(context.Context, *sdk.Token, sdk.Refresher) (*sdk.Token, error) {
			return &sdk.Token{AccessToken: "made-up"}, nil
		}}},
		{"revoke", "asked nothing", optional{revoke: func(context.Context, *sdk.Token) error { return nil }}},
		{"revoke", "RevokeToken:", optional{revoke: func(context.Context, *sdk.Token) error { return errors.New("nil map") }}},
		{"check", "nothing to say", optional{check: func() ([]sdk.Diagnostic, error) { return nil, nil }}},
		{"check", "where there is none", optional{check: func() ([]sdk.Diagnostic, error) {
			return []sdk.Diagnostic{{Severity: sdk.SeverityError, Summary: "the sky falls"}}, nil
		}}},
		{"check", "nil map", optional{check: func() ([]sdk.Diagnostic, error) { return nil, errors.New("nil map") }}},
	} {
		t.Run(test.check+"/"+test.says, func(t *testing.T) {
			typ := plainType()
			typ.New = func(_ context.Context, c sdk.Config) (sdk.Provider, error) {
				p, err := plainProvider(c, nil)
				out := test.optional
				out.Provider = p
				return out, err
			}
			caught(t, test.check, test.says, plainHarness(typ), inProcess{types: []sdk.Type{typ}})
		})
	}
}

// TestRevokeFaults: a revocation that reaches the identity provider, but does not revoke.
func TestRevokeFaults(t *testing.T) {
	typ := plainType()
	typ.New = func(_ context.Context, c sdk.Config) (sdk.Provider, error) {
		p, err := plainProvider(c, nil)
		return optional{Provider: p, revoke: func(ctx context.Context, t *sdk.Token) error {
			return p.(sdk.Revoker).RevokeToken(ctx, &sdk.Token{AccessToken: "another one"})
		}}, err
	}
	caught(t, "revoke", "still works", plainHarness(typ), inProcess{types: []sdk.Type{typ}})
}

// leaving ends sessions by a URL that has something wrong.
type leaving struct {
	gullible
	change func(url.Values)
	to     string
}

func (l leaving) EndSession(ctx context.Context, in sdk.EndSessionRequest) (string, error) {
	if l.change == nil {
		return l.to, nil
	}
	to, err := l.Provider.(sdk.EndSessioner).EndSession(ctx, in)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(to)
	if err != nil {
		return "", err
	}
	params := u.Query()
	l.change(params)
	u.RawQuery = params.Encode()
	return u.String(), nil
}

func TestEndSessionFaults(t *testing.T) {
	for _, test := range []struct {
		says    string
		leaving leaving
	}{
		{"id_token_hint", leaving{change: func(v url.Values) { v.Del("id_token_hint") }}},
		{"client_id", leaving{change: func(v url.Values) { v.Del("client_id") }}},
		{"post_logout_redirect_uri", leaving{change: func(v url.Values) { v.Del("post_logout_redirect_uri") }}},
		{"state", leaving{change: func(v url.Values) { v.Set("state", "mine") }}},
		{"answered no URL", leaving{}},
		{"is no URL", leaving{to: "/logout"}},
	} {
		t.Run(test.says, func(t *testing.T) {
			typ := openIDType()
			typ.New = func(ctx context.Context, c sdk.Config) (sdk.Provider, error) {
				good, err := openIDProvider(ctx, c)
				out := test.leaving
				out.gullible = gullible{good, c}
				return out, err
			}
			caught(t, "end-session", test.says, openIDHarness(typ), inProcess{types: []sdk.Type{typ}})
		})
	}
}

// lenientDoor lets people in whatever they type, or blames the identity provider.
type lenientDoor struct {
	sdk.Provider
	answer func(sdk.Credentials, error) (*sdk.Token, error)
}

func (d lenientDoor) PasswordLogin(ctx context.Context, in sdk.Credentials) (*sdk.Token, error) {
	t, err := d.Provider.(sdk.PasswordLogin).PasswordLogin(ctx, in)
	if err == nil {
		return t, nil
	}
	return d.answer(in, err)
}

func TestPasswordFaults(t *testing.T) {
	for says, answer := range map[string]func(sdk.Credentials, error) (*sdk.Token, error){
		"good answer": func(sdk.Credentials, error) (*sdk.Token, error) { return &sdk.Token{AccessToken: "made-up"}, nil },
		"want source user": func(_ sdk.Credentials, err error) (*sdk.Token, error) {
			return nil, sdk.UpstreamErrorf("no luck: %v", err)
		},
	} {
		typ := passwordType()
		good := typ.New
		typ.New = func(ctx context.Context, c sdk.Config) (sdk.Provider, error) {
			p, err := good(ctx, c)
			return lenientDoor{p, answer}, err
		}
		caught(t, "password", says, plainHarness(typ), inProcess{types: []sdk.Type{typ}})
	}
}

// TestLeaks: what a provider must keep to itself, in each place where it may come out.
func TestLeaks(t *testing.T) {
	for _, test := range []struct {
		says  string
		token func(c sdk.Config, in sdk.CodeExchange, t *sdk.Token) error
	}{
		{"access token is in the log", func(c sdk.Config, _ sdk.CodeExchange, t *sdk.Token) error {
			c.Log.Debug("got a token", "token", t)
			return nil
		}},
		{"refresh token is in the log in the encoding of URLs", func(c sdk.Config, _ sdk.CodeExchange, t *sdk.Token) error {
			c.Log.Info("next: " + url.Values{"refresh_token": {t.RefreshToken + "/"}}.Encode())
			return nil
		}},
		{"authorization code is in the log", func(c sdk.Config, in sdk.CodeExchange, _ *sdk.Token) error {
			c.Log.Trace("callback", "url", in.RedirectURI+"?code="+in.Code)
			return nil
		}},
		{"client_secret is in the log in base64", func(c sdk.Config, _ sdk.CodeExchange, _ *sdk.Token) error {
			c.Log.Info("header", "authorization", base64.StdEncoding.EncodeToString([]byte(c.Settings["client_secret"])))
			return nil
		}},
		{"code_verifier is in an error of GetToken", func(_ sdk.Config, in sdk.CodeExchange, _ *sdk.Token) error {
			return sdk.UpstreamErrorf("no luck with %+v", in)
		}},
	} {
		t.Run(test.says, func(t *testing.T) {
			typ := plainType()
			typ.New = func(_ context.Context, c sdk.Config) (sdk.Provider, error) {
				p, err := plainProvider(c, nil)
				return crooked{Provider: p, token: func(ctx context.Context, in sdk.CodeExchange, next func(context.Context, sdk.CodeExchange) (*sdk.Token, error)) (*sdk.Token, error) {
					t, err := next(ctx, in)
					if err == nil {
						err = test.token(c, in, t)
					}
					return t, err
				}}, err
			}
			says := strings.TrimSuffix(test.says, " in the encoding of URLs")
			caught(t, "secrets", says, plainHarness(typ), inProcess{types: []sdk.Type{typ}})
		})
	}
}
