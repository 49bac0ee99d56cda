package oauth2_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
)

// at is when the tests take place.
var at = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestExchangeReadsTheWholeResponse(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	tests := map[string]struct {
		contentType, body string
		want              sdk.Token
	}{
		"JSON": {
			"application/json;charset=UTF-8",
			`{"access_token":"a","token_type":"Bearer","expires_in":3600,"refresh_token":"r","id_token":"i","scope":"openid email","session_state":"s"}`,
			sdk.Token{AccessToken: "a", TokenType: "Bearer", RefreshToken: "r", IDToken: "i", Expiry: at.Add(time.Hour), Scope: []string{"openid", "email"}, Extra: []byte(`{"session_state":"s"}`)},
		},
		"JSON that calls itself text":   {"text/plain", `{"access_token":"a","token_type":"bearer"}`, sdk.Token{AccessToken: "a", TokenType: "bearer"}},
		"a form, as GitHub's of old":    {form, "access_token=a&scope=read%3Auser%2Cuser%3Aemail&token_type=bearer", sdk.Token{AccessToken: "a", TokenType: "bearer", Scope: []string{"read:user", "user:email"}}},
		"a form with expires_in":        {form, "access_token=a&expires_in=60&token_type=bearer", sdk.Token{AccessToken: "a", TokenType: "bearer", Expiry: at.Add(time.Minute)}},
		"token_type in any case":        {"application/json", `{"access_token":"a","token_type":"BEARER"}`, sdk.Token{AccessToken: "a", TokenType: "BEARER"}},
		"an error member that is empty": {"application/json", `{"access_token":"a","token_type":"bearer","error":"","id_token":null}`, sdk.Token{AccessToken: "a", TokenType: "bearer", Extra: []byte(`{"error":""}`)}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := clientFor(t, newEndpoint(t, says(200, test.contentType, test.body)).URL)
			c.Now = func() time.Time { return at }
			got, err := c.Exchange(t.Context(), exchange())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(*got, test.want); diff != "" {
				t.Errorf("token (got -, want +):\n%s", diff)
			}
		})
	}
}

// Threat 41: expires_in is clamped, and nonsense counts as not said.
func TestExpiresInIsClamped(t *testing.T) {
	const year = 365 * 24 * time.Hour
	tests := map[string]time.Duration{
		`3600`: time.Hour, `"3600"`: time.Hour, `3600.9`: 3600*time.Second + 900*time.Millisecond,
		`1`: 30 * time.Second, `0.001`: 30 * time.Second, `9e18`: year, `1e400`: year, `9223372036854775807`: year,
		`0`: 0, `-1`: 0, `"soon"`: 0, `null`: 0, `true`: 0, `[3600]`: 0, `{"s":1}`: 0, `"NaN"`: 0, `""`: 0,
	}
	for raw, want := range tests {
		c := clientFor(t, newEndpoint(t, saysJSON(200, `{"access_token":"a","token_type":"bearer","expires_in":`+raw+`}`)).URL)
		c.Now = func() time.Time { return at }
		got, err := c.Exchange(t.Context(), exchange())
		if err != nil {
			t.Errorf("expires_in %s: %v", raw, err)
			continue
		}
		expiry := time.Time{}
		if want > 0 {
			expiry = at.Add(want)
		}
		if !got.Expiry.Equal(expiry) {
			t.Errorf("expires_in %s: got expiry %v, want %v", raw, got.Expiry, expiry)
		}
	}
}

