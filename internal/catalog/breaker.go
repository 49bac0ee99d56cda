package catalog

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// tripAt is how many failures open a breaker: that many in a row, or so many that no more calls succeeded meanwhile.
const tripAt = 5

// outcome of a call, as a breaker sees it; nil is a success.
var (
	errCounts   = errors.New("a failure")
	errExcluded = errors.New("says nothing")
)

// upstream says what a method has to do with the identity provider.
type upstream int

const (
	// free: it must be tried in any case, and counts for nothing.
	free upstream = iota
	// starts something that would only fail later; it mostly asks nobody, so that its success says nothing.
	starts
	// asks the identity provider.
	asks
)

// breakers refuse calls for a while once too many have failed: one for faults of the identity provider, one for
// those of the plugin. What the person or the operator did wrong counts in neither.
type breakers struct {
	upstream, plugin atomic.Pointer[breaker]
}

// reset forgets what was; calls in flight count in what is forgotten.
func (b *breakers) reset(t timing) {
	b.upstream.Store(newBreaker(t))
	b.plugin.Store(newBreaker(t))
}

// openUntil is the later of the two; zero when both are closed.
func (b *breakers) openUntil() time.Time {
	until := max(b.upstream.Load().until.Load(), b.plugin.Load().until.Load())
	if until == 0 {
		return time.Time{}
	}
	return time.Unix(0, until)
}

// breaker is a circuit breaker whose state can be looked at for nothing.
type breaker struct {
	gate   *gobreaker.TwoStepCircuitBreaker[struct{}]
	until  atomic.Int64 // Unix time in ns at which a call is let through again; 0: it is closed
	turned atomic.Bool  // opened or closed, and nobody has been told
}

// buckets is how finely the window of a breaker slides.
const buckets = 10

func newBreaker(t timing) *breaker {
	b := &breaker{}
	b.gate = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Interval: t.recent, BucketPeriod: t.recent / buckets, Timeout: t.rest,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			inARow := c.ConsecutiveFailures >= tripAt // however well it went before
			return c.TotalFailures >= tripAt && (inARow || c.TotalFailures >= c.TotalSuccesses)
		},
		IsExcluded: func(err error) bool { return errors.Is(err, errExcluded) },
		OnStateChange: func(_ string, _, to gobreaker.State) {
			switch to {
			case gobreaker.StateOpen:
				b.until.Store(time.Now().Add(t.rest).UnixNano())
				b.turned.Store(true)
			case gobreaker.StateClosed:
				b.until.Store(0)
				b.turned.Store(true)
			}
		},
	})
	return b
}

// wait is how long no call is let through.
func (b *breaker) wait() time.Duration {
	until := b.until.Load()
	if until == 0 {
		return 0
	}
	return max(0, time.Until(time.Unix(0, until)))
}

// enter asks for a call to be let through. done must be called with its outcome. Half open, one is.
func (b *breaker) enter() (done func(error), err error) {
	if done, err = b.gate.Allow(); err != nil {
		return nil, &openError{wait: max(b.wait(), 100*time.Millisecond)}
	}
	return done, nil
}

// openError means that a breaker is open.
type openError struct {
	wait   time.Duration
	plugin bool
}

// Error implements error.
func (e *openError) Error() string {
	who := "its identity provider"
	if e.plugin {
		who = "its plugin"
	}
	return fmt.Sprintf("%s failed %d times or more within a short time and is left alone for another %v", who, tripAt, e.wait.Round(time.Millisecond))
}

// Is makes it an ErrBreakerOpen.
func (e *openError) Is(target error) bool { return target == ErrBreakerOpen }

// pass is the leave to make one call, and what is owed for it.
type pass struct {
	use              upstream
	upstream, plugin *breaker
	asked, ran       func(error) // asked :: nil unless the outcome is counted whatever it is
}

// admit lets a call through, or says who is left alone at the moment.
func (b *breakers) admit(use upstream) (pass, *openError) {
	if use == free {
		return pass{}, nil
	}
	p := pass{use: use, upstream: b.upstream.Load(), plugin: b.plugin.Load()}
	if use == starts {
		if wait := p.upstream.wait(); wait > 0 {
			return pass{}, &openError{wait: wait}
		}
	}
	ran, err := p.plugin.enter()
	if open, ok := errors.AsType[*openError](err); ok {
		open.plugin = true
		return pass{}, open
	}
	p.ran = ran
	if use == asks {
		asked, err := p.upstream.enter()
		if open, ok := errors.AsType[*openError](err); ok {
			ran(errExcluded)
			return pass{}, open
		}
		p.asked = asked
	}
	return p, nil
}

// settle counts what became of the call, and returns the breakers that opened or closed by it.
func (p pass) settle(failure *CallError) (turned []*breaker) {
	if p.use == free {
		return nil
	}
	p.ran(pluginOutcome(failure))
	asked := upstreamOutcome(failure, p.upstream.until.Load() != 0)
	switch {
	case p.asked != nil:
		p.asked(asked)
	case p.use == starts && errors.Is(asked, errCounts):
		if done, err := p.upstream.gate.Allow(); err == nil {
			done(asked)
		}
	}
	for _, b := range []*breaker{p.upstream, p.plugin} {
		if b.turned.Load() && b.turned.Swap(false) {
			turned = append(turned, b)
		}
	}
	return turned
}

// upstreamOutcome: timeouts count although the plugin may be at fault for them, since its health is looked at. That
// a person was refused is no failure, but shows a half open breaker that the identity provider is back.
func upstreamOutcome(failure *CallError, open bool) error {
	switch {
	case failure == nil:
		return nil
	case failure.Kind == KindUpstream, failure.Kind == KindUpstreamTimeout:
		return errCounts
	case open && (failure.Kind == KindDenied || failure.Kind == KindExpired):
		return nil
	}
	return errExcluded
}

// pluginOutcome: an answer that is not believed, or is too large, says nothing, since what a single person is told by the identity
// provider may bring it about.
func pluginOutcome(failure *CallError) error {
	switch {
	case failure == nil:
		return nil
	case errors.Is(failure, ErrUnsupported), errors.Is(failure, errUnusable), status.Code(failure.Err) == codes.ResourceExhausted:
		return errExcluded
	case failure.Kind == KindFault, failure.lost:
		return errCounts
	case failure.Kind == KindUnavailable, failure.Kind == KindCanceled, failure.Kind == KindUpstreamTimeout:
		return errExcluded
	}
	return nil // it answered
}
