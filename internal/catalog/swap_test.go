package catalog

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authd/authd/sdk"
)

// events collects what a catalog tells.
type events struct {
	mu  sync.Mutex
	all []Event
}

func (e *events) add(event Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event)
}

// of counts the events of a kind, and returns the last.
func (e *events) of(kind EventKind) (count int, last Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, event := range e.all {
		if event.Kind == kind {
			count, last = count+1, event
		}
	}
	return count, last
}

// await is of, once there are so many.
func (e *events) await(t *testing.T, kind EventKind, want int) (count int, last Event) {
	t.Helper()
	ctx := background(t)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if count, last = e.of(kind); count >= want {
			return count, last
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%d events of the kind %s, want %d", count, kind, want)
		}
	}
}

// Threat 141, F4: a plugin's file is replaced twenty times under load; every time another process takes over and no
// call fails.
func TestSwapUnderLoad(t *testing.T) {
	told := &events{}
	pc := scripted(t, "p")
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, Event: told.add})
	p := ready(t, c, "p")
	done := make(chan struct{})
	var callers sync.WaitGroup
	var made atomic.Int64
	for i := range 8 {
		callers.Go(func() {
			for {
				var err error
				switch i % 3 { // a code is good once: such a call is never made again
				case 0:
					_, _, err = p.GetToken(background(t), sdk.CodeExchange{Code: "x"})
				case 1:
					_, err = p.GetUserInfo(background(t), &sdk.Token{AccessToken: "x"})
				default:
					_, err = p.AuthorizeParams(background(t), sdk.AuthorizeRequest{})
				}
				if err != nil {
					t.Error(err)
				}
				made.Add(1)
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	const swaps = 20
	seen := map[int]bool{p.Status().PID: true}
	for i := range swaps {
		old := p.Status().PID
		pc.Plugin = script(t, pc.Plugin.Path, "well", fmt.Sprint(i+2))
		apply(t, c, Changes{Changed: []string{"p"}}, pc)
		seen[replaced(t, p, old).PID] = true
	}
	close(done)
	callers.Wait()
	if len(seen) != swaps+1 || made.Load() < swaps {
		t.Errorf("%d processes served %d calls, want %d processes", len(seen), made.Load(), swaps+1)
	}
	if got := p.Status(); got.Swaps != swaps || got.Restarts != 0 || got.CandidateFailures != 0 {
		t.Errorf("status = %+v", got)
	}
	if n, _ := told.await(t, EventSwapped, swaps); n != swaps {
		t.Errorf("%d events of a swap, want %d", n, swaps)
	}
	for pid := range seen {
		if pid != p.Status().PID {
			gone(t, pid)
		}
	}
}

// A real binary is replaced by rename while it runs, as a package manager does it.
func TestSwapBinary(t *testing.T) {
	pc := testProvider(t, "p")
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}})
	p := ready(t, c, "p")
	old := p.Status().PID
	next := copyOf(t, pc.Plugin.Path, pc.Plugin.Path+".new", 1<<40)
	if _, err := next.WriteString("another build"); err != nil {
		t.Fatal(err)
	}
	if err := next.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(pc.Plugin.Path+".new", pc.Plugin.Path); err != nil {
		t.Fatal(err)
	}
	apply(t, c, Changes{Changed: []string{"p"}}, pc)
	replaced(t, p, old)
	tell(t, p, "")
}

// copyOf copies at most limit bytes of a file and leaves the copy open.
func copyOf(t *testing.T, from, to string, limit int64) *os.File {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(out, in, limit); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return out
}

