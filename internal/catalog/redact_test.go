package catalog

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// Threat 139, 154: known secrets are masked however they are written.
func TestRedactKnownSecrets(t *testing.T) {
	const secret = `hunter2 "quoted"/+&`
	const key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49\nAwEHBG0wawIBAQQgAAECAwQFBgcICQ==\n-----END PRIVATE KEY-----\n"
	r := newRedactor([]string{secret, key, "hunter2hunter2", "", "abc"})
	text, _ := json.Marshal(secret)
	for _, form := range []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret), string(text), fmt.Sprintf("%q", secret),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
		"hunter2hunter2", key, "AwEHBG0wawIBAQQgAAECAwQFBgcICQ==",
	} {
		got := r.redact("before " + form + " after")
		if strings.Contains(got, "hunter2") || strings.Contains(got, "AwEHBG0wawIBAQQg") || !strings.Contains(got, masked) {
			t.Errorf("redact(%q) = %q", form, got)
		}
		if !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") {
			t.Errorf("redact(%q) = %q: more than the secret is gone", form, got)
		}
	}
	if got := r.redact("the abc of it"); got != "the abc of it" {
		t.Errorf("redact = %q: a value of three letters is no secret", got)
	}
}

// Threat 139, 154: what looks like a secret is masked without being known.
func TestRedactShapes(t *testing.T) {
	r := newRedactor(nil)
	const s = "S3CRET-value"
	for _, text := range []string{
		"POST /token code=" + s + "&grant_type=x",
		"/callback?state=" + s + "&code=" + s,
		`{"code":"` + s + `","x":1}`,
		`{"client_secret": "` + s + ` with \" quote ` + s + `"}`,
		`body="{\"access_token\":\"` + s + `\",\"x\":1}"`,
		"code_verifier=" + s, "secret: client_secret: " + s, "token_secret=refresh_token= " + s, "code_verifier: " + s, "client_secret = '" + s + "'",
		"refresh_token=" + s + "&x=y", "id_token=" + s, "logout_token=" + s, "id_token_hint=" + s,
		"map[refresh_token:" + s + "]", "{AccessToken:" + s + " TokenType:Bearer}", "ClientSecret:" + s,
		"Authorization: Bearer " + s, "map[Authorization:[Basic " + s + "] Accept:[x]]", `"authorization":"DPoP ` + s + `"`,
		"sent Bearer " + s, "Cookie: authd=" + s, "password=" + s, "OAUTH_GITHUB_CLIENT_SECRET=" + s,
		"https://idp.example/access_token=" + s, "https://idp.example/access_token:" + s, "https://idp.example/access_token : " + s,
		"https://idp.example/?access_token: " + s, "https://idp.example/access_token: refresh_token=" + s + " was refused",
		`Post "https://idp.example/access_token": client_secret="` + s + `"`, `{"a/access_token": "` + s + `"}`, `{\"a/access_token\": \"` + s + `\"}`,
		"https://idp.example/access_token: '" + s + "'", "https://idp.example/access_token: access_token: " + s,
		"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJTM0NSRVQifQ.S3CRET-value", "token eyJhbGciOiJSUzI1NiJ9S3CRET-value",
	} {
		if got := r.redact(text); strings.Contains(got, "S3CRET") || !strings.Contains(got, masked) {
			t.Errorf("redact(%q) = %q", text, got)
		}
	}
}

func TestRedactLeavesTheRest(t *testing.T) {
	r := newRedactor([]string{"hunter2"})
	for _, text := range []string{
		"listening on 127.0.0.1:80", "rpc error: code = Unauthenticated desc = invalid_grant",
		"answered code=503 after 2s", "exit status: 1", "state: ready", "invalid character '}' in JSON",
		"GET https://idp.example/.well-known/openid-configuration: 404", "",
		"https://github.com/login/oauth/access_token: dial tcp: lookup github.com: no such host",
		`Post "http://127.0.0.1:8080/login/oauth/access_token": dial tcp 127.0.0.1:8080: connect: connection refused`,
		`error="Post \"https://idp.example/access_token\": context deadline exceeded"`,
	} {
		if got := r.redact(text); got != text {
			t.Errorf("redact(%q) = %q", text, got)
		}
	}
}

