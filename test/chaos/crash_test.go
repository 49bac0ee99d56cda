//go:build linux

package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// ledger is what authd has acknowledged: whoever was told that they are signed in, or out, must be.
type ledger struct {
	s *step

	mu        sync.Mutex
	in, out   []string
	unclear   []answer // failures that no crash explains
	signedIn  atomic.Int64
	signedOut atomic.Int64

	quit    context.CancelFunc
	writing sync.WaitGroup
}

// keep has people sign in and out without a pause, so that each crash meets some of them.
func (s *step) keep(people int) *ledger {
	l := &ledger{s: s}
	ctx, cancel := context.WithCancel(context.Background())
	l.quit = cancel
	for n := range people {
		l.writing.Go(func() {
			for turn := n; ctx.Err() == nil; turn++ {
				l.comeAndGo(ctx, turn)
			}
		})
	}
	s.t.Cleanup(l.stop)
	return l
}

// comeAndGo signs one person in and, every other time, out again.
func (l *ledger) comeAndGo(ctx context.Context, turn int) {
	outages := l.s.load.outages.Load()
	if outages%2 == 1 { // nobody is there to ask
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
		}
		return
	}
	p := l.s.newPerson()
	a, err := p.signIn(ctx, []string{victim, bystander}[turn%2])
	if a.session == "" {
		l.explain(ctx, a, err, outages)
		return
	}
	l.signedIn.Add(1)
	if turn/2%2 == 0 {
		l.note(&l.in, a.session)
		return
	}
	// Whether somebody is out who has not been told so is not known, so only answers count.
	if out := p.signOut(ctx, a.session); out.status == http.StatusSeeOther || out.status == http.StatusOK {
		l.signedOut.Add(1)
		l.note(&l.out, a.session)
	} else {
		l.explain(ctx, out, nil, outages)
	}
}

func (l *ledger) note(list *[]string, session string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*list = append(*list, session)
}