// Threat 141, F4: what can't take over leaves the old process serving, is told once, and does not hinder the next.
func TestCandidateFails(t *testing.T) {
	hasty := quick()
	hasty.start, hasty.healthTimeout, hasty.rewrite = 2*time.Second, 500*time.Millisecond, time.Millisecond
	to := func(becomes string) func(*testing.T, *ProviderConfig) {
		return func(t *testing.T, c *ProviderConfig) { c.Plugin = script(t, c.Plugin.Path, becomes, "2") }
	}
	set := func(name, value string) func(*testing.T, *ProviderConfig) {
		return func(_ *testing.T, c *ProviderConfig) { *c = c.with(name, value) }
	}
	for name, test := range map[string]struct {
		change func(*testing.T, *ProviderConfig)
		want   string
	}{
		"exits":               {to("exits"), "exited with status 3 right after start; last lines: no licence file; client_secret=***"},
		"hangs":               {to("silent"), "did not print its handshake in time"},
		"deaf":                {to("deaf"), "did not answer within 500ms of its handshake"},
		"another protocol":    {to("protocol2"), "speaks protocol 2 and this authd speaks 1"},
		"refuses its setting": {set("new", "config"), "issuer serves no discovery document"},
		"unknown setting":     {set("clientid", "x"), "clientid is not a setting of type test"},
		"broken":              {set("new", "broken"), "Configure: plugin: nil map"},
		"plain http":          {set("endpoint", "http://idp.example/a"), "authorization endpoint is plain http"},
		"check blames":        {set("check", "setting"), "its check says: client_secret is wrong"},
		"check refuses":       {set("check", "refused"), "its check says: client_id is not known there"},
		"check kills":         {set("check", "crash"), "its check says: exited with status 7"},
		"another type":        {func(_ *testing.T, c *ProviderConfig) { c.Type = "github" }, "serves no type github; it serves test"},
		"problem":             {func(_ *testing.T, c *ProviderConfig) { c.Problem = "client_secret_file is gone" }, "client_secret_file is gone"},
		"not in the lock": {func(_ *testing.T, c *ProviderConfig) {
			c.Plugin.Refused, c.Plugin.Unlocked = "is not what the lock file names", true
		}, "is not what the lock file names"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told := &events{}
			pc := scripted(t, "p")
			c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, Event: told.add, timing: hasty})
			p := ready(t, c, "p")
			old := p.Status().PID
			bad := pc
			test.change(t, &bad)
			apply(t, c, Changes{Changed: []string{"p"}}, bad)
			got := until(t, p, "degraded", Status.Degraded)
			if !strings.Contains(got.CandidateProblem, test.want) || !strings.HasPrefix(got.CandidateProblem, "provider p: ") {
				t.Errorf("candidate problem = %q, want it to hold %q", got.CandidateProblem, test.want)
			}
			if got.State != StateReady || got.PID != old || got.CandidateFailures == 0 || got.Problem != "" {
				t.Errorf("status = %+v, want process %d to serve on", got, old)
			}
			tell(t, p, "")
			if n, last := told.await(t, EventCandidateFailed, 1); n != 1 || last.Status.CandidateProblem != got.CandidateProblem {
				t.Errorf("%d events of a failed candidate, the last %+v", n, last)
			}
			apply(t, c, Changes{}, bad) // the same again is nothing new

			good := pc.with("issuer", "https://other.example")
			good.Plugin = script(t, pc.Plugin.Path, "well", "3")
			apply(t, c, Changes{Changed: []string{"p"}}, good)
			if got := replaced(t, p, old); got.Degraded() || got.Swaps != 1 {
				t.Errorf("status = %+v", got)
			}
		})
	}
}

// A change that failed and is taken back costs no process.
func TestCandidateIsTakenBack(t *testing.T) {
	pc := testProvider(t, "p")
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}})
	p := ready(t, c, "p")
	old := p.Status().PID
	for range 3 {
		apply(t, c, Changes{Changed: []string{"p"}}, pc.with("new", "config"))
		until(t, p, "degraded", Status.Degraded)
		apply(t, c, Changes{Changed: []string{"p"}}, pc)
		if got := until(t, p, "as before", func(s Status) bool { return !s.Degraded() }); got.PID != old || got.State != StateReady || got.Swaps != 0 {
			t.Errorf("status = %+v, want process %d to serve on", got, old)
		}
		tell(t, p, "")
	}
	p.process.Load().kill()
	if got := replaced(t, p, old); got.Degraded() {
		t.Errorf("status = %+v", got)
	}
}

// An identity provider that is down keeps nothing from taking over that is as good as what serves.
func TestCheckOfCandidatePasses(t *testing.T) {
	for _, check := range []string{"down", "unreachable", ""} {
		t.Run(check, func(t *testing.T) {
			pc := testProvider(t, "p")
			c := catalogOf(t, Config{Providers: []ProviderConfig{pc}})
			p := ready(t, c, "p")
			old := p.Status().PID
			apply(t, c, Changes{Changed: []string{"p"}}, pc.with("check", check))
			if got := replaced(t, p, old); got.Degraded() {
				t.Errorf("status = %+v", got)
			}
		})
	}
}