// Threat 139: a line that was cut in the middle of a secret shows nothing of it.
func TestRedactCut(t *testing.T) {
	const secret = "correct-horse-battery-staple"
	r := newRedactor([]string{secret})
	for cut := 1; cut < len(secret); cut++ {
		got := r.redactCut(strings.Repeat("x", 100) + secret[:cut])
		if strings.Trim(got, "x") != "" {
			t.Errorf("redactCut shows %q of the secret", strings.Trim(got, "x"))
		}
	}
	if got := r.redactCut("ab"); got != "" {
		t.Errorf("redactCut of what is shorter than a secret = %q", got)
	}
}

func TestRedactField(t *testing.T) {
	r := newRedactor(nil)
	for name, want := range map[string]string{
		"client_secret": masked, "Authorization": masked, "access_token": masked, "accessToken": masked, "state": masked,
		"password": masked, "github_client_secret": masked, "url": "plain", "tokens_used": "plain", "status": "plain",
	} {
		if got := r.redactField(name, "plain"); got != want {
			t.Errorf("redactField(%q) = %q, want %q", name, got, want)
		}
	}
}

// Threat 139, 155: no text can begin a new line or move the cursor.
func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"plain text, Grüße, 日本": "plain text, Grüße, 日本",
		"a\nb\rc\td":            `a\nb\rc\td`,
		"\x1b[2Jx\x07\x00":      `\x1b[2Jx\a\x00`,
		"\u202eevil\u2028":      `\u202eevil\u2028`,
		"bad \xff\xfe":          `bad \xff\xfe`,
		"real \ufffd":           "real \ufffd",
	} {
		if got := clean(text); got != want {
			t.Errorf("clean(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestCleanAlways(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		got := clean(string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")))
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(c rune) bool { return c < ' ' || (c >= 0x7f && c < 0xa0) }) {
			t.Fatalf("clean = %q", got)
		}
		if again := clean(got); again != got {
			t.Fatalf("clean twice: %q, then %q", got, again)
		}
	})
}

// Threat 154: whatever stands around it, a known secret is gone.
func TestRedactAlways(t *testing.T) {
	const secret = "zq7-K2_secretvalue"
	r := newRedactor([]string{secret})
	rapid.Check(t, func(t *rapid.T) {
		before, after := rapid.String().Draw(t, "before"), rapid.String().Draw(t, "after")
		if got := r.redact(before + secret + after); strings.Contains(got, secret) {
			t.Fatalf("redact = %q", got)
		}
	})
}

// Threat 154: whatever was said before a field, its value is gone, and only the end of an address passes for none.
func FuzzRedactPairs(f *testing.F) {
	for _, before := range []string{"", "https://idp.example/access_token: ", `Post "https://idp.example/access_token": dial tcp `, `{"x":"`, "/client_secret: /", "secret: client_secret:", "a token_secret=refresh_token= x"} {
		f.Add(before)
	}
	r := newRedactor(nil)
	namesInARow := regexp.MustCompile(`(?i)[:=]\s*(?:` + secretName + `|authorization|proxy-authorization|cookie|set-cookie|state|nonce)[:=]`)
	f.Fuzz(func(t *testing.T, before string) {
		const s = "S3CRET-value"
		for _, field := range []string{" x refresh_token=" + s, " x client_secret: " + s, ` x "access_token": "` + s + `"`, " x /access_token=" + s} {
			if got := r.redact(before + field); strings.Contains(got, s) {
				t.Errorf("redact(%q) = %q", before+field, got)
			}
		}
		pairs := secretPair.ReplaceAllString(before, "${1}${2}"+masked)
		if got := maskPairs(before); got != pairs && !strings.Contains(before, "/") && !namesInARow.MatchString(before) {
			t.Errorf("maskPairs(%q) = %q, want %q where there is no address and no name stands for a value", before, got, pairs)
		}
	})
}
