//go:build linux

package chaos

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/authd/authd/internal/realtest"
)

// brokenConfigs are configurations that must change nothing.
var brokenConfigs = []string{
	"[server\n", "\n[server]\nlisten = 5\n", "\n[typo]\nx = 1\n", "\n[access]\nallow = \"user.email.endsWith(\"\n", "\n[[providers]]\nid = \"company\"\ntype = \"oidc\"\n",
}

// third is a provider that comes and goes.
const third = "third"

// F17: the configuration changes every second, by a new file, by writing into the old one and with SIGHUP. No check and
// no login fails, those that are open end, and a broken configuration changes nothing.
func TestConfigReloads(t *testing.T) {
	parallel(t)
	s := newStep(t, "F17", siteOptions{}, usual(of(3.0, 2.0)))
	usualTables := s.tables
	reloads, eachBroken := of(300, 8), of(10, 4)
	second := time.NewTicker(of(time.Second, 500*time.Millisecond))
	defer second.Stop()
	var slowest, slowestEvent time.Duration
	var open []answer
	broken := 0
	for n := range reloads {
		<-second.C
		if n%eachBroken == eachBroken-1 {
			slowestEvent = max(slowestEvent, s.reloadBroken(brokenConfigs[broken%len(brokenConfigs)]))
			broken++
			continue
		}
		login := s.away()
		s.change(n, usualTables)
		slowest = max(slowest, s.reload(n))
		open = append(open, login.back(t.Context()))
	}
	s.recover()
	pass(t, of(5*time.Second, time.Second))
	s.end()

	during := s.fault.logins[victim]
	cut := without(open, func(a answer) bool { return a.session != "" })
	s.none(fmt.Sprintf("failed logins of %d", during.count()), append(during.failures(), s.after.logins[victim].failures()...))
	s.none(fmt.Sprintf("logins that were open over a reload and did not end, of %d", len(open)), cut)
	s.within(fmt.Sprintf("each of %d reloads in force", reloads-broken), 2*time.Second, slowest, "the slowest")
	s.within(fmt.Sprintf("each of %d broken ones refused", broken), 2*time.Second, slowestEvent, "config_refused in the audit log; the old one stays")
	s.checksTold()
}

// change makes the configuration of round n: another title, at times another way to run a provider, or one provider
// more.
func (s *step) change(n int, tables string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.title = fmt.Sprintf("Round %d of many", n)
	s.tables = tables
	if n%3 == 1 {
		s.tables = strings.Replace(s.tables, "realm = \"staff\"", "realm = \"staff\"\nscopes = [\"openid\", \"profile\", \"email\"]", 1)
	}
	if n%4 == 2 {
		s.tables += fmt.Sprintf("[[providers]]\nid = %q\ntype = \"oidc\"\nissuer = %q\nclient_id = \"demo\"\nclient_secret = \"demo-secret\"\n",
			third, s.idps[bystander].Issuer())
	}
}

// reload puts the configuration in force in one of three ways, and returns after how long the login page shows it.
func (s *step) reload(n int) time.Duration {
	s.t.Helper()
	switch n % 3 {
	case 0:
		s.writeConfig()
	case 1:
		if err := os.WriteFile(s.configPath(), []byte(s.config()), 0o600); err != nil {
			s.t.Fatal(err)
		}
	case 2:
		s.writeConfig()
		s.hangUp()
	}
	return realtest.Await(s.t, 10*time.Millisecond, patience, s.title+" is in force", func() error { return s.shows(s.title) })
}

func (s *step) hangUp() {
	s.t.Helper()
	if err := s.Cmd.Process.Signal(syscall.SIGHUP); err != nil {
		s.t.Fatal(err)
	}
}

// reloadBroken appends to the configuration what spoils it, and returns after how long it was refused.
func (s *step) reloadBroken(spoilt string) time.Duration {
	s.t.Helper()
	before := s.events("config_refused")
	s.replaceConfig(s.config() + spoilt)
	took := realtest.Await(s.t, 10*time.Millisecond, patience, "a broken configuration is refused", func() error {
		if s.events("config_refused") == before {
			return realtest.ErrNotYet
		}
		return nil
	})
	if err := s.shows(s.title); err != nil {
		s.t.Errorf("with the broken configuration %q: %v", spoilt, err)
	}
	if err := s.readyz(); err != nil {
		s.t.Errorf("with the broken configuration %q: %v", spoilt, err)
	}
	return took
}

// shows looks for the title on the login page.
func (s *step) shows(title string) error {
	res, err := s.person.client.Get(s.url + "/auth/login")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || !strings.Contains(string(body), title)) {
		err = fmt.Errorf("the login page (%s) does not show %q", res.Status, title)
	}
	return err
}
