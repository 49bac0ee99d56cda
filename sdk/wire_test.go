package sdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"github.com/authd/authd/sdk"
)

// Generators of everything that crosses the wire. An empty list and no list are the same there.
func texts() *rapid.Generator[string] { return rapid.String() }

func lists() *rapid.Generator[[]string] { return rapid.SliceOfN(texts(), 0, 3) }

func times() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "unset") {
			return time.Time{}
		}
		return time.Unix(rapid.Int64Range(0, 1<<34).Draw(t, "seconds"), rapid.Int64Range(0, 1e9-1).Draw(t, "nanoseconds")).UTC()
	})
}

func durations() *rapid.Generator[time.Duration] {
	return rapid.Map(rapid.Int64Range(0, int64(1000*time.Hour)), func(n int64) time.Duration { return time.Duration(n) })
}

func values() *rapid.Generator[url.Values] {
	return rapid.Map(rapid.MapOfN(texts(), rapid.SliceOfN(texts(), 1, 3), 0, 3), func(m map[string][]string) url.Values { return m })
}

func raws() *rapid.Generator[json.RawMessage] {
	return rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) json.RawMessage { return b })
}

func tokens() *rapid.Generator[*sdk.Token] {
	return rapid.Custom(func(t *rapid.T) *sdk.Token {
		return &sdk.Token{
			AccessToken: texts().Draw(t, "access"), TokenType: texts().Draw(t, "type"), RefreshToken: texts().Draw(t, "refresh"),
			IDToken: texts().Draw(t, "id"), Expiry: times().Draw(t, "expiry"), Scope: lists().Draw(t, "scope"), Extra: raws().Draw(t, "extra"),
		}
	})
}

func users() *rapid.Generator[*sdk.User] {
	return rapid.Custom(func(t *rapid.T) *sdk.User {
		text := func(name string) string { return texts().Draw(t, name) }
		return &sdk.User{
			Sub: text("sub"), PreferredUsername: text("username"), Name: text("name"), GivenName: text("given"),
			FamilyName: text("family"), Email: text("email"), Picture: text("picture"), Locale: text("locale"), SID: text("sid"),
			EmailVerified: rapid.Ptr(rapid.Bool(), true).Draw(t, "verified"), Groups: lists().Draw(t, "groups"), Claims: raws().Draw(t, "claims"),
		}
	})
}

func diagnostics() *rapid.Generator[[]sdk.Diagnostic] {
	one := rapid.Custom(func(t *rapid.T) sdk.Diagnostic {
		return sdk.Diagnostic{
			Severity: rapid.SampledFrom([]sdk.Severity{sdk.SeverityOK, sdk.SeverityWarning, sdk.SeverityError}).Draw(t, "severity"),
			Setting:  texts().Draw(t, "setting"), Summary: texts().Draw(t, "summary"), Detail: texts().Draw(t, "detail"),
		}
	})
	return rapid.SliceOfN(one, 0, 3)
}

// roundTrip calls once, and compares what the provider was asked and what the caller got with what each had to be.
func roundTrip[In, Out any](p *everything, t *rapid.T, in In, give Out, call func(context.Context, In) (Out, error)) {
	p.set(give, nil)
	got, err := call(context.Background(), in)
	if err != nil {
		t.Fatalf("call: %v", err)
	}
	if diff := cmp.Diff(any(in), p.asked(), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("request (-sent +arrived):\n%s", diff)
	}
	if diff := cmp.Diff(give, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("answer (-sent +arrived):\n%s", diff)
	}
}