// explain keeps a failure unless authd was killed meanwhile, or the person was called off.
func (l *ledger) explain(ctx context.Context, a answer, err error, outages int64) {
	if l.s.load.outages.Load() != outages || ctx.Err() != nil {
		return
	}
	if err != nil {
		a.err = err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unclear = append(l.unclear, a)
}

func (l *ledger) stop() {
	l.quit()
	l.writing.Wait()
}

// audit asks for everybody in the books: who was signed in and can't get in, who was signed out and can.
func (l *ledger) audit(ctx context.Context) (lost, risen []answer) {
	l.mu.Lock()
	in, out := append([]string(nil), l.in...), append([]string(nil), l.out...)
	l.mu.Unlock()
	for _, session := range in {
		if a := l.s.person.check(ctx, session); a.status != http.StatusOK {
			lost = append(lost, a)
		}
	}
	for _, session := range out {
		if a := l.s.person.check(ctx, session); a.status != http.StatusUnauthorized {
			risen = append(risen, a)
		}
	}
	return lost, risen
}

// crash is what one kill -9 of authd was followed by.
type crash struct {
	ready, orphans time.Duration
	lost, risen    []answer
	waited         []answer // ends of logins whose people were away
	midway         []answer // and of those which the crash had interrupted at their end
	replays        []answer // ends of logins that had ended before
}

// F5. Threat 140, 145: authd is killed at random moments. Nobody who was told that they are signed in is lost, nobody
// who was told that they are out comes back, no plugin is left over, and logins under way end or begin again.
func TestAuthdKilled(t *testing.T) {
	parallel(t)
	const sessions = 10_000
	s := prepareStep(t, "F5", siteOptions{required: true, sessions: sessions})
	s.serve()
	s.begin(usual(0))
	books := s.keep(of(4, 2))
	kills := of(20, 4)
	var all crash
	for range kills {
		pass(t, 300*time.Millisecond+rand.N(of(4*time.Second, 700*time.Millisecond)))
		c := s.crash(books)
		all.ready, all.orphans = max(all.ready, c.ready), max(all.orphans, c.orphans)
		all.lost, all.risen = append(all.lost, c.lost...), append(all.risen, c.risen...)
		all.waited, all.midway, all.replays = append(all.waited, c.waited...), append(all.midway, c.midway...), append(all.replays, c.replays...)
	}
	books.stop()
	s.recover()
	s.end()
	lost, risen := books.audit(t.Context())
	for _, id := range s.preloaded {
		if a := s.person.check(t.Context(), id); a.status != http.StatusOK {
			lost = append(lost, a)
		}
	}
	s.within(fmt.Sprintf("start to ready with %d sessions and more", sessions), 2*time.Second, all.ready, fmt.Sprintf("the slowest of %d", kills))
	s.within("plugins end with authd", 2*time.Second, all.orphans, "the slowest")
	s.none(fmt.Sprintf("acknowledged sessions lost of %d", sessions+int(books.signedIn.Load())), append(all.lost, lost...))
	s.none(fmt.Sprintf("acknowledged logouts that came back of %d", books.signedOut.Load()), append(all.risen, risen...))
	s.none("failures that no crash explains", books.unclear)
	s.pending(all, kills)
}

// pending holds logins that a crash interrupted to what they may end with.
func (s *step) pending(all crash, kills int) {
	s.t.Helper()
	s.none(fmt.Sprintf("logins of people who were away and that do not end, of %d", len(all.waited)), without(all.waited, func(a answer) bool {
		return a.session != ""
	}))
	s.none(fmt.Sprintf("logins cut in the middle that neither end nor begin again, of %d", len(all.midway)), without(all.midway, func(a answer) bool {
		return a.session != "" || a.status == http.StatusBadRequest && a.code != ""
	}))
	s.none(fmt.Sprintf("second sessions of %d callbacks sent again", len(all.replays)), without(all.replays, func(a answer) bool {
		return a.session == ""
	}))
	if len(all.waited) != kills || len(all.replays)+len(all.midway) != 2*kills {
		s.t.Errorf("after %d crashes there were %d, %d and %d ends of logins", kills, len(all.waited), len(all.midway), len(all.replays))
	}
}

// without leaves out the answers that are as they should be.
func without(all []answer, fine func(answer) bool) []answer {
	return slices.DeleteFunc(slices.Clone(all), fine)
}

// crash kills authd right after somebody was signed in, while somebody else is at the identity provider, and starts it
// again.
func (s *step) crash(books *ledger) (c crash) {
	s.t.Helper()
	ctx := s.t.Context()
	waiting, done, midway := s.away(), s.away(), s.away()
	plugins := s.Children()
	if first := done.back(ctx); first.session == "" {
		s.t.Fatalf("sign in before a crash: %v", first)
	} else {
		books.note(&books.in, first.session)
	}
	s.load.outages.Add(1)
	first := make(chan answer, 1)
	go func() { first <- midway.back(ctx) }()
	pass(s.t, rand.N(15*time.Millisecond)) // its code may be at the identity provider, or used, by now
	s.Kill()
	for _, p := range plugins {
		c.orphans += p.AwaitGone(s.t, patience)
	}
	s.web.CloseIdleConnections()
	c.ready = s.serve()
	s.load.outages.Add(1)
	c.replays = append(c.replays, done.again(ctx))
	c.waited = append(c.waited, waiting.back(ctx))
	if a := <-first; a.session != "" {
		books.note(&books.in, a.session)
		c.replays = append(c.replays, midway.again(ctx))
	} else {
		c.midway = append(c.midway, midway.again(ctx))
	}
	c.lost, c.risen = books.audit(ctx)
	return c
}

// away is somebody who is at the victim's identity provider.
func (s *step) away() *away {
	s.t.Helper()
	left, started, err := s.newPerson().leave(s.t.Context(), victim)
	if left == nil || err != nil {
		s.t.Fatalf("begin a login: %v %v", started, err)
	}
	return left
}
