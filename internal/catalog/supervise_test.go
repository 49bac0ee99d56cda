package catalog

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/authd/authd/sdk"
)

// Threat 134: a plugin that dies is started again; others do not notice.
func TestCrashIsRestarted(t *testing.T) {
	buffer, log := newLog()
	crashing := testProvider(t, "p")
	crashing.Settings["count"] = filepath.Join(t.TempDir(), "count")
	c := catalogOf(t, Config{Providers: []ProviderConfig{crashing, testProvider(t, "q")}, Log: log})
	p, q := ready(t, c, "p"), ready(t, c, "q")
	other := q.Status().PID
	for restarts := range 3 {
		if got := p.Status().Restarts; got != restarts {
			t.Errorf("restarts = %d, want %d", got, restarts)
		}
		old := p.Status().PID
		_, _, err := p.GetToken(background(t), sdk.CodeExchange{Code: "crash"})
		wantKind(t, err, KindUnavailable)
		replaced(t, p, old)
	}
	if got := q.Status(); got.PID != other || got.Restarts != 0 {
		t.Errorf("the other provider's status = %+v", got)
	}
	buffer.await(t, "exited with status 7; last lines: crashing as told")
}

// Threat 134: a panic in a goroutine of the plugin takes the process, one in a method only the call; both are told,
// without the secret in them.
func TestPanics(t *testing.T) {
	buffer, log := newLog()
	pc := testProvider(t, "p", "client_secret", "hunter2hunter2")
	pc.Secrets = []string{"hunter2hunter2"}
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, Log: log})
	p := ready(t, c, "p")
	old := p.Status().PID
	_, err := p.GetUserInfo(background(t), &sdk.Token{AccessToken: "panic hunter2hunter2"})
	wantKind(t, err, KindFault)
	if got := p.Status().PID; got != old {
		t.Error("a panic in a method cost the process")
	}
	_, err = p.RefreshToken(background(t), &sdk.Token{RefreshToken: "panic-outside"})
	wantKind(t, err, KindUnavailable)
	replaced(t, p, old)
	buffer.await(t, `panic: as told, with client_secret=***`)
	if text := buffer.String(); strings.Contains(text, "hunter2") {
		t.Errorf("the log shows the secret:\n%s", text)
	}
}

// Threat 49: while the identity provider is down the same process tries again, until it is there; others serve.
func TestIdentityProviderComesLater(t *testing.T) {
	gate := filepath.Join(t.TempDir(), "gate")
	pc := testProvider(t, "p", "gate", gate)
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc, testProvider(t, "q")}, MaxRestartBackoff: 10 * time.Millisecond})
	ready(t, c, "q")
	p := provider(t, c, "p")
	waiting := until(t, p, "waiting", func(s Status) bool { return s.State == StateBackoff })
	const want = "provider p: its identity provider can't be used yet: upstream: discovery: connection refused; trying again"
	if waiting.Problem != want || waiting.PID == 0 {
		t.Errorf("status = %+v, want the problem %q and a process", waiting, want)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ready(t, c, "p")
	if got := p.Status(); got.PID != waiting.PID || got.Restarts != 0 || got.Problem != "" {
		t.Errorf("status = %+v, want the same process (%d), no restart and no problem", got, waiting.PID)
	}
}

// Threat 49: so it is when the identity provider is there but does not answer in time.
func TestIdentityProviderIsSlow(t *testing.T) {
	gate := filepath.Join(t.TempDir(), "gate")
	span := quick()
	span.configure = 700 * time.Millisecond
	pc := testProvider(t, "p", "gate", gate, "new", "slow")
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, MaxRestartBackoff: 10 * time.Millisecond, timing: span})
	p := provider(t, c, "p")
	waiting := until(t, p, "waiting", func(s Status) bool { return s.State == StateBackoff })
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, p, "ready", func(s Status) bool { return s.State == StateReady })
	if got := p.Status(); got.PID != waiting.PID || waiting.PID == 0 {
		t.Errorf("status = %+v, then %+v; want the same process", waiting, got)
	}
}

// Stop does not wait for an identity provider either.
func TestStopWhileIdentityProviderIsDown(t *testing.T) {
	pc := testProvider(t, "p", "gate", filepath.Join(t.TempDir(), "gate"))
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, RestartBackoff: time.Hour, MaxRestartBackoff: time.Hour})
	p := provider(t, c, "p")
	until(t, p, "waiting", func(s Status) bool { return s.State == StateBackoff })
	if err := c.Stop(context.Background()); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if got := p.Status(); got.State != StateStopped || got.PID != 0 || got.Problem != "" {
		t.Errorf("status = %+v", got)
	}
}

