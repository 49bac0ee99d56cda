package host

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// overSocket is a client of the admin listener's unix socket.
func overSocket(path string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}}
}

// Threat 61: an operator lists sessions, ends one, all of a user, all.
func TestAdminSessions(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "admin.sock")
	s := newSite(t, siteOptions{admin: "unix:" + socket})
	admin := overSocket(socket)
	t.Cleanup(admin.CloseIdleConnections)
	ada, ada2, grace, linus := s.browser(), s.browser(), s.browser(), s.browser()
	for c, user := range map[*http.Client]string{ada: "ada", ada2: "ada", grace: "grace", linus: "linus"} {
		s.login(c, user, "/auth/oauth/idp")
	}
	list := func(query string) (found []adminSession) {
		t.Helper()
		got := s.get(admin, "http://admin/admin/sessions"+query)
		wantStatus(t, got, http.StatusOK)
		if err := json.Unmarshal([]byte(got.body), &found); err != nil {
			t.Fatal(err)
		}
		return found
	}
	if n := len(list("")); n != 4 {
		t.Errorf("%d sessions are listed, want 4", n)
	}
	one := list("?user=grace")
	if len(one) != 1 || one[0].Identifier != "grace" {
		t.Fatalf("sessions of grace: %+v", one)
	}
	wantStatus(t, s.do(admin, http.MethodDelete, "http://admin/admin/sessions/"+one[0].Handle, nil), http.StatusOK)
	wantStatus(t, s.get(grace, "/auth/check"), http.StatusUnauthorized)
	wantStatus(t, s.do(admin, http.MethodDelete, "http://admin/admin/sessions/"+one[0].Handle, nil), http.StatusNotFound)
	wantStatus(t, s.do(admin, http.MethodDelete, "http://admin/admin/sessions", nil, "Accept", "application/json"), http.StatusBadRequest)

	got := s.do(admin, http.MethodDelete, "http://admin/admin/sessions?user="+list("?user=ada")[0].Subject, nil)
	if !strings.Contains(got.body, `"revoked":2`) {
		t.Errorf("ending ada's sessions: %s", got.body)
	}
	wantStatus(t, s.get(ada, "/auth/check"), http.StatusUnauthorized)
	wantStatus(t, s.get(ada2, "/auth/check"), http.StatusUnauthorized)
	wantStatus(t, s.get(linus, "/auth/check"), http.StatusOK)
	wantStatus(t, s.do(admin, http.MethodDelete, "http://admin/admin/sessions?all=true", nil), http.StatusOK)
	wantStatus(t, s.get(linus, "/auth/check"), http.StatusUnauthorized)

	metrics := s.get(admin, "http://admin/metrics")
	for _, line := range []string{`authd_logins_total{provider="idp",result="ok"} 4`, `authd_provider_up{provider="idp"} 1`} {
		if !strings.Contains(metrics.body, line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
	if got := s.get(admin, "http://admin/admin/providers"); !strings.Contains(got.body, `"state":"ready"`) {
		t.Errorf("providers: %s", got.body)
	}
	if !strings.Contains(s.logs.String(), `"@message":"session_revoked"`) {
		t.Error("the audit log knows nothing of it")
	}
}

// Threat 158: nothing of it is on the public listener, and over TCP it needs the token.
func TestAdminIsGuarded(t *testing.T) {
	const token = "an-admin-token-of-some-length"
	s := newSite(t, siteOptions{admin: "127.0.0.1:0", head: "[admin]\ntoken = \"" + token + "\"\n"})
	c := &http.Client{}
	for _, path := range []string{"/metrics", "/admin/sessions", "/admin/providers", "/admin/plugins", "/debug/pprof/", "/debug/pprof/cmdline"} {
		wantStatus(t, s.get(c, path), http.StatusNotFound)
		if path == "/metrics" || strings.HasPrefix(path, "/debug") {
			continue
		}
		for _, authorization := range []string{"", "Bearer ", "Bearer wrong", "Basic " + token, "bearer" + token, token} {
			got := s.get(c, "http://"+s.server.AdminAddr()+path, "Authorization", authorization)
			wantStatus(t, got, http.StatusUnauthorized)
			if !strings.HasPrefix(got.Header.Get("WWW-Authenticate"), "Bearer ") || strings.Contains(got.body, token) {
				t.Errorf("the refusal is %v %s", got.Header, got.body)
			}
		}
		wantStatus(t, s.get(c, "http://"+s.server.AdminAddr()+path, "Authorization", "Bearer "+token), http.StatusOK)
	}
	const restart = "/admin/providers/idp/restart"
	wantStatus(t, s.do(c, http.MethodPost, restart, nil), http.StatusNotFound)
	wantStatus(t, s.do(c, http.MethodPost, "http://"+s.server.AdminAddr()+restart, nil), http.StatusUnauthorized)
	wantStatus(t, s.get(c, "http://"+s.server.AdminAddr()+"/metrics"), http.StatusOK)
	wantStatus(t, s.get(c, "http://"+s.server.AdminAddr()+"/debug/pprof/", "Authorization", "Bearer "+token), http.StatusNotFound)

	open := newSite(t, siteOptions{admin: "127.0.0.1:0"})
	wantStatus(t, open.get(c, "http://"+open.server.AdminAddr()+"/admin/sessions", "Authorization", "Bearer "), http.StatusUnauthorized)
}
