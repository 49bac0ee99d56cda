package catalog

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
)

// script writes a plugin that becomes another test plugin, in place of the one that may be there, as an operator
// would: by rename. Each version has other bytes.
func script(t *testing.T, path, becomes, version string) Plugin {
	t.Helper()
	real := filepath.Join(filepath.Dir(path), "real", namePrefix+becomes)
	if err := os.MkdirAll(filepath.Dir(real), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(real); err != nil {
		install(t, filepath.Dir(real), filepath.Base(real))
	}
	text := "#!/bin/sh\n# version " + version + "\nexec \"" + real + "\" \"$@\"\n"
	if err := os.WriteFile(path+".new", []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return At(path, false)
}

// scripted is a provider of such a plugin.
func scripted(t *testing.T, id string, settings ...string) ProviderConfig {
	t.Helper()
	pc := ProviderConfig{
		ID: id, Type: "test", Settings: map[string]string{"client_id": "app"}, Env: map[string]string{"GORACE": "atexit_sleep_ms=0"},
		Plugin: script(t, filepath.Join(pluginDir(t), namePrefix+"x"), "well", "1"),
	}
	for i := 0; i < len(settings); i += 2 {
		pc.Settings[settings[i]] = settings[i+1]
	}
	return pc
}

// with is the configuration with another setting.
func (c ProviderConfig) with(name, value string) ProviderConfig {
	settings := map[string]string{name: value}
	for name, value := range c.Settings {
		if _, there := settings[name]; !there {
			settings[name] = value
		}
	}
	c.Settings = settings
	return c
}

// apply applies and compares what that changes.
func apply(t *testing.T, c *Catalog, want Changes, providers ...ProviderConfig) {
	t.Helper()
	got, err := c.Apply(providers)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Apply changes (-want +got):\n%s", diff)
	}
}

func ids(c *Catalog) (all []string) {
	for _, p := range c.Providers() {
		all = append(all, p.ID())
	}
	return all
}

// Threat 141, F17: a provider comes, one goes, and the one that stays is not touched.
func TestApply(t *testing.T) {
	a, b, d := testProvider(t, "a"), testProvider(t, "b"), testProvider(t, "d")
	c := catalogOf(t, Config{Providers: []ProviderConfig{a, b}})
	oldA, oldB := ready(t, c, "a"), ready(t, c, "b")
	pidA, pidB := oldA.Status().PID, oldB.Status().PID

	again := b.with("client_id", "app") // equal, not the same map
	again.Required = true
	apply(t, c, Changes{Added: []string{"d"}, Removed: []string{"a"}}, d, again)
	if diff := cmp.Diff([]string{"d", "b"}, ids(c)); diff != "" {
		t.Errorf("Providers (-want +got):\n%s", diff)
	}
	ready(t, c, "d")
	if got := ready(t, c, "b"); got != oldB || got.Status().PID != pidB || got.Status().Swaps != 0 || !got.Required() {
		t.Errorf("the provider that stayed is %+v, was process %d", got.Status(), pidB)
	}
	if _, err := c.Provider("a"); !errors.Is(err, ErrUnknownProvider) {
		t.Errorf("Provider of a removed id: %v", err)
	}
	_, err := oldA.AuthorizeParams(background(t), sdk.AuthorizeRequest{})
	if wantKind(t, err, KindUnavailable); !errors.Is(err, ErrStopped) {
		t.Errorf("a call to a removed provider: %v, want ErrStopped", err)
	}
	until(t, oldA, "stopped", func(s Status) bool { return s.State == StateStopped })
	gone(t, pidA)

	apply(t, c, Changes{Added: []string{"a"}}, d, b, a)
	if got := ready(t, c, "a"); got == oldA {
		t.Error("a provider that was removed came back to life")
	}
	apply(t, c, Changes{}, d, b, a)
}

func TestApplyRefusesDoubleIDs(t *testing.T) {
	a := testProvider(t, "a")
	c := catalogOf(t, Config{Providers: []ProviderConfig{a}})
	pid := ready(t, c, "a").Status().PID
	for _, bad := range [][]ProviderConfig{{a, a}, {{}}, {testProvider(t, "b"), {}}} {
		changes, err := c.Apply(bad)
		fails(t, "Apply", err, "the id is empty or taken")
		if !changes.Empty() {
			t.Errorf("changes = %+v", changes)
		}
	}
	if got := ready(t, c, "a").Status(); got.PID != pid || len(c.Providers()) != 1 {
		t.Errorf("after a refused Apply: %+v, %v", got, ids(c))
	}
}

func TestApplyBeforeStartAndAfterStop(t *testing.T) {
	c, err := New(Config{Providers: []ProviderConfig{testProvider(t, "a")}, timing: quick()})
	if err != nil {
		t.Fatal(err)
	}
	a := provider(t, c, "a")
	b := testProvider(t, "b")
	apply(t, c, Changes{Added: []string{"b"}, Removed: []string{"a"}}, b)
	if got := provider(t, c, "b").Status(); got.State != StateStopped || got.PID != 0 {
		t.Errorf("before Start: %+v", got)
	}
	apply(t, c, Changes{Changed: []string{"b"}}, b.with("issuer", "https://other.example"))
	c.Start(context.Background())
	known, _ := ready(t, c, "b").Configured()
	if known.Issuer != "https://other.example" {
		t.Errorf("configured = %+v, want the latest settings", known)
	}
	if err := c.Stop(context.Background()); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if got := a.Status(); got.State != StateStopped {
		t.Errorf("the removed one: %+v", got)
	}
	if _, err := c.Apply(nil); !errors.Is(err, ErrStopped) {
		t.Errorf("Apply after Stop: %v", err)
	}
}

// Whatever a process was configured with makes for another process when it changes, and the *Provider stays.
func TestApplyChanged(t *testing.T) {
	for name, change := range map[string]func(*ProviderConfig){
		"settings": func(c *ProviderConfig) { *c = c.with("issuer", "https://other.example") },
		"secrets":  func(c *ProviderConfig) { c.Secrets = []string{"hunter2hunter2"} },
		"scopes":   func(c *ProviderConfig) { c.Scopes = []string{"email"} },
		"certificates": func(c *ProviderConfig) {
			c.CAPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate()})
		},
		"environment":   func(c *ProviderConfig) { c.Env = map[string]string{"TZ": "UTC"} },
		"insecure http": func(c *ProviderConfig) { c.InsecureHTTP = true },
		"plugin path": func(c *ProviderConfig) {
			c.Plugin = script(t, filepath.Join(pluginDir(t), namePrefix+"y"), "well", "1")
		},
		"plugin bytes": func(c *ProviderConfig) { c.Plugin = script(t, c.Plugin.Path, "well", "2") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pc := scripted(t, "p")
			c := catalogOf(t, Config{Providers: []ProviderConfig{pc}})
			p := ready(t, c, "p")
			old := p.Status().PID
			change(&pc)
			apply(t, c, Changes{Changed: []string{"p"}}, pc)
			got := replaced(t, p, old)
			if got.Swaps != 1 || got.Restarts != 0 || got.CandidateProblem != "" {
				t.Errorf("status = %+v, want one swap", got)
			}
			gone(t, old)
			if p != provider(t, c, "p") {
				t.Error("the *Provider is another")
			}
			if diff := cmp.Diff(pc.Settings, p.Config().Settings); diff != "" {
				t.Errorf("Config (-want +got):\n%s", diff)
			}
		})
	}
}

