package host

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// Threat 145, 148: sessions outlive a restart; a second authd on the same file refuses; rules and providers that
// have changed meanwhile count for the sessions that are there.
func TestRestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "authd.db")
	opt := siteOptions{store: "file:" + path}
	s := newSite(t, opt)
	c := s.browser()
	s.login(c, "grace", "/auth/oauth/idp")
	cookie := []string{"Cookie", "authd=" + s.sessionCookie(c).Value}

	cfg := s.load(opt)
	second, err := New(t.Context(), Options{Config: cfg, Log: hclog.NewNullLogger()})
	if err == nil {
		t.Error("a second server opened the same file")
		_ = second.Stop(t.Context())
	} else if !strings.Contains(err.Error(), path) {
		t.Errorf("the refusal does not name the file: %v", err)
	}

	opt.with, opt.noWait = s.idp, true
	again := func(change func(*siteOptions), want int) {
		t.Helper()
		if err := s.server.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
		o := opt
		change(&o)
		s = newSite(t, o)
		got := s.get(&http.Client{}, "/auth/check", cookie...)
		wantStatus(t, got, want)
		for _, field := range identityFields {
			value, there := got.Header[string(field.name)]
			if !there || (want != http.StatusOK && value[0] != "") {
				t.Errorf("status %d: %s is %q", want, field.name, value)
			}
		}
	}
	again(func(*siteOptions) {}, http.StatusOK)
	again(func(o *siteOptions) { o.head = "[access]\nallow = '\"admins\" in user.groups'\n" }, http.StatusForbidden)
	again(func(o *siteOptions) { o.id = "renamed" }, http.StatusForbidden)
	again(func(*siteOptions) {}, http.StatusOK)
}

// Threat 49, 133, 157: one provider that can't be used is named with what it lacks, and the others serve; a rule that
// can't be read stops the start.
func TestMisconfiguredProvider(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{noWait: true, toml: "\n[[providers]]\nid = \"lost\"\ntype = \"test\"\nlabel = \"Lost One\"\nrequired = true\n"})
	if err := s.server.live().byID["idp"].runtime.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	page := s.get(&http.Client{}, "/auth/login")
	if !strings.Contains(page.body, "Lost One") || strings.Contains(page.body, "/auth/oauth/lost") || !strings.Contains(page.body, "/auth/oauth/idp") {
		t.Errorf("the login page is\n%s", page.body)
	}
	for _, lacks := range []string{"OAUTH_LOST_CLIENT_ID", "OAUTH_LOST_ISSUER"} {
		s.logs.await(t, lacks, 0)
	}
	failsWith(t, s.get(&http.Client{}, "/auth/oauth/lost", "Accept", "application/json"), http.StatusServiceUnavailable, "provider_unavailable")
	ready := s.get(&http.Client{}, "/readyz")
	if wantStatus(t, ready, http.StatusServiceUnavailable); !strings.Contains(ready.body, "provider lost") {
		t.Errorf("readyz says %s", ready.body)
	}
	wantStatus(t, s.get(&http.Client{}, "/healthz"), http.StatusOK)
	list := s.get(&http.Client{}, "/auth/providers")
	if list.Header.Get("Access-Control-Allow-Origin") != "*" || !strings.HasPrefix(list.Header.Get("Cache-Control"), "public") || strings.Contains(list.body, "lost") {
		t.Errorf("the list of providers: %v\n%s", list.Header, list.body)
	}
	wantStatus(t, s.login(s.browser(), "ada", "/auth/oauth/idp?return_to=/auth/session"), http.StatusOK)

	cfg := s.load(siteOptions{toml: "allow = 'user.nonsense =='\n"})
	broken, err := New(t.Context(), Options{Config: cfg, Log: hclog.NewNullLogger()})
	if err == nil {
		t.Error("a rule that can't be read did not stop the start")
		_ = broken.Stop(t.Context())
	} else if !strings.Contains(err.Error(), "idp") {
		t.Errorf("the refusal does not name the rule: %v", err)
	}
}
