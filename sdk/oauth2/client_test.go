package oauth2_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

const goodToken = `{"access_token":"new","token_type":"bearer"}`

// Threat 33: the client shows itself in one way, the one that was chosen, and the code leaves once.
func TestAuthStyles(t *testing.T) {
	const id, secret = "client:1", "s p/ä&"
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
	common := url.Values{
		"grant_type": {"authorization_code"}, "code": {"the-code"}, "redirect_uri": {"https://auth.example.com/cb"}, "code_verifier": {"the-verifier"},
	}
	tests := []struct {
		style  oauth2.AuthStyle
		header string
		form   url.Values
	}{
		{oauth2.AuthBasic, basic, nil},
		{oauth2.AuthPost, "", url.Values{"client_id": {id}, "client_secret": {secret}}},
		{oauth2.AuthNone, "", url.Values{"client_id": {id}}},
	}
	for _, test := range tests {
		t.Run(string(test.style), func(t *testing.T) {
			e := newEndpoint(t, saysJSON(401, `{"error":"invalid_client"}`))
			c := clientFor(t, e.URL)
			c.ID, c.Secret, c.AuthStyle = id, secret, test.style
			if _, err := c.Exchange(t.Context(), exchange()); err == nil {
				t.Error("got no error")
			}
			forms, heads := e.seen()
			if len(forms) != 1 {
				t.Fatalf("the code was sent %d times, want once", len(forms))
			}
			want := url.Values{}
			for _, values := range []url.Values{common, test.form} {
				for name, v := range values {
					want[name] = v
				}
			}
			if diff := cmp.Diff(forms[0], want); diff != "" {
				t.Errorf("form (got -, want +):\n%s", diff)
			}
			if got := heads[0].Get("Authorization"); got != test.header {
				t.Errorf("got Authorization %q, want %q", got, test.header)
			}
			if got := heads[0].Get("Accept"); got != "application/json" {
				t.Errorf("got Accept %q, want application/json", got)
			}
		})
	}
}

func TestGrants(t *testing.T) {
	tests := map[string]struct {
		call func(context.Context, *oauth2.Client) (*sdk.Token, error)
		want url.Values
	}{
		"code without a verifier": {
			func(ctx context.Context, c *oauth2.Client) (*sdk.Token, error) {
				return c.Exchange(ctx, sdk.CodeExchange{Code: "c", RedirectURI: "https://r.example"})
			},
			url.Values{"grant_type": {"authorization_code"}, "code": {"c"}, "redirect_uri": {"https://r.example"}, "audience": {"api"}},
		},
		"refresh": {
			func(ctx context.Context, c *oauth2.Client) (*sdk.Token, error) { return c.Refresh(ctx, "old") },
			url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"old"}, "audience": {"api"}},
		},
		"password": {
			func(ctx context.Context, c *oauth2.Client) (*sdk.Token, error) {
				return c.Password(ctx, sdk.Credentials{Username: "ada", Password: "pw"}, []string{"a", "b"})
			},
			url.Values{"grant_type": {"password"}, "username": {"ada"}, "password": {"pw"}, "scope": {"a b"}, "audience": {"api"}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, saysJSON(200, goodToken))
			c := clientFor(t, e.URL)
			c.TokenParams = url.Values{"audience": {"api"}, "grant_type": {"something else"}}
			got, err := test.call(t.Context(), c)
			if err != nil || got.AccessToken != "new" || got.RefreshToken != "" {
				t.Fatalf("got %+v, error %v; want the new access token and no refresh token", got, err)
			}
			forms, _ := e.seen()
			if diff := cmp.Diff(forms, []url.Values{test.want}); diff != "" {
				t.Errorf("forms (got -, want +):\n%s", diff)
			}
		})
	}
}

// Threat 39: without a refresh token there is nothing to ask for, and the session is over.
func TestRefreshWithoutToken(t *testing.T) {
	_, err := clientFor(t, "https://never.invalid").Refresh(t.Context(), "")
	if got := typed(t, err); got.Source != sdk.SourceUser || got.Code != "invalid_grant" {
		t.Errorf("got %v, want source user with invalid_grant", err)
	}
}