// A file that was only touched, or written anew with the same bytes, is no reason to swap.
func TestApplySameBytes(t *testing.T) {
	span := quick()
	span.digest = time.Nanosecond
	pc := scripted(t, "p")
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, timing: span})
	p := ready(t, c, "p")
	before := until(t, p, "hashed", func(s Status) bool { return s.SHA256 != "" })
	pc.Plugin = script(t, pc.Plugin.Path, "well", "1")
	apply(t, c, Changes{}, pc)
	if err := os.Chtimes(pc.Plugin.Path, time.Now(), time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	apply(t, c, Changes{}, pc)

	pc.Plugin = script(t, pc.Plugin.Path, "well", "2")
	apply(t, c, Changes{Changed: []string{"p"}}, pc)
	replaced(t, p, before.PID)
	after := until(t, p, "hashed", func(s Status) bool { return s.PID != before.PID && s.SHA256 != "" })
	if after.SHA256 == before.SHA256 || len(after.SHA256) != 64 || after.Plugin != pc.Plugin.Path {
		t.Errorf("status = %+v, then %+v", before, after)
	}
}

// Providers may be looked up, called and listed while the set changes.
func TestApplyWhileInUse(t *testing.T) {
	a, b := testProvider(t, "a"), testProvider(t, "b")
	c := catalogOf(t, Config{Providers: []ProviderConfig{a, b}})
	ready(t, c, "a")
	ready(t, c, "b")
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := provider(t, c, "a").AuthorizeParams(background(t), sdk.AuthorizeRequest{}); err != nil {
					t.Error(err)
				}
				for _, p := range c.Providers() {
					_, _ = p.Status(), p.Config()
					if _, err := c.Provider(p.ID()); err != nil && p.ID() == "a" {
						t.Error(err)
					}
				}
			}
		})
	}
	for i := range 10 {
		if i%2 == 0 {
			apply(t, c, Changes{Removed: []string{"b"}}, a)
		} else {
			apply(t, c, Changes{Added: []string{"b"}}, a, b)
		}
	}
	close(done)
	readers.Wait()
}

