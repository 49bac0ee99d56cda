//go:build linux

package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/authd/authd/internal/identity"
	"github.com/authd/authd/internal/keys"
	"github.com/authd/authd/internal/realtest"
	"github.com/authd/authd/internal/session"
	"github.com/authd/authd/internal/store/file"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

// The two providers: each has a plugin and an identity provider of its own.
const (
	victim    = "company" // of type oidc: the faults befall this one
	bystander = "staff"   // of type keycloak: it must not notice
)

const secret = "chaos-session-secret-0123456789-abcdef"

// site is an authd as somebody runs it.
type site struct {
	*realtest.Process // the run of authd that is going on

	authd atomic.Int64 // its pid, for those who do not start and stop it

	t       testing.TB
	dir     string
	addr    string
	url     string
	idps    map[string]*devidp.Server // :: provider id → where its people are
	logFile *os.File

	over string // id of a session that has expired

	admin *http.Client
	web   *http.Transport // of all browsers and proxies

	mu     sync.Mutex
	tables string // of the configuration
	title  string // of the login page
}

// siteOptions say what is not as usual.
type siteOptions struct {
	tables   string // more providers
	required bool   // authd is not ready without both providers
	issuer   string // of the victim; "": an identity provider is started
	sessions int    // that are in the store at the start; 0: those of the load
}