func TestRevoke(t *testing.T) {
	both := &sdk.Token{AccessToken: "a", RefreshToken: "r"}
	sent := []url.Values{
		{"token": {"r"}, "token_type_hint": {"refresh_token"}, "client_id": {"the-client"}, "client_secret": {"the-secret"}},
		{"token": {"a"}, "token_type_hint": {"access_token"}, "client_id": {"the-client"}, "client_secret": {"the-secret"}},
	}
	tests := map[string]struct {
		token  *sdk.Token
		answer http.HandlerFunc
		want   []url.Values
		source sdk.Source
		fails  bool
	}{
		"both":                   {both, says(200, "", ""), sent, 0, false},
		"access token alone":     {&sdk.Token{AccessToken: "a"}, saysJSON(200, `{}`), sent[1:], 0, false},
		"nothing to revoke":      {&sdk.Token{}, says(500, "", ""), nil, 0, false},
		"a kind that can't be":   {both, saysJSON(400, `{"error":"unsupported_token_type"}`), sent, 0, false},
		"wrong client":           {both, saysJSON(401, `{"error":"invalid_client"}`), sent, sdk.SourceConfig, true},
		"down":                   {both, says(503, "", ""), sent, sdk.SourceUpstream, true},
		"refused without reason": {both, says(404, "text/html", "?"), sent, sdk.SourceUpstream, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, test.answer)
			c := clientFor(t, e.URL)
			c.AuthStyle = oauth2.AuthPost
			err := c.Revoke(t.Context(), test.token)
			if (err != nil) != test.fails {
				t.Fatalf("got error %v, want one: %v", err, test.fails)
			}
			if test.fails && typed(t, err).Source != test.source {
				t.Errorf("got %v, want source %v", err, test.source)
			}
			forms, _ := e.seen()
			if diff := cmp.Diff(forms, test.want); diff != "" {
				t.Errorf("forms (got -, want +):\n%s", diff)
			}
		})
	}
}

// Threats 44, 45, 46: whatever the network does is a fault of the identity provider, and the code stays sent once.
func TestTransportFaults(t *testing.T) {
	trap := newEndpoint(t, func(http.ResponseWriter, *http.Request) {
		t.Error("the redirect was followed, with all that was in the request")
	})
	tests := map[string]struct {
		answer  http.HandlerFunc
		timeout bool
		status  int
		text    string
	}{
		"redirect": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", trap.URL+"/path?code=the-code")
			w.WriteHeader(307)
		}, false, 307, "redirect to " + trap.URL},
		"redirect to nowhere": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(302) }, false, 302, "redirect"},
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(bytes.Repeat([]byte(" "), 32<<10)); err != nil {
					return
				}
			}
		}, false, 200, "more than 1048576 bytes"},
		"gzip bomb": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			for range 32 {
				_, _ = z.Write(bytes.Repeat([]byte(" "), 1<<20))
			}
			_, _ = z.Write([]byte(goodToken))
			_ = z.Close()
		}, false, 200, "more than 1048576 bytes"},
		"cut in the middle": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(goodToken))
		}, false, 0, "EOF"},
		"dropped": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false, 0, "EOF"},
		"no answer in time": {func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}, true, 0, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, test.answer)
			ctx := t.Context()
			if test.timeout {
				// It ends once the request has surely arrived.
				var stop context.CancelCauseFunc
				ctx, stop = context.WithCancelCause(ctx)
				answer := e.Config.Handler
				e.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					stop(context.DeadlineExceeded)
					answer.ServeHTTP(w, r)
				})
			}
			_, err := clientFor(t, e.URL).Exchange(ctx, exchange())
			got := typed(t, err)
			if got.Source != sdk.SourceUpstream || got.Timeout != test.timeout || got.HTTPStatus != test.status {
				t.Errorf("got %v (timeout %v, status %d), want upstream, %v, %d", err, got.Timeout, got.HTTPStatus, test.timeout, test.status)
			}
			if !strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), "the-code") {
				t.Errorf("error %q should hold %q, and not the code", err, test.text)
			}
			if forms, _ := e.seen(); len(forms) != 1 {
				t.Errorf("the code was sent %d times, want once", len(forms))
			}
		})
	}
}