// A caller is not made to wait for an identity provider that is tried again only much later.
func TestCallWhileIdentityProviderIsDown(t *testing.T) {
	pc := testProvider(t, "p", "gate", filepath.Join(t.TempDir(), "gate"))
	span := quick()
	span.wait = time.Nanosecond
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, RestartBackoff: time.Hour, MaxRestartBackoff: time.Hour, timing: span})
	p := provider(t, c, "p")
	until(t, p, "waiting", func(s Status) bool { return s.State == StateBackoff })
	_, err := p.AuthorizeParams(background(t), sdk.AuthorizeRequest{})
	wantKind(t, err, KindUnavailable)
	if p.Ready() {
		t.Error("Ready is true")
	}
}

// Settings that are wrong are said once, with the names to set; there is nothing to restart.
func TestMisconfigured(t *testing.T) {
	for _, test := range []struct {
		name     string
		settings []string
		typ      string
		want     string
	}{
		{"a setting is missing", []string{"client_id", ""}, "test", "provider p: client_id is not set; set it, or OAUTH_TEST_CLIENT_ID in the environment"},
		{"an unknown setting", []string{"clientid", "x"}, "test", "provider p: clientid is not a setting of type test; remove it; the settings are"},
		{"found by the provider", []string{"new", "config"}, "test", "provider p: issuer serves no discovery document"},
		{"another type", nil, "github", "serves no type github; it serves test"},
	} {
		t.Run(test.name, func(t *testing.T) {
			pc := testProvider(t, "p", test.settings...)
			pc.Type = test.typ
			c := catalogOf(t, Config{Providers: []ProviderConfig{pc}})
			p := provider(t, c, "p")
			fails(t, "WaitReady", p.WaitReady(background(t)), test.want)
			if got := p.Status(); got.State != StateMisconfigured || got.Restarts != 0 || got.PID != 0 {
				t.Errorf("status = %+v", got)
			}
			_, err := p.GetUserInfo(background(t), &sdk.Token{AccessToken: "x"})
			wantKind(t, err, KindConfig)
		})
	}
}

// A provider that can't be started says why, and the others do not care.
func TestHopeless(t *testing.T) {
	refused := testProvider(t, "refused")
	chmodDir(0o777)(t, filepath.Dir(refused.Plugin.Path), "")
	refused.Plugin = At(refused.Plugin.Path, false)
	faulty := testProvider(t, "faulty")
	faulty.Problem = "client_secret_file can't be read; make it readable"
	var mu sync.Mutex
	told := map[string]State{}
	c := catalogOf(t, Config{
		Providers: []ProviderConfig{refused, faulty, {ID: "missing", Type: "acme", Required: true}, testProvider(t, "fine")},
		Event: func(e Event) {
			mu.Lock()
			defer mu.Unlock()
			told[e.Provider] = e.Status.State
		},
	})
	for id, want := range map[string]struct {
		state   State
		problem string
		kind    Kind
	}{
		"refused": {StateRefused, "may be written by others", KindUnavailable},
		"faulty":  {StateMisconfigured, "provider faulty: client_secret_file can't be read; make it readable", KindConfig},
		"missing": {StateRefused, "provider missing: no plugin serves type acme; put authd-provider-acme into a plugins directory", KindUnavailable},
	} {
		p := provider(t, c, id)
		fails(t, "WaitReady of "+id, p.WaitReady(background(t)), want.problem)
		if got := p.Status(); got.State != want.state {
			t.Errorf("status of %s = %+v", id, got)
		}
		_, err := p.AuthorizeParams(background(t), sdk.AuthorizeRequest{})
		wantKind(t, err, want.kind)
		mu.Lock()
		if told[id] != want.state {
			t.Errorf("the event of %s tells %s, want %s", id, told[id], want.state)
		}
		mu.Unlock()
	}
	ready(t, c, "fine")
	if p := provider(t, c, "missing"); !p.Required() || p.Ready() || p.Type() != "acme" {
		t.Errorf("missing: Required %v, Ready %v, Type %s", p.Required(), p.Ready(), p.Type())
	}
}