// A candidate that can't reach its identity provider goes on trying beside the process that serves.
func TestCandidateWaits(t *testing.T) {
	gate := filepath.Join(t.TempDir(), "gate")
	pc := testProvider(t, "p")
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, MaxRestartBackoff: 10 * time.Millisecond})
	p := ready(t, c, "p")
	old := p.Status().PID
	apply(t, c, Changes{Changed: []string{"p"}}, pc.with("gate", gate))
	got := until(t, p, "tried twice", func(s Status) bool { return s.CandidateFailures > 1 })
	const want = "provider p: the change waits for the identity provider and what served before goes on: upstream: discovery: connection refused"
	if got.CandidateProblem != want || got.PID != old || got.State != StateReady {
		t.Errorf("status = %+v, want the problem %q", got, want)
	}
	tell(t, p, "")
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := replaced(t, p, old); got.Degraded() {
		t.Errorf("status = %+v", got)
	}
}

// What failed for no fault of the settings is tried again by itself.
func TestCandidateIsTriedAgain(t *testing.T) {
	span := quick()
	span.probe, span.rewrite = 50*time.Millisecond, time.Millisecond
	pc := scripted(t, "p")
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, timing: span})
	p := ready(t, c, "p")
	old := p.Status().PID
	pc.Plugin = script(t, pc.Plugin.Path, "exits", "2")
	apply(t, c, Changes{Changed: []string{"p"}}, pc)
	until(t, p, "tried twice", func(s Status) bool { return s.CandidateFailures > 1 })
	script(t, pc.Plugin.Path, "well", "3") // nobody applies it
	replaced(t, p, old)
}

// A process that ends while a change can't be made is replaced by one like itself, if its plugin is still there.
func TestCrashWhileDegraded(t *testing.T) {
	pc := scripted(t, "p")
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}})
	p := ready(t, c, "p")
	for _, change := range []func() ProviderConfig{
		func() ProviderConfig { return pc.with("new", "config") },
		func() ProviderConfig { c := pc; c.Problem = "client_secret_file is gone"; return c },
		func() ProviderConfig {
			c := pc
			c.Plugin = script(t, filepath.Join(pluginDir(t), namePrefix+"x"), "exits", "1")
			return c
		},
	} {
		if _, err := c.Apply([]ProviderConfig{change()}); err != nil {
			t.Fatal(err)
		}
		until(t, p, "degraded", Status.Degraded)
		old := p.Status().PID
		p.process.Load().kill()
		got := replaced(t, p, old)
		if !got.Degraded() {
			t.Errorf("status = %+v, want it to say that the change can't be made", got)
		}
		if known, _ := p.Configured(); known.Issuer != "https://idp.example" {
			t.Errorf("configured = %+v", known)
		}
		if _, err := c.Apply([]ProviderConfig{pc}); err != nil {
			t.Fatal(err)
		}
		until(t, p, "as before", func(s Status) bool { return !s.Degraded() && s.State == StateReady })
	}
}

// If its plugin is gone, what replaced it is all there is, and the status says so.
func TestCrashAfterPluginWasSpoiled(t *testing.T) {
	span := quick()
	span.rewrite = time.Millisecond
	pc := scripted(t, "p")
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, RestartBackoff: time.Hour, MaxRestartBackoff: time.Hour, timing: span})
	p := ready(t, c, "p")
	pc.Plugin = script(t, pc.Plugin.Path, "exits", "2")
	apply(t, c, Changes{Changed: []string{"p"}}, pc)
	until(t, p, "degraded", Status.Degraded)
	p.process.Load().kill()
	got := until(t, p, "backing off", func(s Status) bool { return s.State == StateBackoff && s.RetryAt.After(time.Now().Add(time.Second)) })
	if !strings.Contains(got.Problem, "exited with status 3") || !strings.Contains(got.Problem, "what served before is gone") {
		t.Errorf("problem = %q", got.Problem)
	}
	pc.Plugin = script(t, pc.Plugin.Path, "well", "3")
	apply(t, c, Changes{Changed: []string{"p"}}, pc)
	if got := until(t, p, "ready", func(s Status) bool { return s.State == StateReady }); got.Degraded() || got.Problem != "" {
		t.Errorf("status = %+v", got)
	}
}