func TestUnreachableEndpoint(t *testing.T) {
	e := newEndpoint(t, saysJSON(200, goodToken))
	e.Close()
	_, err := clientFor(t, e.URL).Exchange(t.Context(), exchange())
	if got := typed(t, err); got.Source != sdk.SourceUpstream || !strings.Contains(got.Description, "token endpoint "+e.URL) {
		t.Errorf("got %v, want source upstream and the endpoint named", err)
	}
}

// A client that is not sdk.NewHTTPClient's is bounded too.
func TestSendBoundsForeignClients(t *testing.T) {
	e := newEndpoint(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte(" "), 1<<20+1)) })
	c := clientFor(t, e.URL)
	c.HTTP = e.Client()
	_, err := c.Exchange(t.Context(), exchange())
	if got := typed(t, err); got.Source != sdk.SourceUpstream || !strings.Contains(got.Description, "more than") {
		t.Errorf("got %v, want an answer that is too long", err)
	}
}

func TestGetJSON(t *testing.T) {
	tests := map[string]struct {
		answer http.HandlerFunc
		want   string
		status int
	}{
		"object":              {saysJSON(200, ` {"id": 12345678901234567890} `), ` {"id": 12345678901234567890} `, 0},
		"list":                {saysJSON(200, `[{"a":1},{"a":2}]`), `[{"a":1},{"a":2}]`, 0},
		"vendor's media type": {says(200, "application/vnd.acme+json", `{}`), `{}`, 0},
		"forbidden":           {saysJSON(403, `{"message":"no"}`), "", 403},
		"gone":                {saysJSON(404, `{}`), "", 404},
		"unauthorized":        {saysJSON(401, `{}`), "", 401},
		"created":             {saysJSON(201, `{}`), "", 201},
		"signed":              {says(200, "application/jwt", `a.b.c`), "", 0},
		"page":                {says(200, "text/html", `<html>`), "", 0},
		"repeated member":     {saysJSON(200, `{"id":1,"id":2}`), "", 0}, // Threat 28
		"repeated deep down":  {saysJSON(200, `[{"a":{"b":1,"b":2}}]`), "", 0},
		"two spellings":       {saysJSON(200, `{"id":1,"ID":2}`), "", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, test.answer)
			c := clientFor(t, "")
			c.Header = http.Header{"accept": {"application/vnd.acme+json"}}
			raw, err := c.GetJSON(t.Context(), e.URL, &sdk.Token{AccessToken: "tok"})
			if string(raw) != test.want {
				t.Errorf("got %q, want %q", raw, test.want)
			}
			if test.want == "" && (typed(t, err).Source != sdk.SourceUpstream || typed(t, err).HTTPStatus != test.status) {
				t.Errorf("got %v with status %d, want upstream with %d", err, typed(t, err).HTTPStatus, test.status)
			}
			_, heads := e.seen()
			if got := heads[0].Get("Authorization"); got != "Bearer tok" {
				t.Errorf("got Authorization %q, want Bearer tok", got)
			}
			if got := heads[0].Get("Accept"); got != "application/vnd.acme+json" {
				t.Errorf("got Accept %q, want the vendor's", got)
			}
			if heads[0].Get("User-Agent") != "authd" {
				t.Errorf("got User-Agent %q, want authd", heads[0].Get("User-Agent"))
			}
		})
	}
}

// Threat 48: a URL that came from somewhere is not asked unless it may be.
func TestGetJSONAsksNothingElse(t *testing.T) {
	for _, target := range []string{"http://192.0.2.1/", "ftp://127.0.0.1/", "file:///etc/passwd", "https://me:pw@127.0.0.1/", "::", ""} {
		_, err := clientFor(t, "").GetJSON(t.Context(), target, &sdk.Token{AccessToken: "tok"})
		if !errors.Is(err, oauth2.ErrEndpoint) {
			t.Errorf("%q: got %v, want ErrEndpoint", target, err)
		}
	}
}