// A plugin that can't serve what it says is started again, later and later.
func TestUnusableConfiguration(t *testing.T) {
	for _, test := range []struct{ name, setting, value, want string }{
		{"plain http", "endpoint", "http://idp.example/authorize", "can't be used: authorization endpoint is plain http; use https, or set insecure_http"},
		{"no endpoint", "endpoint", "none", "can't be used: authorization endpoint is not an absolute http or https URL"},
		{"issuer with a query", "issuer", "https://idp.example/?tenant=1", "can't be used: issuer holds a query"},
		{"broken", "new", "broken", "Configure: plugin: nil map"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p", test.setting, test.value)}, RestartBackoff: time.Hour})
			got := until(t, provider(t, c, "p"), "in backoff", func(s Status) bool { return s.State == StateBackoff })
			if !strings.Contains(got.Problem, test.want) {
				t.Errorf("problem = %q, want it to hold %q", got.Problem, test.want)
			}
		})
	}
}

// The events tell the whole life of a provider in order.
func TestEvents(t *testing.T) {
	var mu sync.Mutex
	var got []string
	pc := testProvider(t, "p")
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, Event: func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Provider != "p" || e.Plugin != pc.Plugin.Path {
			t.Errorf("event = %+v", e)
		}
		got = append(got, fmt.Sprint(e.Status.State, " ", e.Status.Restarts))
	}})
	p := ready(t, c, "p")
	old := p.Status().PID
	p.process.Load().kill()
	replaced(t, p, old)
	if err := c.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	want := []string{"starting 0", "ready 0", "backoff 0", "starting 1", "ready 1", "stopped 1"}
	if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestDelay(t *testing.T) {
	p := newProvider(ProviderConfig{}, &launcher{timing: defaults()}, nil, hclog.NewNullLogger(), func(Event) {})
	if got := p.delay(0); got != 0 {
		t.Errorf("delay before the first restart = %v, want none", got)
	}
	for failures := 1; failures < 100; failures++ {
		limit := 30 * time.Second
		if failures < 9 {
			limit = 100 * time.Millisecond << (failures - 1)
		}
		longest := time.Duration(0)
		for range 200 {
			got := p.delay(failures)
			longest = max(longest, got)
			if got < 0 || got >= limit {
				t.Fatalf("delay(%d) = %v, want less than %v", failures, got, limit)
			}
		}
		if longest < limit/4 {
			t.Errorf("delay(%d) is at most %v in 200, want up to %v", failures, longest, limit)
		}
	}
}

// After a while of being well, the back-off begins anew.
func TestBackoffIsForgotten(t *testing.T) {
	span := quick()
	span.reset = time.Nanosecond
	c := catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p")}, RestartBackoff: 24 * time.Hour, MaxRestartBackoff: 24 * time.Hour, timing: span})
	p := ready(t, c, "p")
	for range 3 { // each restart is the first, and so immediate
		old := p.Status().PID
		p.process.Load().kill()
		replaced(t, p, old)
	}
}

func TestNewRefusesDoubleIDs(t *testing.T) {
	for _, ids := range [][]string{{"a", "a"}, {""}} {
		var providers []ProviderConfig
		for _, id := range ids {
			providers = append(providers, ProviderConfig{ID: id})
		}
		_, err := New(Config{Providers: providers})
		fails(t, "New", err, "the id is empty or taken")
	}
}

func TestProviders(t *testing.T) {
	c, err := New(Config{Providers: []ProviderConfig{{ID: "b"}, {ID: "a"}, {ID: "c"}}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range c.Providers() {
		got = append(got, p.ID())
	}
	if diff := cmp.Diff([]string{"b", "a", "c"}, got); diff != "" {
		t.Errorf("Providers (-want +got):\n%s", diff)
	}
	_, err = c.Provider("d\n")
	fails(t, "Provider", err, `provider d\n: no such provider`)
	if err := c.Stop(context.Background()); err != nil {
		t.Errorf("Stop before Start: %v", err)
	}
	c.Start(context.Background())
	fails(t, "WaitReady after Stop", provider(t, c, "a").WaitReady(background(t)), "stopped")
}

// The context of Start ends the processes too.
func TestStartContext(t *testing.T) {
	c, err := New(Config{Providers: []ProviderConfig{testProvider(t, "p")}, timing: quick()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Stop(context.Background()) }()
	ctx, cancel := context.WithCancel(context.Background())
	c.Start(ctx)
	p := ready(t, c, "p")
	cancel()
	until(t, p, "stopped", func(s Status) bool { return s.State == StateStopped })
}
