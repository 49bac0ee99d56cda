package host

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authd/authd/internal/identity"
	"github.com/authd/authd/internal/keys"
	"github.com/authd/authd/internal/session"
	"github.com/authd/authd/internal/store"
)

// canary is a set of checks that must never be allowed, whatever else a test does to its site. It is asked when the
// site begins and when it ends, at every address at which a proxy can ask.
type canary struct {
	site *site
	// live is the id of a session that is there. With it, and it alone, a check is allowed: a canary that can't sing
	// proves nothing.
	live    string
	cookies map[string]string // :: what it is → the Cookie field
}

// newCanary makes sessions of somebody whom the tests do not know.
func newCanary(t testing.TB, s *site) *canary {
	t.Helper()
	who := &identity.User{Subject: strings.Repeat("c", 26), Identifier: "canary", Provider: "idp"}
	begin := func() string {
		id, _, err := s.server.sessions.Create(context.Background(), session.Login{User: who})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	live, ended := begin(), begin()
	gone, _, err := s.server.sessions.End(context.Background(), ended)
	if err != nil {
		t.Fatal(err)
	}
	name := s.server.cookieName + "="
	other := map[byte]string{'A': "B"}[live[0]]
	if other == "" {
		other = "A"
	}
	return &canary{s, live, map[string]string{
		"none":                 "",
		"empty":                name,
		"garbage":              name + "%00%zz\"\t",
		"never made":           name + keys.RandomID(),
		"ended":                name + ended,
		"the handle":           name + gone.Handle,
		"first letter changed": name + other + live[1:],
		"cut":                  name + live[:len(live)-1],
		"longer":               name + live + "A",
		"in capitals":          name + strings.ToUpper(live),
		"twice":                name + live + "; " + name + live,
		"beside garbage":       name + live + "; " + name + "x",
		"behind garbage":       name + "x; " + name + live,
		"under another name":   "x" + name + live,
		"in capitals, name":    strings.ToUpper(name) + live,
	}}
}

// mustDeny asks all of it. Each answer is a refusal and names nobody.
func (c *canary) mustDeny(t testing.TB, when string) {
	t.Helper()
	ask := request{"GET", "wiki.example.com", "/", nil}
	for where, at := range everyRoute {
		for what, cookie := range c.cookies {
			ask.headers = []string{"Cookie", cookie}
			got := c.site.ask(&http.Client{}, at.via, ask)
			if got.StatusCode < 300 {
				t.Errorf("%s: %s lets the cookie %q pass with %d", when, where, what, got.StatusCode)
			}
			for name, values := range got.Header {
				if (strings.HasPrefix(name, "X-Auth-Request-") || strings.HasPrefix(name, "Remote-") || name == "Gap-Auth") && values[0] != "" {
					t.Errorf("%s: %s names somebody for the cookie %q: %s: %s", when, where, what, name, values)
				}
			}
		}
	}
}

func (c *canary) mustAllow(t testing.TB, when string) {
	t.Helper()
	for where, at := range everyRoute {
		got := c.site.ask(&http.Client{}, at.via, request{"GET", "wiki.example.com", "/", []string{"Cookie", c.site.server.cookieName + "=" + c.live}})
		if got.StatusCode != at.allowed {
			t.Errorf("%s: %s answers the live session with %d", when, where, got.StatusCode)
		}
		wantIdentity(t, when+" "+where, got, "canary")
	}
}

// guarded lets a canary sing at the beginning and at the end of a site.
func (s *site) guarded(t testing.TB) *canary {
	t.Helper()
	c := newCanary(t, s)
	c.mustAllow(t, "at the beginning")
	c.mustDeny(t, "at the beginning")
	t.Cleanup(func() { c.mustDeny(t, "at the end") })
	return c
}

// brokenStore does to reads what a test says.
type brokenStore struct {
	store.Store
	get func(key string, item store.Item, err error) (store.Item, error)
}

func (b brokenStore) Get(ctx context.Context, key string) (store.Item, error) {
	item, err := b.Store.Get(ctx, key)
	return b.get(key, item, err)
}

// Threat 85, 106, 144, 160: whatever happens to the store, a check that has to read it lets nobody pass; nor is
// anybody sent round to the login.
func TestNoStoreFaultLetsAnybodyPass(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]struct {
		get  func(string, store.Item, error) (store.Item, error)
		want int
	}{
		"unavailable": {func(string, store.Item, error) (store.Item, error) { return store.Item{}, store.ErrUnavailable }, 503},
		"too slow":    {func(string, store.Item, error) (store.Item, error) { return store.Item{}, context.DeadlineExceeded }, 503},
		"empty":       {func(_ string, item store.Item, err error) (store.Item, error) { item.Value = nil; return item, nil }, 503},
		"not JSON": {func(_ string, item store.Item, _ error) (store.Item, error) {
			item.Value = []byte("\x00\xff")
			return item, nil
		}, 503},
		"null": {func(_ string, item store.Item, _ error) (store.Item, error) {
			item.Value = []byte("null")
			return item, nil
		}, 503},
		"another record": {func(_ string, item store.Item, _ error) (store.Item, error) {
			item.Value = []byte(`{"v":1,"keys":[]}`)
			return item, nil
		}, 503},
		"cut": {func(_ string, item store.Item, err error) (store.Item, error) {
			item.Value = item.Value[:len(item.Value)/2]
			return item, nil
		}, 503},
		"panics": {func(string, store.Item, error) (store.Item, error) { panic("the store's secret cause") }, 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var (
				plain store.Store
				on    atomic.Bool
			)
			s := appSite(t, siteOptions{mute: true, before: func(s *Server) {
				plain = s.sessions.Store
				s.sessions.Store = brokenStore{plain, func(key string, item store.Item, err error) (store.Item, error) {
					if !on.Load() {
						return item, err
					}
					return fault.get(key, item, err)
				}}
			}})
			c := newCanary(t, s)
			c.mustDeny(t, "before")
			on.Store(true)
			unread := newSessionID(t, s, plain)
			for where, at := range everyRoute {
				for _, accept := range [][]string{pageLoad, fetch} {
					got := s.ask(&http.Client{}, at.via, request{"GET", "wiki.example.com", "/", append([]string{"Cookie", "authd=" + unread}, accept...)})
					if got.StatusCode != fault.want || got.Header.Get("Location") != "" || strings.Contains(got.body, "secret cause") {
						t.Errorf("%s: %d to %q, want %d\n%s", where, got.StatusCode, got.Header.Get("Location"), fault.want, got.body)
					}
					if fault.want == 503 {
						wantIdentity(t, where, got, "")
					}
				}
			}
			c.mustDeny(t, "while it is broken")
			on.Store(false)
			c.mustDeny(t, "after it")
			c.mustAllow(t, "after it")
		})
	}
}