// A plugin that is taken away takes its providers with it, whatever runs; one that comes brings them back.
func TestApplyWithoutPlugin(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*ProviderConfig)
		want   string
	}{
		"missing":              {func(c *ProviderConfig) { c.Plugin = Plugin{} }, "provider p: no plugin serves type test; put authd-provider-test into a plugins directory"},
		"missing, with reason": {func(c *ProviderConfig) { c.Plugin, c.Problem = Plugin{}, `"test" is served by no plugin` }, `provider p: "test" is served by no plugin`},
		"refused":              {func(c *ProviderConfig) { c.Plugin.Refused = "may be written by others; run chmod go-w" }, "may be written by others"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pc := scripted(t, "p")
			c := catalogOf(t, Config{Providers: []ProviderConfig{pc}})
			p := ready(t, c, "p")
			old := p.Status().PID
			without := pc
			test.change(&without)
			apply(t, c, Changes{Changed: []string{"p"}}, without)
			got := until(t, p, "refused", func(s Status) bool { return s.State == StateRefused })
			if !bytes.Contains([]byte(got.Problem), []byte(test.want)) || got.PID != 0 {
				t.Errorf("status = %+v, want the problem %q", got, test.want)
			}
			gone(t, old)
			_, err := p.AuthorizeParams(background(t), sdk.AuthorizeRequest{})
			wantKind(t, err, KindUnavailable)
			apply(t, c, Changes{Changed: []string{"p"}}, pc)
			ready(t, c, "p")
		})
	}
}

// Restart gives a provider another process without failing a call.
func TestRestart(t *testing.T) {
	c := catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p")}})
	p := ready(t, c, "p")
	pids := []int{p.Status().PID}
	for range 3 {
		if err := c.Restart("p"); err != nil {
			t.Fatal(err)
		}
		tell(t, p, "")
		pids = append(pids, replaced(t, p, pids[len(pids)-1]).PID)
	}
	slices.Sort(pids)
	if len(slices.Compact(pids)) != 4 {
		t.Errorf("processes %v, want four", pids)
	}
	fails(t, "Restart of nobody", c.Restart("q"), "provider q: no such provider")
}

// Many changes in a row end with the last one; those between may never have run.
func TestApplyQuickly(t *testing.T) {
	pc := testProvider(t, "p")
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}})
	for i := range 20 {
		apply(t, c, Changes{Changed: []string{"p"}}, pc.with("issuer", fmt.Sprintf("https://idp%d.example", i)))
	}
	p := provider(t, c, "p")
	until(t, p, "the last", func(s Status) bool {
		known, ok := p.Configured()
		return ok && s.State == StateReady && known.Issuer == "https://idp19.example"
	})
}
