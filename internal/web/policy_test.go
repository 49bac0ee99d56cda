package web

import (
	"strings"
	"testing"
)

// Threat 67: no script, no inline style, no frame, nothing from elsewhere.
func TestContentSecurityPolicy(t *testing.T) {
	const head = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'"
	const tail = "; frame-ancestors 'none'; base-uri 'none'"
	if got := ContentSecurityPolicy(); got != head+tail {
		t.Errorf("policy = %q", got)
	}
	for _, c := range []struct {
		actions []string
		want    string
	}{
		{[]string{"https://github.com"}, " https://github.com"},
		{[]string{"https://id.example.com/realms/x/logout?a=1;b#c"}, " https://id.example.com"},
		{[]string{"https://a.example:8443/", "http://127.0.0.1:5556"}, " https://a.example:8443 http://127.0.0.1:5556"},
		{[]string{"https://A.Example", "https://a.example/again"}, " https://a.example"},
		{[]string{"https://xn--mnchen-3ya.example"}, " https://xn--mnchen-3ya.example"},
		{[]string{"http://localhost:3000/"}, " http://localhost:3000"},
	} {
		if got := ContentSecurityPolicy(c.actions...); got != head+c.want+tail {
			t.Errorf("%q:\n got %q\nwant %q", c.actions, got, head+c.want+tail)
		}
	}
}

func TestContentSecurityPolicyIsNeverWidened(t *testing.T) {
	want := ContentSecurityPolicy()
	for _, action := range []string{
		"", "*", "'unsafe-inline'", "https:", "https://", "https://*", "https://*.example.com", "//evil.example", "/logout", "javascript:alert(1)", "data:", "myapp://cb",
		"https://a.example; script-src *", "https://a.example;script-src", "https://a.example script-src", "https://a.example\r\nX: y", "https://a.example,https://b.example",
		"https://user:pass@a.example", "https://a.example:port", "https://[::1]:8080/", "https://münchen.example", "https://a'b.example", "https://:443", "%zz", "https://a_b.example",
	} {
		if got := ContentSecurityPolicy(action); got != want {
			t.Errorf("form action %q changes the policy to %q", action, got)
		}
	}
	if got := ContentSecurityPolicy("https://ok.example", "https://bad.example;x"); !strings.Contains(got, "https://ok.example;") || strings.Contains(got, "bad") {
		t.Errorf("one bad origin beside a good one: %q", got)
	}
}

// A page on the address of an app loads its style from authd, and its policy lets it do that and no more.
func TestPagesForAnotherSite(t *testing.T) {
	own, err := New(Site{})
	if err != nil {
		t.Fatal(err)
	}
	const authd = "https://auth.example.com"
	pages := own.For(authd)
	var b strings.Builder
	if err := pages.Render(&b, Error{Heading: "Access denied"}); err != nil {
		t.Fatal(err)
	}
	for _, wanted := range []string{`href="` + authd + AssetsPath + stylesheetName, `href="` + authd + AssetsPath + faviconName} {
		if !strings.Contains(b.String(), wanted) {
			t.Errorf("the page lacks %s\n%s", wanted, b.String())
		}
	}
	policy := pages.ContentSecurityPolicy()
	if !strings.Contains(policy, "style-src "+authd+"; img-src "+authd+" data:;") || strings.Contains(policy, "style-src 'self'") {
		t.Errorf("the policy is %s", policy)
	}
	if got, want := own.ContentSecurityPolicy("https://idp.example.com"), ContentSecurityPolicy("https://idp.example.com"); got != want {
		t.Errorf("on authd's own address the policy is %s, want %s", got, want)
	}
}
