package catalog

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/authd/authd/sdk"
)

// State is where a provider stands.
type State string

// The states.
const (
	// StateStarting: its process is being started and configured.
	StateStarting State = "starting"
	// StateReady: calls are answered.
	StateReady State = "ready"
	// StateAttached: calls are answered, by a process that was started by hand, for a debugger.
	StateAttached State = "attached"
	// StateBackoff: it failed and is tried again later, by itself.
	StateBackoff State = "backoff"
	// StateQuarantined: it failed so often that it is tried only now and then, until its plugin or settings change
	// or Provider.Restart is called.
	StateQuarantined State = "quarantined"
	// StateMisconfigured: its settings are wrong; nothing happens before they are changed.
	StateMisconfigured State = "misconfigured"
	// StateRefused: its plugin is missing or must not be run.
	StateRefused State = "refused"
	// StateStopped: it was stopped, or not started yet.
	StateStopped State = "stopped"
)

// Status is what an operator wants to know of a provider.
type Status struct {
	State State
	// Problem is a sentence that says what is wrong and how to mend it; empty when nothing is.
	Problem string
	// Since is when the state began.
	Since time.Time
	// RetryAt is when the next attempt begins, in StateBackoff and StateQuarantined.
	RetryAt time.Time
	// PID of the process; 0 when there is none.
	PID int
	// Sandbox that the process really is in, such as "basic" or "strict (Landlock 7, seccomp) as nobody"; empty when
	// there is no process.
	Sandbox string
	// Restarts counts the starts after the first, Swaps how often another process took over while one was serving.
	Restarts, Swaps int
	// Version that the plugin reports; empty until it has.
	Version string
	// Plugin is the path of the executable that serves, SHA256 its digest in hex; empty until it is known.
	Plugin, SHA256 string
	// CandidateProblem says why a new plugin or configuration could not take over from the one that serves; empty
	// when none is wanted.
	CandidateProblem string
	// CandidateFailures counts how often that happened.
	CandidateFailures int
	// BreakerOpenUntil is until when calls are refused because too many have failed; zero: they are made. In the
	// past: one is let through, to see.
	BreakerOpenUntil time.Time
	// InFlight counts the calls that are being made now.
	InFlight int
	// LinesDropped counts the log lines that were over the limit.
	LinesDropped uint64
}

// Degraded reports whether the provider serves with another plugin or configuration than the one wanted.
func (s Status) Degraded() bool { return s.CandidateProblem != "" }

// instance is a process that has been configured, with what it is held to.
type instance struct {
	*process
	spec       *spec
	configured sdk.Configured
	pins       pins
	version    string
	began      time.Time
	places     *semaphore.Weighted // calls in flight in it; all taken once another serves
}

// enter takes a place for a call, unless another instance has taken over. The caller leaves.
func (in *instance) enter() bool { return in.places.TryAcquire(1) }

func (in *instance) leave() { in.places.Release(1) }

// board is what a provider's supervisor writes and everybody else reads.
type board struct {
	current atomic.Pointer[instance] // :: nil unless ready; may have ended a moment ago
	known   atomic.Pointer[sdk.Configured]

	mu      sync.Mutex
	status  Status
	changed chan struct{} // closed at the next change
}

func newBoard() *board {
	return &board{status: Status{State: StateStopped, Since: time.Now()}, changed: make(chan struct{})}
}

// set records a change and wakes who waits for it. It returns the new status.
func (b *board) set(in *instance, retry time.Time, change func(*Status)) Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.current.Store(in)
	if in != nil {
		b.known.Store(&in.configured)
	}
	b.status.RetryAt = retry
	b.status.Since = time.Now()
	return b.write(change)
}

// note records a change that leaves the state as it is.
func (b *board) note(change func(*Status)) Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.write(change)
}

func (b *board) write(change func(*Status)) Status {
	change(&b.status)
	close(b.changed)
	b.changed = make(chan struct{})
	return b.status
}

// read returns the status and a channel that is closed when it changes.
func (b *board) read() (Status, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status, b.changed
}

// ready returns the instance, if there is one and its process runs.
func (b *board) ready() *instance {
	if in := b.current.Load(); in != nil && in.alive() {
		return in
	}
	return nil
}

// wait returns the instance as soon as there is one. It does not wait for what can't come in time: the error then
// says why, and retryAfter when it may help to try again.
func (b *board) wait(ctx context.Context, patience time.Duration) (in *instance, retryAfter time.Duration, err error) {
	end := time.Now().Add(patience)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		status, changed := b.read()
		if in := b.ready(); in != nil {
			return in, 0, nil
		}
		switch status.State {
		case StateMisconfigured:
			return nil, 0, fmt.Errorf("%w: %w: %s", ErrNotReady, errMisconfigured, status.Problem)
		case StateRefused:
			return nil, 0, fmt.Errorf("%w: %s", ErrNotReady, status.Problem)
		case StateStopped:
			return nil, 0, ErrStopped
		case StateBackoff, StateQuarantined:
			if status.RetryAt.After(end) {
				return nil, time.Until(status.RetryAt), fmt.Errorf("%w: %s", ErrNotReady, status.Problem)
			}
		}
		select {
		case <-changed:
		case <-timer.C:
			return nil, time.Second, fmt.Errorf("%w after %v: %s", ErrNotReady, patience, status.State)
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
}
