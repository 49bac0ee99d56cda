package login

import (
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func newReturnTo(t testing.TB) *ReturnTo {
	t.Helper()
	r, err := NewReturnTo("https://auth.example.com", []string{
		"https://*.example.com", "https://app.example.org", "https://app.example.org:8443", "http://127.0.0.1:8080",
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Threat 80, 81, 84: what a browser might read as another place than it seems leads home.
func TestReturnTo(t *testing.T) {
	r := newReturnTo(t)
	for _, ok := range []string{
		"/", "/a", "/a/b?c=d&e=//f", "/a#b", "/%2F%2Fevil", "/a?next=https://evil.com", "/.well-known/x", "/a..b", "/~ada",
		"https://auth.example.com", "https://auth.example.com/", "https://auth.example.com/x?y=z#w",
		"https://app.example.com/x", "https://a.b.example.com/", "https://APP.example.com/", "HTTPS://app.example.com/",
		"https://app.example.com:443/x", "https://app.example.org/deep/link?a=1", "https://app.example.org:8443/",
		"http://127.0.0.1:8080/hello", "https://xn--bcher-kva.example.com/",
	} {
		if got, allowed := r.Check(ok); !allowed || got != ok {
			t.Errorf("Check(%q) = %q, %v; want it allowed as it is", ok, got, allowed)
		}
	}
	for _, bad := range []string{
		"//evil.com", "///evil.com", "////evil.com", "/\\evil.com", "\\\\evil.com", "\\/evil.com", "/\t/evil.com", "/\n/evil.com",
		"/%09/evil.com\t", "/a//b", "/./evil", "/../evil", "/a/../../evil", "/a\\b", " /a", "/a b", "/a\x00", "/a\r\nSet-Cookie: x=y", "/ü", "/a\x7f", "/\u2028",
		"https://evil.com", "http://evil.com", "https:evil.com", "https:/evil.com", "https:///evil.com", "https:\\\\evil.com", "https://", "https:",
		"https://example.com/", "https://evilexample.com/", "https://example.com.evil.com/", "https://.example.com/",
		"https://app.example.com@evil.com/", "https://user@app.example.com/", "https://user:pw@app.example.com/", "https://@app.example.com/",
		"https://app.example.com\\@evil.com", "https://evil.com\\.example.com/", "https://evil.com#.example.com", "https://evil.com?.example.com",
		"https://evil.com%2f.example.com/", "https://evil.com%00.example.com/", "https://evil.com%23.example.com/", "https://app%2eexample.com/",
		"http://app.example.com/", "ftp://app.example.com/", "https://app.example.com:8443/", "https://app.example.com:/", "https://app.example.com:x/",
		"https://app.example.org:443443/", "http://127.0.0.1/", "http://127.0.0.1:8081/", "http://127.1:8080/", "http://0x7f.0.0.1:8080/", "http://localhost:8080/",
		"javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "mailto:a@b", "about:blank", "blob:https://app.example.com/x",
		"app.example.com", "www.example.com/x", "a/b", "?a=b", "#a", ".", "..", "./a", "../a", ":", "::", "%", "/%zz",
		"https://ex\u0430mple.com/", "https://app.example\u3002com/", "https://app。example.com", "https://app.example.com\u2025/", "https://ⓐpp.example.com/",
		"https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[app.example.com]/", "https://app.example.com,evil.com/", "https://app.example.com;evil.com/",
		"https://app_x.example.com/", "https://app.example.com%20.evil.com", "https://app.example.com.", "https://app.example.com./x",
		"//app.example.com/x", "///app.example.com/x", "https:app.example.com", "https:/app.example.com/x", "https:\\app.example.com",
		"https://app.example.com\t.evil.com/", "ht\ntps://app.example.com/", "\x01https://app.example.com/", "https://app.example.com /",
		"/" + strings.Repeat("a", maxReturnTo), "https://app.example.com/" + strings.Repeat("a", maxReturnTo),
	} {
		if got, allowed := r.Check(bad); allowed || got != "/" {
			t.Errorf("Check(%q) = %q, %v; want it refused", bad, got, allowed)
		}
	}
	if got, ok := r.Check(""); !ok || got != "/" {
		t.Errorf("Check(\"\") = %q, %v; want the home page", got, ok)
	}
}

func TestReturnToPatterns(t *testing.T) {
	for _, bad := range []string{
		"*", "https://*", "https://*.", "example.com", "https://example.com/path", "https://user@example.com", "https://example.com?x", "ftp://example.com",
		"https://exa mple.com", "https://*.*.example.com", "https://a.*.example.com", "", "https://", "//example.com",
	} {
		if _, err := NewReturnTo("https://auth.example.com", []string{bad}); err == nil {
			t.Errorf("pattern %q was accepted", bad)
		} else if !strings.Contains(err.Error(), "return_to_allow") {
			t.Errorf("pattern %q: %v does not name the setting", bad, err)
		}
	}
	if _, err := NewReturnTo("auth.example.com", nil); err == nil {
		t.Error("a public URL without a scheme was accepted")
	}
}

// corpus reads testdata/redirects.txt.
func corpus(t testing.TB) (accept, refuse []string) {
	t.Helper()
	text, err := os.ReadFile("testdata/redirects.txt")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		verdict, quoted, _ := strings.Cut(line, " ")
		target, err := strconv.Unquote(quoted)
		if err != nil || (verdict != "ACCEPT" && verdict != "REFUSE") {
			t.Fatalf("line %d: %s: %v", i+1, line, err)
		}
		if verdict == "ACCEPT" {
			accept = append(accept, target)
		} else {
			refuse = append(refuse, target)
		}
	}
	return accept, refuse
}

// Threat 80: a corpus of targets, each with the answer that it must get. A browser's own parser judges those that are
// accepted in test/e2e.
func TestReturnToCorpus(t *testing.T) {
	r := newReturnTo(t)
	accept, refuse := corpus(t)
	if len(accept) < 80 || len(accept)+len(refuse) < 400 {
		t.Errorf("the corpus has %d targets to accept and %d to refuse; some got lost", len(accept), len(refuse))
	}
	for _, target := range accept {
		if got, ok := r.Check(target); !ok || got != target {
			t.Errorf("Check(%q) = %q, %v; want it accepted as it is", target, got, ok)
		}
	}
	for _, target := range refuse {
		if got, ok := r.Check(target); ok || got != "/" {
			t.Errorf("Check(%q) = %q, %v; want it refused", target, got, ok)
		}
	}
}

// Threat 80, 81: what is accepted holds no byte that browsers drop or read as another one, and leads to one of the
// origins that are allowed, scheme and port included.
func FuzzReturnTo(f *testing.F) {
	accept, refuse := corpus(f)
	for _, seed := range append(accept, refuse...) {
		f.Add(seed)
	}
	r := newReturnTo(f)
	base, err := url.Parse("https://auth.example.com/auth/login")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, target string) {
		got, ok := r.Check(target)
		if !ok {
			if got != "/" {
				t.Errorf("Check(%q) refused with %q", target, got)
			}
			return
		}
		if got != target && target != "" {
			t.Errorf("Check(%q) = %q, which is another one", target, got)
		}
		if i := strings.IndexFunc(got, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }); i >= 0 {
			t.Errorf("Check(%q) let %q pass", target, got[i])
		}
		to, err := base.Parse(got)
		if err != nil {
			t.Fatalf("Check(%q) = %q, which does not parse: %v", target, got, err)
		}
		if origin := strings.ToLower(to.Scheme + "://" + to.Host); !allowedOrigin.MatchString(origin) || to.User != nil {
			t.Errorf("Check(%q) leads to %q", target, origin)
		}
		if strings.HasPrefix(got, "//") || strings.HasPrefix(to.EscapedPath(), "//") && strings.HasPrefix(got, "/") {
			t.Errorf("Check(%q) leads to the host of %q", target, to)
		}
	})
}

// allowedOrigin says in other words what newReturnTo allows.
var allowedOrigin = regexp.MustCompile(`^(https://([a-z0-9-]+\.)+example\.com(:443)?|https://app\.example\.org(:443|:8443)?|http://127\.0\.0\.1:8080)$`)
