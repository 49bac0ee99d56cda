package catalog

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/authd/authd/sdk"
)

// Threat 134, F1: a plugin that always ends is left alone after eleven times, and callers are told at once.
func TestQuarantine(t *testing.T) {
	pc := scripted(t, "p")
	pc.Plugin = script(t, pc.Plugin.Path, "exits", "1")
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc, testProvider(t, "q")}, MaxRestartBackoff: time.Millisecond})
	p := provider(t, c, "p")
	isQuarantined := func(s Status) bool { return s.State == StateQuarantined }
	got := until(t, p, "quarantined", isQuarantined)
	if got.Restarts != exitsMax || got.PID != 0 || time.Until(got.RetryAt) < time.Minute {
		t.Errorf("status = %+v, want %d restarts and the next attempt minutes away", got, exitsMax)
	}
	for _, want := range []string{"exited with status 3", "after 11 failures it is only tried every 5m0s", "replace the plugin"} {
		if !strings.Contains(got.Problem, want) {
			t.Errorf("problem = %q, want it to hold %q", got.Problem, want)
		}
	}
	_, err := p.AuthorizeParams(background(t), sdk.AuthorizeRequest{})
	if failure := wantKind(t, err, KindUnavailable); failure.RetryAfter < time.Minute {
		t.Errorf("retry after %v, want minutes", failure.RetryAfter)
	}
	tell(t, ready(t, c, "q"), "")

	t.Run("freed by Restart", func(t *testing.T) {
		before := p.Status().Restarts
		p.Restart()
		until(t, p, "tried again", func(s Status) bool { return s.Restarts > before+exitsMax/2 })
		until(t, p, "quarantined", isQuarantined)
	})
	t.Run("freed by a new plugin", func(t *testing.T) {
		pc.Plugin = script(t, pc.Plugin.Path, "well", "2")
		apply(t, c, Changes{Changed: []string{"p"}, Removed: []string{"q"}}, pc)
		if got := until(t, p, "ready", func(s Status) bool { return s.State == StateReady }); got.Problem != "" {
			t.Errorf("status = %+v", got)
		}
	})
}

// Half open: now and then one start is tried. If that fails, the quarantine goes on.
func TestQuarantineProbes(t *testing.T) {
	span := quick()
	span.probe = 20 * time.Millisecond
	pc := scripted(t, "p")
	pc.Plugin = script(t, pc.Plugin.Path, "exits", "1")
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, MaxRestartBackoff: 1, timing: span})
	p := provider(t, c, "p")
	first := until(t, p, "quarantined", func(s Status) bool { return s.State == StateQuarantined })
	until(t, p, "probed", func(s Status) bool { return s.State == StateQuarantined && s.Restarts > first.Restarts+1 })
	script(t, pc.Plugin.Path, "well", "2") // nobody applies it
	old := until(t, p, "ready", func(s Status) bool { return s.State == StateReady }).PID
	// It is on probation: the next end leads straight back.
	p.process.Load().kill()
	until(t, p, "quarantined", func(s Status) bool { return s.State == StateQuarantined })
	replaced(t, p, old)
}

// F1: somebody who kills a plugin again and again, from outside, brings it into no quarantine: that is no fault of
// the plugin's, and it is back at once every time.
func TestKilledFromOutside(t *testing.T) {
	span := quick()
	span.settle = time.Nanosecond
	c := catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p")}, RestartBackoff: time.Hour, MaxRestartBackoff: time.Hour, timing: span})
	p := ready(t, c, "p")
	for range exitsMax + 5 {
		old := p.Status().PID
		if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		replaced(t, p, old)
	}
	if got := p.Status(); got.Restarts != exitsMax+5 {
		t.Errorf("status = %+v", got)
	}
}