// Threats 32, 46: a response that is half right, or no response at all, is a fault of the identity provider.
func TestExchangeRefusesHalfResponses(t *testing.T) {
	tests := map[string]http.HandlerFunc{
		"no access_token":            saysJSON(200, `{"token_type":"bearer"}`),
		"empty access_token":         saysJSON(200, `{"access_token":"","token_type":"bearer"}`),
		"access_token of a number":   saysJSON(200, `{"access_token":7,"token_type":"bearer"}`),
		"access_token with newline":  saysJSON(200, `{"access_token":"a\r\nX: y","token_type":"bearer"}`),
		"no token_type":              saysJSON(200, `{"access_token":"a"}`),
		"token_type mac":             saysJSON(200, `{"access_token":"a","token_type":"mac"}`),
		"id_token that is no string": saysJSON(200, `{"access_token":"a","token_type":"bearer","id_token":{}}`),
		"repeated member":            saysJSON(200, `{"access_token":"a","token_type":"bearer","access_token":"b"}`),
		"member in two spellings":    saysJSON(200, `{"access_token":"a","token_type":"bearer","Access_Token":"b"}`),
		"something after the object": saysJSON(200, `{"access_token":"a","token_type":"bearer"}{}`),
		"a list":                     saysJSON(200, `["access_token"]`),
		"broken JSON":                saysJSON(200, `{"access_token":"a"`),
		"nothing":                    saysJSON(200, ``),
		"a page":                     says(200, "text/html", "<html>access_token=a&token_type=bearer</html>"),
		"a form with a token twice":  says(200, "application/x-www-form-urlencoded", "access_token=a&access_token=b&token_type=bearer"),
		"a form without a token":     says(200, "text/plain", "all is well"),
		"a page with status 400":     says(400, "text/html", "<html>no</html>"),
		"404":                        says(404, "text/plain", "not found"),
		"500 with an OAuth error":    saysJSON(500, `{"error":"invalid_grant"}`),
		"503":                        says(503, "text/html", "down"),
		"an unknown error code":      saysJSON(400, `{"error":"flux_capacitor"}`),
		"an error that is no code":   saysJSON(400, `{"error":{"code":7}}`),
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, answer)
			_, err := clientFor(t, e.URL).Exchange(t.Context(), exchange())
			if got := typed(t, err); got.Source != sdk.SourceUpstream {
				t.Errorf("got source %v (%v), want upstream", got.Source, err)
			}
			// Threat 33: one try per code, whatever came of it.
			if forms, _ := e.seen(); len(forms) != 1 {
				t.Errorf("the code was sent %d times, want once", len(forms))
			}
		})
	}
}

func TestErrorCodesSayWhoseFaultItIs(t *testing.T) {
	tests := []struct {
		status     int
		code       string
		wantSource sdk.Source
		wantCode   string
		settings   []string
	}{
		{400, "invalid_grant", sdk.SourceUser, "invalid_grant", nil},
		{200, "invalid_grant", sdk.SourceUser, "invalid_grant", nil}, // Threat 32: an error in a 200 body is an error
		{403, "access_denied", sdk.SourceUser, "access_denied", nil},
		{401, "invalid_client", sdk.SourceConfig, "invalid_client", []string{"client_id", "client_secret"}},
		{400, "unauthorized_client", sdk.SourceConfig, "unauthorized_client", []string{"client_id", "client_secret"}},
		{400, "invalid_scope", sdk.SourceConfig, "invalid_scope", []string{"scopes"}},
		{400, "unsupported_grant_type", sdk.SourceConfig, "unsupported_grant_type", []string{"client_id"}},
		{400, "redirect_uri_mismatch", sdk.SourceConfig, "redirect_uri_mismatch", []string{"callback_path"}},
		{400, "invalid_request", sdk.SourceUpstream, "invalid_request", nil},
		{400, "temporarily_unavailable", sdk.SourceUpstream, "temporarily_unavailable", nil},
		{200, "vendor_says_no", sdk.SourceUser, "invalid_grant", nil}, // by ErrorCodes
	}
	for _, test := range tests {
		t.Run(test.code, func(t *testing.T) {
			c := clientFor(t, newEndpoint(t, saysJSON(test.status, `{"error":"`+test.code+`","error_description":"Because."}`)).URL)
			c.ErrorCodes = map[string]string{"vendor_says_no": "invalid_grant"}
			_, err := c.Exchange(t.Context(), exchange())
			got := typed(t, err)
			if got.Source != test.wantSource || got.Code != test.wantCode || got.HTTPStatus != test.status {
				t.Errorf("got %v, code %q, status %d; want %v, %q, %d", got.Source, got.Code, got.HTTPStatus, test.wantSource, test.wantCode, test.status)
			}
			if !strings.Contains(got.Description, "Because.") {
				t.Errorf("description %q does not say what the identity provider said", got.Description)
			}
			var settings []string
			for _, d := range got.Diagnostics {
				settings = append(settings, d.Setting)
			}
			if diff := cmp.Diff(settings, test.settings); diff != "" {
				t.Errorf("settings at fault (got -, want +):\n%s", diff)
			}
		})
	}
}