// TestRoundTrips: whatever a caller asks arrives unchanged, and so does whatever a provider answers.
func TestRoundTrips(t *testing.T) {
	p := &everything{give: sdk.AuthorizeParams{Endpoint: "https://acme.example/authorize"}}
	c := connect(t, typeOf(p))
	configure(t, c)
	ask := rapid.Custom(func(t *rapid.T) sdk.AuthorizeRequest {
		text := func(name string) string { return texts().Draw(t, name) }
		return sdk.AuthorizeRequest{
			RedirectURI: text("redirect"), State: text("state"), Nonce: text("nonce"), CodeChallenge: text("challenge"),
			CodeChallengeMethod: text("method"), Scope: lists().Draw(t, "scope"), Prompt: text("prompt"),
			LoginHint: text("hint"), MaxAge: durations().Draw(t, "max_age"),
		}
	})
	exchange := rapid.Custom(func(t *rapid.T) sdk.CodeExchange {
		text := func(name string) string { return texts().Draw(t, name) }
		return sdk.CodeExchange{
			Code: text("code"), RedirectURI: text("redirect"), CodeVerifier: text("verifier"), Nonce: text("nonce"),
			MaxAge: durations().Draw(t, "max_age"), Params: values().Draw(t, "params"),
		}
	})
	for name, property := range map[string]func(*rapid.T){
		"AuthorizeParams": func(t *rapid.T) {
			give := sdk.AuthorizeParams{Endpoint: texts().Draw(t, "endpoint"), Params: values().Draw(t, "params")}
			roundTrip(p, t, ask.Draw(t, "in"), give, c.AuthorizeParams)
		},
		"GetToken":     func(t *rapid.T) { roundTrip(p, t, exchange.Draw(t, "in"), tokens().Draw(t, "token"), c.GetToken) },
		"GetUserInfo":  func(t *rapid.T) { roundTrip(p, t, tokens().Draw(t, "in"), users().Draw(t, "user"), c.GetUserInfo) },
		"RefreshToken": func(t *rapid.T) { roundTrip(p, t, tokens().Draw(t, "in"), tokens().Draw(t, "token"), c.RefreshToken) },
		"RevokeToken": func(t *rapid.T) {
			roundTrip(p, t, tokens().Draw(t, "in"), nil, func(ctx context.Context, in *sdk.Token) (any, error) { return nil, c.RevokeToken(ctx, in) })
		},
		"EndSession": func(t *rapid.T) {
			in := sdk.EndSessionRequest{IDTokenHint: texts().Draw(t, "hint"), PostLogoutRedirectURI: texts().Draw(t, "uri"), State: texts().Draw(t, "state")}
			roundTrip(p, t, in, texts().Draw(t, "url"), c.EndSession)
		},
		"VerifyLogoutToken": func(t *rapid.T) {
			give := &sdk.LogoutToken{
				Issuer: texts().Draw(t, "iss"), Sub: texts().Draw(t, "sub"), SID: texts().Draw(t, "sid"),
				ID: texts().Draw(t, "jti"), Expiry: times().Draw(t, "exp"),
			}
			roundTrip(p, t, texts().Draw(t, "in"), give, c.VerifyLogoutToken)
		},
		"Check": func(t *rapid.T) {
			ask := func(ctx context.Context, _ any) ([]sdk.Diagnostic, error) { return c.Check(ctx) }
			roundTrip(p, t, nil, diagnostics().Draw(t, "diagnostics"), ask)
		},
	} {
		t.Run(name, func(t *testing.T) { rapid.Check(t, property) })
	}
}

func TestRoundTripPassword(t *testing.T) {
	p := &doorman{}
	c := connect(t, typeOf(p))
	configure(t, c)
	rapid.Check(t, func(t *rapid.T) {
		in := sdk.Credentials{Username: texts().Draw(t, "username"), Password: texts().Draw(t, "password")}
		roundTrip(&p.everything, t, in, tokens().Draw(t, "token"), c.PasswordLogin)
	})
}

// TestErrorsCrossTheWire: an *Error arrives as it was, but for its cause.
func TestErrorsCrossTheWire(t *testing.T) {
	p := &everything{give: sdk.AuthorizeParams{Endpoint: "https://acme.example/authorize"}}
	c := connect(t, typeOf(p))
	configure(t, c)
	rapid.Check(t, func(t *rapid.T) {
		sent := &sdk.Error{
			Source: rapid.SampledFrom([]sdk.Source{sdk.SourcePlugin, sdk.SourceUser, sdk.SourceConfig, sdk.SourceUpstream}).Draw(t, "source"),
			Code:   texts().Draw(t, "code"), Description: texts().Draw(t, "description"), RetryAfter: durations().Draw(t, "retry"),
			HTTPStatus: rapid.IntRange(0, 599).Draw(t, "status"), Diagnostics: diagnostics().Draw(t, "diagnostics"),
		}
		sent.Timeout = sent.Source == sdk.SourceUpstream && rapid.Bool().Draw(t, "timeout")
		p.set(nil, fmt.Errorf("wrapped: %w", sent))
		_, err := c.GetToken(context.Background(), sdk.CodeExchange{})
		var got *sdk.Error
		if !errors.As(err, &got) {
			t.Fatalf("got %T %v, want an *sdk.Error", err, err)
		}
		if diff := cmp.Diff(sent, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("error (-sent +arrived):\n%s", diff)
		}
	})
}

// TestErrorCodes: an author of another language reads these codes in the protocol's page.
func TestErrorCodes(t *testing.T) {
	p := &everything{give: sdk.AuthorizeParams{Endpoint: "https://acme.example/authorize"}}
	c, raw := connectLogged(t, t.Output(), typeOf(p))
	configure(t, c)
	for _, test := range []struct {
		err  error
		want codes.Code
	}{
		{sdk.UserErrorf("access_denied", "no"), codes.PermissionDenied},
		{sdk.UserErrorf("invalid_grant", "expired"), codes.Unauthenticated},
		{sdk.ConfigErrorf("realm", "does not exist"), codes.InvalidArgument},
		{sdk.UpstreamErrorf("down"), codes.Unavailable},
		{&sdk.Error{Source: sdk.SourceUpstream, RetryAfter: time.Second}, codes.ResourceExhausted},
		{&sdk.Error{Source: sdk.SourceUpstream, Timeout: true}, codes.DeadlineExceeded},
		{fmt.Errorf("token endpoint: %w", context.DeadlineExceeded), codes.DeadlineExceeded},
		{fmt.Errorf("token endpoint: %w", context.Canceled), codes.DeadlineExceeded},
		{errors.New("nil map"), codes.Internal},
	} {
		p.set(nil, test.err)
		_, err := raw.GetToken(t.Context(), nil)
		if got := status.Code(err); got != test.want {
			t.Errorf("%v: code %v, want %v", test.err, got, test.want)
		}
	}
}

