//go:build linux

package chaos

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// load is what goes on while a fault does: checks, logins through both providers, and the canary.
type load struct {
	site     *site
	ctx      context.Context
	sessions []string
	denied   []string // cookies that open nothing

	stopping context.CancelFunc
	asking   sync.WaitGroup
	outages  atomic.Int64 // odd while authd is down on purpose
	now      atomic.Pointer[phase]
	phases   []*phase // all of them
}

// rates of the load, per second.
type rates struct {
	checks, canary int
	logins         map[string]float64 // :: provider id → logins
}

// sessionsOfLoad is how many people are signed in.
const sessionsOfLoad = 100

// usual is the load during a fault on the victim's side.
func usual(onVictim float64) rates {
	return rates{
		checks: of(200, 50), canary: 10,
		logins: map[string]float64{victim: onVictim, bystander: of(1.5, 1.0)},
	}
}

// phase is a part of a run, and what happened to whatever began in it.
type phase struct {
	checks, canary tally
	breaches       tally // answers to the canary that let it in
	logins         map[string]*tally
	vitals         vitalsLog
}

func newPhase() *phase {
	return &phase{logins: map[string]*tally{victim: {}, bystander: {}}}
}

// tally counts answers.
type tally struct {
	mu     sync.Mutex
	took   []time.Duration
	failed []answer
}

func (t *tally) add(a answer, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.took = append(t.took, a.took)
	if !ok {
		t.failed = append(t.failed, a)
	}
}

func (t *tally) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.took)
}

func (t *tally) failures() []answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.failed)
}

// p99 is the time that 99 of 100 answers took at most.
func (t *tally) p99() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.took) == 0 {
		return 0
	}
	return nth(t.took, (len(t.took)-1)*99/100)
}

// nth is the time that stands at a place when all are sorted.
func nth(times []time.Duration, place int) time.Duration {
	return slices.Sorted(slices.Values(times))[place]
}

// startLoad begins the load. The sessions are those of people who are signed in, the denied cookies open nothing.
func startLoad(ctx context.Context, s *site, r rates, sessions, denied []string) *load {
	l := &load{site: s, sessions: sessions, denied: denied}
	l.ctx, l.stopping = context.WithCancel(ctx)
	l.next()
	l.every(time.Second/time.Duration(r.checks), l.check)
	l.every(time.Second/time.Duration(r.canary), l.sing)
	for id, rate := range r.logins {
		if rate > 0 {
			l.every(time.Duration(float64(time.Second)/rate), func(int) { l.login(id) })
		}
	}
	l.every(vitalsPause, func(int) { l.now.Load().vitals.add(s) })
	return l
}

// next begins a new phase and returns it. Only the test itself calls it.
func (l *load) next() *phase {
	p := newPhase()
	l.phases = append(l.phases, p)
	l.now.Store(p)
	return p
}

// atOnceMost bounds what waits for an answer of one kind; what comes on top of it is not sent, and is a failure.
const atOnceMost = 2000

// every calls f again and again, whether the earlier calls have ended or not, until the load ends.
func (l *load) every(pause time.Duration, f func(n int)) {
	l.asking.Go(func() {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		places := make(chan struct{}, atOnceMost)
		for n := 0; ; n++ {
			select {
			case <-l.ctx.Done():
				return
			case <-tick.C:
			}
			select {
			case places <- struct{}{}:
				l.asking.Go(func() { f(n); <-places })
			default:
				l.now.Load().checks.add(answer{code: "not sent: nothing is answered any more"}, false)
			}
		}
	})
}

// stop ends the load and waits for the answers that are due.
func (l *load) stop() {
	l.stopping()
	l.asking.Wait()
}

// excused reports whether authd was down on purpose at some time between before and now, or the load has ended.
func (l *load) excused(before int64) bool {
	return before%2 == 1 || l.outages.Load() != before || l.ctx.Err() != nil
}

// check asks for one of the people, and each tenth time for somebody who is not signed in.
func (l *load) check(n int) {
	p, outages := l.now.Load(), l.outages.Load()
	session, want := l.sessions[n%len(l.sessions)], http.StatusOK
	if n%10 == 9 {
		session, want = "", http.StatusUnauthorized
	}
	a := l.site.newPerson().check(context.Background(), session)
	if a.err != nil && l.excused(outages) {
		return
	}
	p.checks.add(a, a.err == nil && a.status == want)
}

// doors are the routes that let somebody through.
var doors = []string{"/auth/check", "/auth/forward", "/oauth2/auth"}

// sing is one note of the canary: at no door may one of its cookies be let in, whatever else goes wrong.
func (l *load) sing(n int) {
	p := l.now.Load()
	cookies := "theme=dark"
	if cookie := l.denied[n%len(l.denied)]; cookie != "" {
		cookies += "; " + sessionCookie + "=" + cookie
	}
	a := l.site.newPerson().ask(context.Background(), http.MethodGet, l.site.url+doors[n%len(doors)], cookies)
	if a.err != nil {
		return // nobody came in
	}
	p.canary.add(a, a.status == http.StatusUnauthorized || a.status == http.StatusFound)
	if a.status < 300 {
		a.code = fmt.Sprintf("%s with cookies %q", doors[n%len(doors)], cookies)
		p.breaches.add(a, false)
	}
}

// login is one person.
func (l *load) login(id string) {
	p, outages := l.now.Load(), l.outages.Load()
	a, err := l.site.newPerson().signIn(context.Background(), id)
	if err != nil {
		a.err = err
	}
	if a.err != nil && l.excused(outages) {
		return
	}
	p.logins[id].add(a, a.session != "")
}

// deny makes the canary's cookies: none, garbage, tampered with in the middle and at the end, signed out, expired.
func deny(session, signedOut, expired string) []string {
	return []string{
		"", "garbage", strings.Repeat("A", len(session)), flip(session, len(session)/2), flip(session, len(session)-1), session + "A", session[1:],
		signedOut, expired,
	}
}

// flip changes one character.
func flip(s string, at int) string {
	other := byte('A')
	if s[at] == other {
		other = 'B'
	}
	return s[:at] + string(other) + s[at+1:]
}