// A call that was in the old process when another took over ends there, and the old one only after it.
func TestSwapDrains(t *testing.T) {
	pc := testProvider(t, "p")
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}})
	p := ready(t, c, "p")
	gate := filepath.Join(t.TempDir(), "gate")
	call := make(chan error, 1)
	go func() {
		_, _, err := p.GetToken(background(t), sdk.CodeExchange{Code: "wait " + gate})
		call <- err
	}()
	inFlight(t, p, 1)
	old := p.process.Load()
	apply(t, c, Changes{Changed: []string{"p"}}, pc.with("issuer", "https://other.example"))
	replaced(t, p, old.pid)
	tell(t, p, "")
	if !old.alive() {
		t.Error("the old process has ended before its call")
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-call; err != nil {
		t.Errorf("the call in the old process: %v", err)
	}
	gone(t, old.pid)
}

// A call that never ends does not keep the old process for ever, nor does Stop wait for it.
func TestSwapDrainIsBounded(t *testing.T) {
	span := quick()
	span.retire = 50 * time.Millisecond
	pc := testProvider(t, "p")
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, timing: span})
	p := ready(t, c, "p")
	ctx, cancel := context.WithCancel(background(t))
	defer cancel()
	call := make(chan error, 1)
	go func() {
		_, _, err := p.GetToken(ctx, sdk.CodeExchange{Code: "hold"})
		call <- err
	}()
	inFlight(t, p, 1)
	old := p.Status().PID
	apply(t, c, Changes{Changed: []string{"p"}}, pc.with("issuer", "https://other.example"))
	replaced(t, p, old)
	gone(t, old)
	wantKind(t, <-call, KindUnavailable)
}

// Threat 154: a process that still has an old secret can't put it into the log.
func TestOldSecretsStayMasked(t *testing.T) {
	buffer, log := newLog()
	pc := testProvider(t, "p", "client_secret", "old-secret-value")
	pc.Secrets = []string{"old-secret-value"}
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, Log: log})
	p := ready(t, c, "p")
	next := pc.with("client_secret", "new-secret-value")
	next.Secrets = []string{"new-secret-value"}
	old := p.Status().PID
	apply(t, c, Changes{Changed: []string{"p"}}, next)
	replaced(t, p, old)
	tell(t, p, "say it is old-secret-value, or new-secret-value; end")
	if line := buffer.await(t, "; end"); strings.Contains(line, "secret-value") {
		t.Errorf("the log shows %s", line)
	}
}

// Threat 141: a file that is copied in place, slowly, is not run before it is whole and is not reported either.
func TestHalfCopiedPlugin(t *testing.T) {
	span := quick()
	span.rewrite, span.writing = 50*time.Millisecond, longEnough
	told := &events{}
	pc := testProvider(t, "p")
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, Event: told.add, timing: span})
	p := ready(t, c, "p")
	old := p.Status().PID
	whole, err := os.ReadFile(pc.Plugin.Path)
	if err != nil {
		t.Fatal(err)
	}
	// As cp --remove-destination does it: another file under that name, filled bit by bit.
	if err := os.Remove(pc.Plugin.Path); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(pc.Plugin.Path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	half := len(whole) / 2
	if _, err := f.Write(whole[:half]); err != nil {
		t.Fatal(err)
	}
	apply(t, c, Changes{Changed: []string{"p"}}, pc) // it is open: executing it fails with ETXTBSY
	if _, err := f.Write(append(whole[half:], "another build"...)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Apply([]ProviderConfig{pc}); err != nil { // it may have been seen whole already
		t.Fatal(err)
	}
	if got := replaced(t, p, old); got.Degraded() {
		t.Errorf("status = %+v", got)
	}
	if n, last := told.of(EventCandidateFailed); n > 0 {
		t.Errorf("a file that was being written was reported: %s", last.Status.CandidateProblem)
	}
}