// newSite prepares a site; start starts it. The ids are those of the sessions in its store.
func newSite(t testing.TB, opt siteOptions) (s *site, ids []string) {
	t.Helper()
	s = &site{t: t, dir: realtest.ShortDir(t), idps: map[string]*devidp.Server{}, title: "Sign in"}
	s.addr = realtest.FreeAddr(t)
	s.url = "http://" + s.addr
	s.web = &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 10 * time.Second}
	t.Cleanup(s.web.CloseIdleConnections)
	s.admin = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", s.path("admin.sock"))
	}}}
	t.Cleanup(s.admin.CloseIdleConnections)
	var err error
	if s.logFile, err = os.Create(s.path("log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.logFile.Close() })
	for _, sub := range []string{"plugins", "tmp"} {
		if err := os.Mkdir(s.path(sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.install("oidc", programs.Path(t, "plugins", pluginPrefix+"oidc"))
	s.install("keycloak", programs.Path(t, "plugins", pluginPrefix+"keycloak"))
	s.tables = s.providers(opt) + opt.tables
	s.writeConfig()
	s.over = s.expired()
	return s, s.fill(max(opt.sessions, sessionsOfLoad))
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// install puts a copy of a file into the plugins directory: another one may take its place later.
func (s *site) install(name, from string) {
	s.t.Helper()
	body, err := os.ReadFile(from)
	if err != nil {
		s.t.Fatal(err)
	}
	s.installBytes(name, body)
}

// installBytes replaces a plugin as package managers do: the new file is complete when it gets the name.
func (s *site) installBytes(name string, body []byte) {
	s.t.Helper()
	next := s.path("next-plugin")
	if err := os.WriteFile(next, body, 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(s.path("plugins"), pluginPrefix+name)); err != nil {
		s.t.Fatal(err)
	}
}

// providers are the tables of the two, each with an identity provider.
func (s *site) providers(opt siteOptions) string {
	if opt.issuer == "" {
		s.idps[victim] = providertest.StartIDP(s.t, devidp.Options{})
		opt.issuer = s.idps[victim].Issuer()
	}
	s.idps[bystander] = providertest.StartIDP(s.t, devidp.Options{})
	return fmt.Sprintf(`
[[providers]]
id = %[1]q
type = "oidc"
issuer = %[2]q
client_id = "demo"
client_secret = "demo-secret"
required = %[5]v
[[providers]]
id = %[3]q
type = "keycloak"
base_url = %[4]q
realm = "staff"
client_id = "demo"
client_secret = "demo-secret"
required = %[5]v
`, victim, opt.issuer, bystander, s.idps[bystander].URL(), opt.required)
}

// config is the whole configuration.
func (s *site) config() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf(`[server]
listen = %q
public_url = %q
admin_listen = "unix:%s"
plugins_dir = %q
trusted_proxies = ["127.0.0.1"] # or all logins would count as those of one impatient person
[store]
url = "file:%s"
[session]
secret = %q
[log]
format = "json"
[login]
title = %q
%s`, s.addr, s.url, s.path("admin.sock"), s.path("plugins"), s.path("authd.db"), secret, s.title, s.tables)
}

func (s *site) configPath() string { return s.path("authd.toml") }

// writeConfig replaces the configuration file with one rename, as editors do.
func (s *site) writeConfig() {
	s.t.Helper()
	s.replaceConfig(s.config())
}

func (s *site) replaceConfig(text string) {
	s.t.Helper()
	next := s.path("next.toml")
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(next, s.configPath()); err != nil {
		s.t.Fatal(err)
	}
}

// fill puts sessions into the store of an authd that does not run, many at a time since each waits for the disk.
func (s *site) fill(n int) []string {
	s.t.Helper()
	ids := make([]string, n)
	s.manage(24*time.Hour, func(m *session.Manager) {
		const atOnce = 200
		var wg sync.WaitGroup
		for start := range min(atOnce, n) {
			wg.Go(func() {
				for i := start; i < n; i += atOnce {
					ids[i] = s.create(m)
				}
			})
		}
		wg.Wait()
	})
	return ids
}

// expired puts a session into the store that is over as soon as anybody looks at it.
func (s *site) expired() (id string) {
	s.t.Helper()
	s.manage(time.Millisecond, func(m *session.Manager) { id = s.create(m) })
	return id
}

func (s *site) manage(lifetime time.Duration, f func(*session.Manager)) {
	s.t.Helper()
	st, err := file.Open(s.path("authd.db"), file.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	ring, err := keys.NewRing([]byte(secret))
	if err != nil {
		s.t.Fatal(err)
	}
	m := session.New(session.Config{Store: st, Ring: ring, Lifetime: lifetime, IdleTimeout: 24 * time.Hour})
	f(m)
	m.Close()
	if err := st.Close(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) create(m *session.Manager) string {
	id, _, err := m.Create(context.Background(), session.Login{
		User: &identity.User{
			Subject: "abcdefghijklmnopqrstuvwxyz", Identifier: "ada", PreferredUsername: "ada", Name: "Ada Quillfeather", Email: "ada@example.org",
			EmailVerified: true, Groups: []string{"admins", "staff"}, Provider: bystander, Claims: json.RawMessage(`{"sub":"dev-ada"}`),
		},
		Address: "192.0.2.17", Browser: "Firefox on Linux",
	})
	if err != nil {
		s.t.Error(err)
	}
	return id
}

// serve starts authd and returns how long it took to be ready.
func (s *site) serve() time.Duration {
	s.t.Helper()
	cmd := exec.Command(programs.Path(s.t, "authd"), "serve", "--config", s.configPath())
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TMPDIR=" + s.path("tmp")}
	cmd.Stdout, cmd.Stderr = s.logFile, s.logFile
	began := time.Now()
	var err error
	if s.Process, err = realtest.Launch(cmd); err != nil { // end ends it
		s.t.Fatal(err)
	}
	s.authd.Store(int64(s.PID()))
	if _, err := s.Ready(5*time.Millisecond, patience, s.readyz); err != nil {
		s.t.Fatal(err)
	}
	return time.Since(began)
}

// readyz asks authd whether it is ready.
func (s *site) readyz() error { return realtest.Answers(s.url + "/readyz")() }

// end stops authd as a service manager does. It must obey, and leave nothing behind.
func (s *site) end() {
	s.t.Helper()
	if s.Process == nil {
		return
	}
	plugins := s.Children()
	if code, err := s.Stop(syscall.SIGTERM, patience); code != 0 || err != nil {
		s.t.Errorf("authd ended with %v, %v; want exit code 0", s.Cmd.ProcessState, err)
	}
	for _, c := range plugins {
		if c.Runs() {
			s.t.Errorf("%s with pid %d outlives authd", c.Name, c.PID)
		}
	}
	if strings.Contains(s.log(), secret) || strings.Contains(s.log(), "demo-secret") {
		s.t.Error("the log holds a secret")
	}
	if s.t.Failed() {
		s.t.Logf("log of authd:\n%s", realtest.Tail(s.log()))
	}
}

func (s *site) log() string {
	text, err := os.ReadFile(s.logFile.Name())
	if err != nil {
		s.t.Error(err)
	}
	return string(text)
}

// events counts the lines of the audit log with this message.
func (s *site) events(message string) int { return strings.Count(s.log(), `"@message":"`+message+`"`) }

// provider is what the admin listener says of one.
type provider struct {
	ID, State, Problem, Version string
	PID, Restarts               int
	InFlight                    int `json:"in_flight"`
}

// provider asks the admin listener.
func (s *site) provider(id string) (provider, error) {
	res, err := s.admin.Get("http://admin/admin/providers")
	if err != nil {
		return provider{}, err
	}
	defer res.Body.Close()
	var list []provider
	if err := json.NewDecoder(res.Body).Decode(&list); err != nil {
		return provider{}, err
	}
	for _, p := range list {
		if p.ID == id {
			return p, nil
		}
	}
	return provider{}, fmt.Errorf("no provider %s in %v", id, list)
}

// awaitProvider waits until it is as asked for, and returns how long that took.
func (s *site) awaitProvider(id, what string, limit time.Duration, is func(provider) bool) time.Duration {
	s.t.Helper()
	return realtest.Await(s.t, 10*time.Millisecond, limit, id+" "+what, func() error {
		p, err := s.provider(id)
		if err == nil && !is(p) {
			err = fmt.Errorf("it is %+v", p)
		}
		return err
	})
}

func isReady(p provider) bool { return p.State == "ready" }

// plugin is the process of a provider that is ready.
func (s *site) plugin(id string) realtest.Child {
	s.t.Helper()
	var found realtest.Child
	realtest.Await(s.t, 10*time.Millisecond, patience, "plugin of "+id, func() error {
		p, err := s.provider(id)
		if err != nil || !isReady(p) {
			return fmt.Errorf("%+v %w", p, errOr(err))
		}
		for _, c := range s.Children() {
			if c.PID == p.PID {
				found = c
				return nil
			}
		}
		return realtest.ErrNotYet
	})
	return found
}

func errOr(err error) error {
	if err == nil {
		return realtest.ErrNotYet
	}
	return err
}
