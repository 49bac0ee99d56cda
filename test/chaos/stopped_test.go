//go:build linux

package chaos

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/authd/authd/internal/realtest"
)

// callsMost is how many calls of one provider may be in flight.
const callsMost = 64

// F2. Threat 135: a plugin that hangs is replaced without any help. Who calls it meanwhile is told soon, only so many
// wait, and the checks do not notice.
func TestPluginStopped(t *testing.T) {
	parallel(t)
	s := newStep(t, "F2", siteOptions{}, usual(of(3.0, 1.0)))
	began := time.Now()
	old := s.plugin(victim)
	old.Signal(t, syscall.SIGSTOP)
	crowd := s.press(victim, of(200, 96))
	replaced := realtest.Await(t, 10*time.Millisecond, patience, "the plugin that hangs is replaced", func() error {
		if p, err := s.provider(victim); err != nil || !isReady(p) || p.PID == old.PID {
			return fmt.Errorf("%+v %v", p, err)
		}
		return nil
	})
	gone := old.AwaitGone(t, patience)
	asked := crowd.wait()
	renewed := s.load.next() // with the new process
	pass(t, of(max(0, time.Minute-time.Since(began)), 2*time.Second))
	s.recover()
	s.end()

	failed := without(asked, func(a answer) bool { return a.status == http.StatusSeeOther })
	refused := without(failed, func(a answer) bool { return a.status != http.StatusServiceUnavailable })
	s.within("replaced without SIGCONT", 15*time.Second, replaced, "")
	s.within("old process gone", 15*time.Second, replaced+gone, "")
	s.most("calls that wait for it at a time", callsMost, crowd.inFlight, fmt.Sprintf("of %d", len(asked)))
	// On a slow machine the first have given up before the last come, and those take their places.
	surplus := len(asked) - callsMost
	s.least("calls that were refused", of(surplus, surplus/2), len(refused), some(refused))
	s.within("refused after", 50*time.Millisecond, fastest(refused, surplus), "all begin at the same moment; the client's own time counts too")
	s.within("every call of it ends", 10*time.Second, max(slowest(asked), slowest(s.fault.logins[victim].failures())), "")
	s.none("other answers than a redirect, 503 or 504", unclean(failed, http.StatusServiceUnavailable, http.StatusGatewayTimeout))
	s.none("failed logins on the new process", renewed.logins[victim].failures())
	s.checksAsFast()
}

// crowd is many people who press one button at the same moment.
type crowd struct {
	pressing sync.WaitGroup
	watching sync.WaitGroup
	pressed  atomic.Bool
	answers  []answer
	inFlight int // the most that were seen at a time
}

func (s *step) press(id string, n int) *crowd {
	c := &crowd{answers: make([]answer, n)}
	start := make(chan struct{})
	for i := range n {
		p := s.newPerson()
		c.pressing.Go(func() {
			<-start
			c.answers[i] = p.begin(context.Background(), id)
		})
	}
	c.watching.Go(func() {
		for !c.pressed.Load() {
			if p, err := s.provider(id); err == nil {
				c.inFlight = max(c.inFlight, p.InFlight)
			}
		}
	})
	close(start)
	return c
}

// wait returns the answers when all are there.
func (c *crowd) wait() []answer {
	c.pressing.Wait()
	c.pressed.Store(true)
	c.watching.Wait()
	return c.answers
}

// fastest is the time within which n of the answers came.
func fastest(all []answer, n int) time.Duration {
	var t tally
	for _, a := range all {
		t.add(a, true)
	}
	if n > len(t.took) || n <= 0 {
		return slowest(all)
	}
	return nth(t.took, n-1)
}
