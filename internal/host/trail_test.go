package host

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/authd/authd/internal/audit"
	"github.com/authd/authd/sdk/devidp"
)

// trail is the audit log as an operator's tools read it: one JSON object per line.
func (s *site) trail(t *testing.T, kind audit.Kind) (lines []map[string]string) {
	t.Helper()
	for line := range strings.Lines(s.logs.String()) {
		var one map[string]any
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if one["@message"] != string(kind) || !strings.HasSuffix(one["@module"].(string), "audit") {
			continue
		}
		said := map[string]string{}
		for name, value := range one {
			if text, ok := value.(string); ok {
				said[name] = text
			}
		}
		if at, err := time.Parse(time.RFC3339, said["@timestamp"]); err != nil || time.Since(at) > time.Hour {
			t.Errorf("%s has the time %q", kind, said["@timestamp"])
		}
		lines = append(lines, said)
	}
	return lines
}

// Threat 156: whoever reads the audit log knows who came and went, from where and through which provider, who was
// turned away and why, and finds the page that somebody saw by its incident.
func TestAuditTrail(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{keys: `trusted_proxies = ["127.0.0.1"]`, toml: `allow = 'user.identifier != "linus"'` + "\n"})
	c, other, denied := s.browser(), s.browser(), s.browser()
	s.login(c, "ada", "/auth/oauth/idp")
	s.login(other, "ada", "/auth/oauth/idp")
	logins := s.trail(t, audit.Login)
	if len(logins) != 2 {
		t.Fatalf("logins in the audit log: %v", logins)
	}
	for _, one := range logins {
		if one["provider"] != "idp" || len(one["subject"]) != 26 || one["session"] == "" || one["address"] != "127.0.0.1" {
			t.Errorf("login: %v", one)
		}
	}
	if logins[0]["subject"] != logins[1]["subject"] || logins[0]["session"] == logins[1]["session"] {
		t.Errorf("two logins of one person: %v", logins)
	}

	page := s.login(denied, "linus", "/auth/oauth/idp")
	wantStatus(t, page, http.StatusForbidden)
	if got := s.trail(t, audit.Denied); len(got) != 1 || got[0]["incident"] == "" || !strings.Contains(page.body, got[0]["incident"]) || got[0]["provider"] != "idp" || got[0]["cause"] == "" {
		t.Errorf("denied: %v", got)
	}

	s.idp.Fault(devidp.EndpointToken, devidp.Fault{Times: 1, Status: http.StatusInternalServerError})
	failed := s.get(c, s.authorize(c, "ada"), "X-Forwarded-For", "203.0.113.9", "Accept", "text/html")
	wantStatus(t, failed, http.StatusBadGateway)
	if got := s.trail(t, audit.LoginFailed); len(got) != 1 || !strings.Contains(failed.body, got[0]["incident"]) || got[0]["cause"] != "provider_error" || got[0]["address"] != "203.0.113.9" {
		t.Errorf("failed: %v", got)
	}

	var mine []struct {
		Handle  string
		Current bool
	}
	if err := json.Unmarshal([]byte(s.get(c, "/auth/sessions").body), &mine); err != nil || len(mine) != 2 {
		t.Fatalf("%v: %v", err, mine)
	}
	for _, one := range mine {
		if !one.Current {
			wantStatus(t, s.do(c, http.MethodDelete, "/auth/sessions/"+one.Handle, nil, sameSite()...), http.StatusNoContent)
		}
	}
	s.do(still(c), http.MethodPost, "/auth/logout", url.Values{}, sameSite()...)
	for kind, session := range map[audit.Kind]string{audit.Revoked: logins[1]["session"], audit.Logout: logins[0]["session"]} {
		got := s.trail(t, kind)
		if len(got) != 1 || got[0]["session"] != session || got[0]["subject"] != logins[0]["subject"] || got[0]["provider"] != "idp" || got[0]["address"] != "127.0.0.1" {
			t.Errorf("%s: %v, want the session %s", kind, got, session)
		}
	}
	if got := s.trail(t, audit.PluginStarted); len(got) != 1 || got[0]["provider"] != "idp" {
		t.Errorf("plugins: %v", got)
	}
}

// Threat 156: that the keys by which apps believe authd were changed is an event of its own, with the keys it left.
func TestAuditOfKeys(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	made := s.trail(t, audit.KeysChanged)
	if len(made) != 1 || !strings.Contains(made[0]["cause"], "current "+s.server.signer.KeyID()+" from ") {
		t.Fatalf("keys in the audit log after the first start: %v, want those that were made", made)
	}
	next, err := s.server.signer.Rotate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := s.trail(t, audit.KeysChanged)
	if len(got) != 2 || !strings.Contains(got[1]["cause"], next.ID) {
		t.Errorf("keys in the audit log after a rotation: %v, want %s named", got, next.ID)
	}
}
