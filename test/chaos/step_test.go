//go:build linux

package chaos

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/authd/authd/internal/realtest"
)

// step is one fault: a base without it, the fault, and the time after it.
type step struct {
	*site
	t    *testing.T
	name string // of the fault
	load *load

	base, fault, after *phase
	preloaded          []string // sessions that were in the store at the start
	person             *person  // who does what the test itself asks for
}

// newStep starts authd under load, and returns when the base is known.
func newStep(t *testing.T, name string, opt siteOptions, r rates) *step {
	t.Helper()
	s := prepareStep(t, name, opt)
	s.serve()
	for _, id := range []string{victim, bystander} {
		s.awaitProvider(id, "is ready", patience, isReady)
	}
	s.begin(r)
	return s
}

// prepareStep makes the site; the test starts it.
func prepareStep(t *testing.T, name string, opt siteOptions) *step {
	t.Helper()
	s := &step{t: t, name: name}
	s.site, s.preloaded = newSite(t, opt)
	s.person = s.newPerson()
	t.Cleanup(s.site.end)
	return s
}

// begin starts the load and watches it for a while without a fault.
func (s *step) begin(r rates) {
	s.t.Helper()
	s.load = startLoad(context.Background(), s.site, r, s.preloaded[:sessionsOfLoad], s.deniedCookies())
	s.t.Cleanup(s.load.stop)
	pass(s.t, of(15*time.Second, time.Second)) // connections open, memory is touched for the first time
	s.base = s.load.next()
	pass(s.t, baseTime())
	s.fault = s.load.next()
}

// baseTime is how long the time without a fault lasts. The variable shortens it, for whoever waits for a result.
func baseTime() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("AUTHD_CHAOS_BASE")); err == nil {
		return d
	}
	return of(3*time.Minute, 2*time.Second)
}

// recover begins the time after the fault. Goroutines, files and memory must come back to where they were.
func (s *step) recover() {
	s.t.Helper()
	s.after = s.load.next()
	s.web.CloseIdleConnections() // browsers that came for the fault go home
	base := s.base.vitals.at(0.5)
	var now vitals
	var last error // that was above the base
	took, err := realtest.Poll(200*time.Millisecond, patience, func() error {
		var err error
		if now, err = s.vitals(); err == nil {
			err = now.backAt(base)
		}
		if err != nil {
			last = err
		}
		return err
	})
	s.row(row{
		what: "goroutines, files, memory back", demanded: "≤ 60 s", seen: round(took), over: err != nil,
		note: fmt.Sprintf("base %v; most %v; now %v; last above: %v", base, s.fault.vitals.most(), now, last),
	})
}

// end stops the load and holds the run to what every fault must leave alone.
func (s *step) end() {
	s.t.Helper()
	s.load.stop()
	checks, canary := 0, 0
	var failed, breaches, others []answer
	for _, p := range s.load.phases {
		checks += p.checks.count()
		canary += p.canary.count()
		failed = append(failed, p.checks.failures()...)
		breaches = append(breaches, p.breaches.failures()...)
		others = append(others, p.logins[bystander].failures()...)
	}
	s.none(fmt.Sprintf("failed checks of %d", checks), failed)
	s.none(fmt.Sprintf("canaries let in of %d", canary), breaches)
	s.none("failed logins at the other provider", others)
	if checks == 0 || canary == 0 {
		s.t.Errorf("%d checks and %d canaries were answered: that proves nothing", checks, canary)
	}
}

// deniedCookies are those of the canary. The expired session was put into the store before the start.
func (s *step) deniedCookies() []string {
	s.t.Helper()
	in, err := s.person.signIn(s.t.Context(), bystander)
	if err != nil || in.session == "" {
		s.t.Fatalf("sign in: %v %v", in, err)
	}
	if out := s.person.signOut(s.t.Context(), in.session); out.status != http.StatusSeeOther && out.status != http.StatusOK {
		s.t.Fatalf("sign out: %v", out)
	}
	return deny(s.preloaded[0], in.session, s.over)
}

// row enters what was seen. What is over fails the test.
func (s *step) row(r row) {
	s.t.Helper()
	r.fault = s.name
	results.add(r)
	if r.over {
		s.t.Errorf("%s: %s: demanded %s, seen %s %s", r.fault, r.what, r.demanded, r.seen, r.note)
	}
}

// none demands that nothing failed.
func (s *step) none(what string, failed []answer) {
	s.t.Helper()
	s.row(row{what: what, demanded: "0", seen: fmt.Sprint(len(failed)), over: len(failed) > 0, note: some(failed)})
}

// some are the first few of many answers.
func some(all []answer) string {
	text := ""
	for i, a := range all[:min(3, len(all))] {
		if i > 0 {
			text += "; "
		}
		text += a.String()
	}
	return text
}

// most demands that there are not more than that.
func (s *step) most(what string, limit, got int, note string) {
	s.t.Helper()
	s.row(row{what: what, demanded: fmt.Sprintf("≤ %d", limit), seen: fmt.Sprint(got), over: got > limit, note: note})
}

// least demands that there are as many as that.
func (s *step) least(what string, limit, got int, note string) {
	s.t.Helper()
	s.row(row{what: what, demanded: fmt.Sprintf("≥ %d", limit), seen: fmt.Sprint(got), over: got < limit, note: note})
}

// within demands that something took no longer. The short form, which runs beside much else, is content if it came at
// all: it tells the time and holds it to a generous limit.
func (s *step) within(what string, limit, got time.Duration, note string) {
	s.t.Helper()
	allowed := of(limit, max(20*limit, patience))
	s.row(row{what: what, demanded: "≤ " + round(limit), seen: round(got), over: got > allowed, note: note})
}

// checksAsFast demands that checks took at most half as long again as without the fault; below some milliseconds the
// scheduler decides, not authd.
func (s *step) checksAsFast() {
	s.t.Helper()
	base := s.base.checks.p99()
	s.within("p99 of checks ≤ 1.5 × base", max(base+base/2, 5*time.Millisecond), s.fault.checks.p99(), "base "+round(base))
}

// checksTold tells how long checks took where plugins start all the time, which takes CPU from everybody.
func (s *step) checksTold() {
	s.t.Helper()
	s.row(row{what: "p99 of checks", demanded: "(told)", seen: round(s.fault.checks.p99()), note: "base " + round(s.base.checks.p99())})
}

// round makes a time short to read.
func round(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(100 * time.Microsecond).String()
}