// newSessionID is the id of a session that no cache holds: its record is in the store alone.
func newSessionID(t *testing.T, s *site, st store.Store) string {
	t.Helper()
	m := session.New(session.Config{Store: st, Ring: s.server.ring, Lifetime: time.Hour, IdleTimeout: time.Hour})
	t.Cleanup(m.Close)
	id, _, err := m.Create(t.Context(), session.Login{User: &identity.User{Subject: strings.Repeat("d", 26), Identifier: "unread", Provider: "idp"}})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// Threat 85, 144: the store itself is closed under a running server.
func TestClosedStoreLetsNobodyPass(t *testing.T) {
	t.Parallel()
	s := appSite(t, siteOptions{mute: true, store: "file:" + filepath.Join(t.TempDir(), "authd.db")})
	c := newCanary(t, s)
	c.mustAllow(t, "before")
	closer, ok := s.server.store.(interface{ Close() error })
	if !ok {
		t.Fatalf("a %T can't be closed", s.server.store)
	}
	if err := closer.Close(); err != nil {
		t.Fatal(err)
	}
	c.mustDeny(t, "without its store")
	for where, at := range everyRoute {
		got := s.ask(&http.Client{}, at.via, request{"GET", "wiki.example.com", "/", append([]string{"Cookie", "authd=" + keys.RandomID()}, pageLoad...)})
		if got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Location") != "" {
			t.Errorf("%s: %d to %q", where, got.StatusCode, got.Header.Get("Location"))
		}
		wantIdentity(t, where, got, "")
	}
}

// Threat 59, 85, 150: a clock that jumps, either way and far, wakes no session up that has ended, and ends those whose
// time it passes.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	var time clock
	s := appSite(t, siteOptions{before: time.runBy(t), session: "lifetime = \"720h\"\nidle_timeout = \"168h\"\n", mute: true})
	c := newCanary(t, s)
	const hour = 3600e9
	for _, jump := range []int64{1, -1, 24 * 365 * 20, -24 * 365 * 20, -24 * 365 * 50} {
		time.off.Store(jump * hour)
		c.mustDeny(t, "after a jump")
	}
	time.off.Store(0)
	c.mustAllow(t, "as it was")
	live := func() int {
		return s.ask(&http.Client{}, viaNginx("/auth/check"), request{"GET", "wiki.example.com", "/", []string{"Cookie", "authd=" + c.live}}).StatusCode
	}
	idle := newCanary(t, s)
	for at := int64(100); at < 720; at += 100 { // used, it lives on until its absolute end
		time.off.Store(at * hour)
		if got := live(); got != http.StatusOK {
			t.Errorf("after %d hours: %d", at, got)
		}
	}
	time.off.Store(720 * hour)
	if got := live(); got != http.StatusUnauthorized {
		t.Errorf("at its absolute end: %d", got)
	}
	c.live = idle.live
	if got := live(); got != http.StatusUnauthorized {
		t.Errorf("idle for 720 hours: %d", got)
	}
	c.mustDeny(t, "at the end")
}