// TestErrorFromAnyError: what is no *Error is the plugin's fault, a deadline the identity provider's.
func TestErrorFromAnyError(t *testing.T) {
	p := &everything{give: sdk.AuthorizeParams{Endpoint: "https://acme.example/authorize"}}
	c := connect(t, typeOf(p))
	configure(t, c)
	for _, test := range []struct {
		err  error
		want *sdk.Error
	}{
		{errors.New("nil map"), &sdk.Error{Source: sdk.SourcePlugin, Description: "nil map"}},
		{context.DeadlineExceeded, &sdk.Error{Source: sdk.SourceUpstream, Timeout: true, Description: "context deadline exceeded"}},
		{&sdk.Error{Source: sdk.SourceUpstream, Err: errors.New("EOF")}, &sdk.Error{Source: sdk.SourceUpstream, Description: "EOF"}},
	} {
		p.set(nil, test.err)
		_, err := c.GetToken(t.Context(), sdk.CodeExchange{})
		if diff := cmp.Diff(error(test.want), err, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.err, diff)
		}
	}
}

// An answer of the identity provider may hold anything; an error that quotes it must still arrive, in
// bounds, with the source that the author gave it.
func TestErrorTextsOfAnyBytes(t *testing.T) {
	p := &everything{give: sdk.AuthorizeParams{Endpoint: "https://acme.example/authorize"}}
	c := connect(t, typeOf(p))
	configure(t, c)
	bad := "caf\xe9 \xff\xfe"
	for name, sent := range map[string]*sdk.Error{
		"code":        {Source: sdk.SourceUpstream, Code: bad},
		"description": {Source: sdk.SourceUpstream, Description: bad},
		"cause":       {Source: sdk.SourceUpstream, Err: errors.New(bad)},
		"diagnostic":  {Source: sdk.SourceUpstream, Diagnostics: []sdk.Diagnostic{{Setting: bad, Summary: bad, Detail: bad}}},
		"long":        {Source: sdk.SourceUpstream, Description: strings.Repeat("é", 3<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			p.set(nil, sent)
			_, err := c.GetToken(t.Context(), sdk.CodeExchange{})
			var got *sdk.Error
			if !errors.As(err, &got) {
				t.Fatalf("got %T %.200v, want an *sdk.Error", err, err)
			}
			if got.Source != sdk.SourceUpstream {
				t.Errorf("source %v, want upstream", got.Source)
			}
			if text := got.Error(); len(text) > 8<<10 || text != strings.ToValidUTF8(text, "") {
				t.Errorf("a text of %d bytes arrived: %.100q", len(text), text)
			}
		})
	}
}

// What a browser sends reaches the provider as something, whatever its bytes; if it broke the message
// instead, any visitor could make a plugin look broken.
func TestRequestsOfAnyBytes(t *testing.T) {
	p := &doorman{}
	p.give = sdk.AuthorizeParams{Endpoint: "https://acme.example/authorize"}
	c := connect(t, typeOf(p))
	configure(t, c)
	const bad, mended = "ada\xff\xfe", "ada\uFFFD"
	ctx := t.Context()
	for name, test := range map[string]struct {
		call func() error
		want any
	}{
		"login_hint": {
			func() error { _, err := c.AuthorizeParams(ctx, sdk.AuthorizeRequest{LoginHint: bad}); return err },
			sdk.AuthorizeRequest{LoginHint: mended},
		},
		"code and callback": {
			func() error {
				p.set(&sdk.Token{}, nil)
				_, err := c.GetToken(ctx, sdk.CodeExchange{Code: bad, Params: url.Values{bad: {bad}}})
				return err
			},
			sdk.CodeExchange{Code: mended, Params: url.Values{mended: {mended}}},
		},
		"password": {
			func() error {
				p.set(&sdk.Token{}, nil)
				_, err := c.PasswordLogin(ctx, sdk.Credentials{Username: bad, Password: bad})
				return err
			},
			sdk.Credentials{Username: mended, Password: mended},
		},
		"logout token": {
			func() error {
				p.set(&sdk.LogoutToken{}, nil)
				_, err := c.VerifyLogoutToken(ctx, bad)
				return err
			},
			mended,
		},
	} {
		if err := test.call(); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(test.want, p.asked(), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +arrived):\n%s", name, diff)
		}
	}
}
