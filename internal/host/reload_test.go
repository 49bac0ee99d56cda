package host

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// rewrite changes the configuration file, as an editor does: a new file under the old name.
func (s *site) rewrite(change func(string) string) {
	s.t.Helper()
	path := s.server.cfg.Path
	text, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", []byte(change(string(text))), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		s.t.Fatal(err)
	}
}

// until repeats what a person does who waits for something on a page.
func (s *site) until(what string, done func() bool) {
	s.t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); {
		if time.Now().After(end) {
			s.t.Fatalf("%s never came\n%s", what, s.logs)
		}
		s.get(s.browser(), "/healthz")
	}
}

func (s *site) offers(label string) bool {
	return strings.Contains(s.get(s.browser(), "/auth/login").body, label)
}

// A plugin that is put into the directory is on the login page, and works, without a restart; taken out it is gone, and
// whoever came through it stays signed in.
func TestPluginDroppedIn(t *testing.T) {
	t.Parallel()
	idp := newIdP(t, siteOptions{}.idp)
	s := newSite(t, siteOptions{watch: true, with: idp, noWait: true, environ: []string{
		"OAUTH_PW_UNUSED=1", "OAUTH_TEST_CLIENT_ID=demo", "OAUTH_TEST_CLIENT_SECRET=demo-secret", "OAUTH_TEST_ISSUER=" + idp.Issuer(),
	}})
	dir := s.server.cfg.Server.PluginsDir[0]
	plugin := filepath.Join(dir, "authd-provider-test")
	s.until("the provider of the environment", func() bool { return s.offers("Test Identity") })
	b := s.browser()
	s.login(b, "ada", "/auth/oauth/test")
	wantStatus(t, s.get(b, "/auth/check"), http.StatusOK)

	aside := filepath.Join(t.TempDir(), "aside")
	copyFile(t, plugin, aside)
	if err := os.Remove(plugin); err != nil {
		t.Fatal(err)
	}
	s.until("the end of the provider", func() bool { return !s.offers("/auth/oauth/test") })
	wantStatus(t, s.get(b, "/auth/check"), http.StatusOK)
	wantStatus(t, s.get(still(s.browser()), "/auth/oauth/test", "Accept", "application/json"), http.StatusNotFound)

	copyFile(t, aside, plugin+".tmp")
	if err := os.Rename(plugin+".tmp", plugin); err != nil {
		t.Fatal(err)
	}
	s.until("the provider's return", func() bool { return s.offers("/auth/oauth/test") })
	again := s.browser()
	s.login(again, "grace", "/auth/oauth/test")
	wantStatus(t, s.get(again, "/auth/check"), http.StatusOK)
	wantStatus(t, s.get(b, "/auth/check"), http.StatusOK)
}

// The configuration counts as it is on the disk now; one that can't be used changes nothing and is named in the log.
func TestConfigurationReloads(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{own: true})
	b := s.browser()
	s.login(b, "ada", "/auth/oauth/idp")
	pid := s.server.live().byID["idp"].runtime.Status().PID

	s.rewrite(func(text string) string {
		second := strings.Replace(text[strings.Index(text, "[[providers]]"):], `"idp"`, `"second"`, 1)
		return text + "\n" + second + "label = \"Second Door\"\n"
	})
	if err := s.server.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.server.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !s.offers("Second Door") {
		t.Error("the new provider is not on the login page")
	}
	s.login(s.browser(), "ada", "/auth/oauth/second")
	if now := s.server.live().byID["idp"].runtime.Status().PID; now != pid {
		t.Errorf("the process of the provider that did not change is %d, was %d", now, pid)
	}

	s.rewrite(func(text string) string { return text + "nonsense\n" })
	if err := s.server.Reload(t.Context()); err == nil {
		t.Error("a broken file was taken")
	}
	if !s.offers("Second Door") || !strings.Contains(s.logs.String(), "the one in force stays") || !strings.Contains(s.logs.String(), `"config_refused"`) {
		t.Errorf("a broken file changed something, or the log does not name it:\n%s", s.logs)
	}

	// A rule that no longer lets somebody in counts for who is in already.
	s.rewrite(func(text string) string {
		text = strings.Replace(text, "nonsense\n", "", 1)
		return text[:strings.LastIndex(text, "[[providers]]")] + "[access]\nallow = 'user.identifier == \"grace\"'\n"
	})
	wantStatus(t, s.get(b, "/auth/check"), http.StatusOK)
	if err := s.server.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, s.get(b, "/auth/check"), http.StatusForbidden)
	if s.offers("Second Door") {
		t.Error("the provider that was taken out is still on the login page")
	}
	grace := s.browser()
	s.login(grace, "grace", "/auth/oauth/idp")
	wantStatus(t, s.get(grace, "/auth/check"), http.StatusOK)
}

// Sessions of a provider that the operator takes out of the configuration open nothing any more, unlike those of one
// whose plugin is away.
func TestProviderTakenOut(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{toml: "\n[[providers]]\nid = \"other\"\ntype = \"test\"\nissuer = \"ISSUER\"\nclient_id = \"demo\"\nclient_secret = \"demo-secret\"\n"})
	b := s.browser()
	s.login(b, "ada", "/auth/oauth/other")
	wantStatus(t, s.get(b, "/auth/check"), http.StatusOK)
	s.rewrite(func(text string) string { return text[:strings.LastIndex(text, "[[providers]]")] })
	if err := s.server.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, s.get(b, "/auth/check"), http.StatusForbidden)
}

// Threat 85: what can't change without a restart is named, and what depends on it stays as it was.
func TestReloadNamesWhatNeedsARestart(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	s.rewrite(func(text string) string {
		return strings.Replace(text, "[session]", "[session]\nlifetime = \"1h\"\nidle_timeout = \"1h\"", 1)
	})
	if err := s.server.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s.logs.String(), `"keys":"session"`) {
		t.Errorf("the log does not name the session settings:\n%s", s.logs)
	}
	b := s.browser()
	s.login(b, "ada", "/auth/oauth/idp")
	for found, err := range s.server.sessions.All(t.Context()) {
		if err != nil || found.Expires.Sub(found.CreatedAt) < 2*time.Hour {
			t.Errorf("session %v, %v; want one of the old lifetime", found, err)
		}
	}
}

// The operator's mapping of claims counts at the login.
func TestClaimsAreMapped(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{toml: "claims = { groups = '[claims.sub + \"-team\"]', name = '\"Mapped \" + user.name' }\n"})
	b := s.browser()
	s.login(b, "ada", "/auth/oauth/idp")
	got := s.get(b, "/auth/check")
	if name, groups := got.Header.Get("X-Auth-Request-Name"), got.Header.Get("X-Auth-Request-Groups"); !strings.HasPrefix(name, "Mapped ") || !strings.HasSuffix(groups, "-team") {
		t.Errorf("name %q, groups %q; want both mapped", name, groups)
	}
	failing := newSite(t, siteOptions{toml: "claims = { groups = 'claims.missing' }\n"})
	none := failing.browser()
	if got := failing.login(none, "ada", "/auth/oauth/idp"); got.StatusCode != http.StatusForbidden {
		t.Errorf("a mapping that fails gives status %d, want 403", got.StatusCode)
	}
	wantStatus(t, failing.get(none, "/auth/check"), http.StatusUnauthorized)
}