// Threat 53: Retry-After is understood in both its forms, and bounded.
func TestRetryAfter(t *testing.T) {
	tests := map[string]time.Duration{
		"": 0, "7": 7 * time.Second, at.Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second,
		"999999": time.Hour, "99999999999999999999": 0, "-5": 0, "soon": 0, at.Add(-time.Hour).Format(http.TimeFormat): 0,
	}
	for header, want := range tests {
		for _, status := range []int{429, 503} {
			e := newEndpoint(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", header)
				w.WriteHeader(status)
			})
			c := clientFor(t, e.URL)
			c.Now = func() time.Time { return at }
			_, err := c.Exchange(t.Context(), exchange())
			got := typed(t, err)
			if got.Source != sdk.SourceUpstream || got.RetryAfter != want || got.HTTPStatus != status {
				t.Errorf("%d with Retry-After %q: got %v, %v, %d; want upstream, %v", status, header, got.Source, got.RetryAfter, got.HTTPStatus, want)
			}
		}
	}
}

// Threat 154: what an identity provider repeats of a request reaches no error.
func TestErrorsHoldNoSecret(t *testing.T) {
	secrets := []string{"the-code", "the-secret", "the-verifier", "a secret&more"}
	e := newEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant","error_description":"no such code: the-code / the-verifier / a secret&more / a+secret%26more\u0007\n\u2028` + strings.Repeat("é", 300) + `"}`))
	})
	c := clientFor(t, e.URL)
	c.Secret = "a secret&more"
	_, err := c.Exchange(t.Context(), exchange())
	text := err.Error()
	for _, secret := range append(secrets, "a+secret%26more") {
		if strings.Contains(text, secret) {
			t.Errorf("the error %q holds %q", text, secret)
		}
	}
	if strings.ContainsAny(text, "\n\u0007\u2028") || len(text) > 500 {
		t.Errorf("the error %q (%d bytes) is not fit for a line of a log", text, len(text))
	}
	if typed(t, err).Code != "invalid_grant" {
		t.Errorf("got %v, want the code invalid_grant", err)
	}
}

// Threat 29: what the error field holds is a code or nothing.
func TestErrorCodeIsNoFreeText(t *testing.T) {
	for _, text := range []string{"two words", "line\\nbreak", strings.Repeat("a", 65), "<b>"} {
		c := clientFor(t, newEndpoint(t, saysJSON(400, `{"error":"`+text+`"}`)).URL)
		_, err := c.Exchange(t.Context(), exchange())
		if got := typed(t, err); got.Code != "" || got.Source != sdk.SourceUpstream {
			t.Errorf("error %q: got code %q of %v, want none of upstream", text, got.Code, got.Source)
		}
	}
}

func TestTokenTypeOptional(t *testing.T) {
	c := clientFor(t, newEndpoint(t, saysJSON(200, `{"access_token":"a"}`)).URL)
	c.TokenTypeOptional = true
	got, err := c.Exchange(t.Context(), exchange())
	if err != nil || got.TokenType != "Bearer" {
		t.Errorf("got %+v, error %v; want a Bearer token", got, err)
	}
	for _, body := range []string{`{"access_token":"a","token_type":"mac"}`, `{"access_token":"a","token_type":""}`, `{"access_token":"a","token_type":7}`} {
		c.TokenURL = newEndpoint(t, saysJSON(200, body)).URL
		if _, err := c.Exchange(t.Context(), exchange()); err == nil {
			t.Errorf("%s was accepted", body)
		}
	}
}
