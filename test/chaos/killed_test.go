//go:build linux

package chaos

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"
)

// F1. Threat 134: a plugin that is killed under logins is back at once, and hardly anybody notices.
func TestPluginKilled(t *testing.T) {
	parallel(t)
	s := newStep(t, "F1", siteOptions{}, usual(of(5.0, 3.0)))
	kills, pause := of(60, 3), of(5*time.Second, 1500*time.Millisecond)
	var back time.Duration
	for range kills {
		old := s.plugin(victim)
		old.Signal(t, syscall.SIGKILL)
		back = max(back, s.awaitProvider(victim, "is back", patience, func(p provider) bool { return isReady(p) && p.PID != old.PID }))
		pass(t, pause)
	}
	s.recover()
	pass(t, of(10*time.Second, time.Second))
	s.end()

	tally := s.fault.logins[victim]
	failed := tally.failures()
	s.within(fmt.Sprintf("back after each of %d kills", kills), time.Second, back, "the slowest")
	// Each kill may meet those whose code is being exchanged: it can't be sent twice.
	s.most(fmt.Sprintf("failed logins on it of %d", tally.count()), of(tally.count()*2/100, 2*kills), len(failed), some(failed))
	s.none("of these, other than a clean 502 or 503", unclean(failed, http.StatusBadGateway, http.StatusServiceUnavailable))
	s.within("and slower than that", time.Second, slowest(failed), "")
	s.none("failed logins after the last kill", s.after.logins[victim].failures())
	if n := s.events("plugin_crashed"); n != kills {
		t.Errorf("the audit log tells of %d crashes, want %d", n, kills)
	}
}

// unclean are the answers with another status, or without authd's own error code.
func unclean(failed []answer, statuses ...int) []answer {
	return without(failed, func(a answer) bool { return slices.Contains(statuses, a.status) && a.code != "" })
}

func slowest(all []answer) (most time.Duration) {
	for _, a := range all {
		most = max(most, a.took)
	}
	return most
}

// F1. Threat 134: a plugin that can't run is tried less and less often, and costs next to nothing.
func TestPluginAlwaysCrashes(t *testing.T) {
	parallel(t)
	opt := siteOptions{tables: "[[providers]]\nid = \"crasher\"\ntype = \"crasher\"\n"}
	s := prepareStep(t, "F1", opt)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s.install(crasherName, self)
	s.serve()
	s.awaitProvider(victim, "is ready", patience, isReady)
	// 0.1, 0.2, 0.4, 0.8 … seconds lie between two attempts: that makes half a dozen by now.
	s.awaitProvider(crasherName, "has been tried", patience, func(p provider) bool { return p.Restarts >= 4 })
	pass(t, of(90*time.Second, 5*time.Second))
	before, cpu := s.must(crasherName), s.cpu()
	watched := of(time.Minute, 3*time.Second)
	pass(t, watched)
	after := s.must(crasherName)
	used := float64(s.cpu()-cpu) / float64(watched) * 100
	s.most("attempts with a plugin that always crashes", of(2, 3), after.Restarts-before.Restarts, fmt.Sprintf("within %v; %d in all; then %s", watched, after.Restarts, after.State))
	s.row(row{
		what: "CPU meanwhile, authd and its plugins", demanded: "≤ 2 %", seen: fmt.Sprintf("%.1f %%", used), over: long() && used > 2,
		note: "without load; attempts are made up to 30 s apart",
	})
	if after.State != "backoff" && after.State != "quarantined" && after.State != "starting" {
		t.Errorf("the plugin that always crashes: %+v", after)
	}
	if in, err := s.person.signIn(t.Context(), victim); err != nil || in.session == "" {
		t.Errorf("a login at another provider: %v %v", in, err)
	}
}

// must asks the admin listener, which must answer.
func (s *step) must(id string) provider {
	s.t.Helper()
	p, err := s.provider(id)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}
