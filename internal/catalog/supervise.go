package catalog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
)

// exitsMax is how often a process may end, or fail to start, within timing.window before the provider is quarantined.
const exitsMax = 10

// start runs the supervisor.
func (p *Provider) start(ctx context.Context) {
	if state, problem := p.wanted.Load().hopeless(); problem != "" {
		p.shelve(state, problem)
	} else {
		p.change(EventState, nil, time.Time{}, func(s *Status) { s.State = StateStarting })
	}
	ctx, p.cancel = context.WithCancel(ctx)
	p.finished = make(chan struct{})
	go p.run(ctx)
}

// stop ends the provider. It lets calls in flight end first, for as long as drain says; when ctx ends nothing is waited
// for any longer.
func (p *Provider) stop(ctx context.Context, drain time.Duration) error {
	p.stopping.Store(true)
	if p.board.ready() != nil {
		draining, cancel := context.WithTimeout(ctx, drain)
		_ = p.calls.Acquire(draining, callsMax)
		cancel()
	}
	if p.finished == nil {
		p.change(EventState, nil, time.Time{}, func(s *Status) { s.State = StateStopped })
		return nil
	}
	p.cancel()
	select {
	case <-p.finished:
		return nil
	case <-ctx.Done():
	}
	p.alive.Range(func(proc, _ any) bool {
		if running, ok := proc.(*process); ok {
			running.kill()
		}
		return true
	})
	select {
	case <-p.finished:
		return nil
	case <-time.After(time.Second):
		return fmt.Errorf("provider %s: its process can't be ended", p.id)
	}
}

// supervisor is what the one goroutine knows that brings about what is wanted.
type supervisor struct {
	*Provider
	good  *spec            // :: nil before a process was ready; the configuration of the last that was
	bad   *spec            // :: nil, or the wanted one when it has failed and good is to serve
	again <-chan time.Time // :: nil, or when to try bad once more

	starts      int
	failures    int // in a row
	exits       []time.Time
	quarantined bool
}

// run has one process serve, and another whenever that ends or another is wanted, until ctx ends.
func (p *Provider) run(ctx context.Context) {
	defer close(p.finished)
	defer p.cleanups.Wait()
	s := &supervisor{Provider: p}
	for {
		in := s.rise(ctx)
		if in == nil {
			break
		}
		s.keep(ctx, in)
	}
	p.log().Info("provider stopped")
	p.change(EventState, nil, time.Time{}, func(s *Status) {
		s.State, s.PID, s.Problem, s.CandidateProblem = StateStopped, 0, "", ""
	})
}

// rise starts processes until one is ready. It returns nil when ctx has ended.
func (s *supervisor) rise(ctx context.Context) *instance {
	for ctx.Err() == nil {
		wanted := s.wanted.Load()
		chosen := s.choose(wanted)
		if state, problem := chosen.hopeless(); problem != "" {
			s.shelve(state, problem)
			s.fresh()
			pause(ctx, -1, wanted.superseded)
			continue
		}
		if now, _ := s.board.read(); s.starts > 0 || now.State != StateStarting {
			s.change(EventState, nil, time.Time{}, func(st *Status) { st.State, st.PID, st.Restarts = StateStarting, 0, s.starts })
		}
		s.starts++
		attempt, cancel := s.until(ctx, wanted.superseded, nil)
		in, err := s.attempt(attempt, chosen, s.waiting)
		cancel()
		if err == nil {
			s.serve(ctx, in)
			return in
		}
		s.setback(ctx, wanted, chosen, err)
	}
	return nil
}

// choose prefers what is wanted, unless that has failed and what served before still can.
func (s *supervisor) choose(wanted *spec) *spec {
	if wanted.withdrawn() || s.good == nil || s.good == wanted {
		return wanted
	}
	if _, problem := wanted.hopeless(); (problem != "" || s.bad == wanted) && s.good.intact(s.launcher.files) {
		if problem != "" && s.bad != wanted {
			s.reject(wanted, fmt.Errorf("%w: %s", errMisconfigured, wanted.mend()))
		}
		return s.good
	}
	return wanted
}

// serve has the instance answer calls.
func (s *supervisor) serve(ctx context.Context, in *instance) {
	s.process.Store(in.process)
	s.good = in.spec
	if in.spec == s.wanted.Load() {
		s.bad, s.again = nil, nil
	}
	s.change(EventState, in, time.Time{}, func(st *Status) {
		in.describe(st)
		if s.bad == nil {
			st.CandidateProblem = ""
		}
	})
	s.log().Info("provider ready", "pid", in.pid, "version", in.version)
	s.cleanups.Go(func() { s.digest(ctx, in) })
}

// describe fills in what is known of the instance that serves from now on.
func (in *instance) describe(s *Status) {
	s.State, s.PID, s.Problem = in.readyState(), in.pid, ""
	s.Version, s.Plugin, s.SHA256, s.Sandbox = in.version, in.spec.cfg.Plugin.Path, "", in.sandbox
}

// keep watches over the instance that serves, and has others take its place, until there is none.
func (s *supervisor) keep(ctx context.Context, in *instance) {
	for {
		wanted := s.wanted.Load()
		if wanted != in.spec && wanted != s.bad {
			if wanted.withdrawn() {
				s.shelve(wanted.hopeless())
				s.retire(ctx, in)
				return
			}
			if !wanted.forced && in.spec.same(wanted.cfg, s.launcher.files) {
				in = s.revert(in, wanted)
			} else if next := s.renew(ctx, in, wanted); next != nil {
				s.takeOver(ctx, in, next)
				in = next
			}
			// When it was interrupted, the reason follows at once.
		}
		select {
		case <-in.exited:
			s.ended(ctx, in)
			return
		case <-ctx.Done():
			s.discard(in.process)
			return
		case <-wanted.superseded:
			s.again = nil
		case <-s.again:
			s.bad, s.again = nil, nil
		}
	}
}

// ended deals with a process that was ready and has ended.
func (s *supervisor) ended(ctx context.Context, in *instance) {
	served := time.Since(in.began)
	err := fmt.Errorf("plugin %s %w", in.spec.cfg.Plugin.Path, in.end())
	s.discard(in.process)
	t := s.launcher.timing
	if in.hung.Load() {
		s.breakers.reset(t) // what timed out did so for the process
	}
	if served >= t.reset {
		s.fresh()
	}
	wanted := s.wanted.Load()
	if in.killedFromOutside() && served >= t.settle {
		s.fail(StateBackoff, err, time.Now())
		return
	}
	s.backOff(ctx, wanted, err)
}

// fresh forgets earlier failures.
func (s *supervisor) fresh() { s.failures, s.exits, s.quarantined = 0, nil, false }

// setback deals with an attempt that failed while nothing serves.
func (s *supervisor) setback(ctx context.Context, wanted, chosen *spec, err error) {
	if ctx.Err() != nil {
		return
	}
	if wanted != s.wanted.Load() {
		s.fresh()
		return
	}
	if chosen == wanted && s.good != nil && s.good != wanted {
		if s.bad != wanted && s.good.intact(s.launcher.files) {
			s.reject(wanted, err)
			return
		}
		err = fmt.Errorf("%w; what served before is gone", err)
	}
	if chosen != wanted {
		s.bad = nil // next time the wanted one has its turn
	}
	if chosen == wanted && errors.Is(err, errMisconfigured) {
		s.fresh()
		s.fail(StateMisconfigured, err, time.Time{})
		pause(ctx, -1, wanted.superseded)
		return
	}
	s.backOff(ctx, wanted, err)
}

// backOff waits before the next attempt: each time longer and, after too many, much longer.
func (s *supervisor) backOff(ctx context.Context, wanted *spec, err error) {
	t := s.launcher.timing
	now := time.Now()
	for len(s.exits) > 0 && now.Sub(s.exits[0]) > t.window {
		s.exits = s.exits[1:]
	}
	s.exits = append(s.exits, now)
	s.quarantined = s.quarantined || len(s.exits) > exitsMax
	state, delay := StateBackoff, s.delay(s.failures)
	s.failures++
	if errors.Is(err, errDetached) {
		delay = t.probe // only a new start of authd helps
	}
	if s.quarantined {
		state, delay = StateQuarantined, t.probe
		err = fmt.Errorf("%w; after %d failures it is only tried every %v: replace the plugin, change the settings or restart the provider", err, len(s.exits), t.probe)
	}
	s.fail(state, err, now.Add(delay))
	if !pause(ctx, delay, wanted.superseded) && ctx.Err() == nil {
		s.fresh()
	}
}

// delay before the next attempt, after so many failures in a row: none, then up to 100 ms, 200 ms, 400 ms … with
// full jitter, so that many providers that fail together are not started together.
func (p *Provider) delay(failures int) time.Duration {
	if failures == 0 {
		return 0
	}
	t := p.launcher.timing
	return rand.N(max(1, min(t.backoffMax, t.backoff<<min(failures-1, 20))))
}

// pause is sleep, for ever if d is negative.
func pause(ctx context.Context, d time.Duration, interrupt <-chan struct{}) bool {
	if d >= 0 {
		return sleep(ctx, d, interrupt)
	}
	select {
	case <-interrupt:
	case <-ctx.Done():
	}
	return false
}

// sleep reports whether the whole time has passed: not when ctx has ended or interrupt was closed.
func sleep(ctx context.Context, d time.Duration, interrupt <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-interrupt:
	case <-ctx.Done():
	}
	return false
}

// until returns a context that ends with ctx or when one of the channels is closed.
func (p *Provider) until(ctx context.Context, a, b <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	p.cleanups.Go(func() {
		defer cancel()
		select {
		case <-a:
		case <-b:
		case <-ctx.Done():
		}
	})
	return ctx, cancel
}

// log is where the provider's lines go.
func (p *Provider) log() hclog.Logger { return p.wanted.Load().log }

// shelve records that there is nothing to start.
func (p *Provider) shelve(state State, problem string) {
	if now, _ := p.board.read(); now.State == state && now.Problem == problem {
		return
	}
	p.log().Error("provider is not started", "state", state, "problem", problem)
	p.change(EventState, nil, time.Time{}, func(s *Status) {
		s.State, s.PID, s.Problem, s.CandidateProblem = state, 0, problem, ""
	})
}

// waiting records that the identity provider can't be reached; the process stays.
func (p *Provider) waiting(proc *process, err error, retry time.Time) {
	problem := fmt.Sprintf("provider %s: its identity provider can't be used yet: %v; trying again", p.id, err)
	p.log().Warn("provider is waiting for its identity provider", "error", err, "retry_in", time.Until(retry).Round(time.Millisecond))
	p.change(EventState, nil, retry, func(s *Status) { s.State, s.PID, s.Problem = StateBackoff, proc.pid, problem })
}

// fail records why there is no process.
func (p *Provider) fail(state State, err error, retry time.Time) {
	problem := fmt.Sprintf("provider %s: %s", p.id, blame(err))
	p.log().Error("provider failed", "state", state, "problem", problem)
	p.change(EventState, nil, retry, func(s *Status) { s.State, s.PID, s.Problem = state, 0, problem })
}

// blame is the text of an error without the sentinel.
func blame(err error) string { return strings.TrimPrefix(err.Error(), errMisconfigured.Error()+": ") }

// change records the new status and tells of it.
func (p *Provider) change(kind EventKind, in *instance, retry time.Time, change func(*Status)) {
	p.telling.Lock()
	defer p.telling.Unlock()
	p.send(kind, p.board.set(in, retry, change))
}

// tell tells of something that leaves the state as it is.
func (p *Provider) tell(kind EventKind, change func(*Status)) {
	p.telling.Lock()
	defer p.telling.Unlock()
	p.send(kind, p.board.note(change))
}

func (p *Provider) send(kind EventKind, status Status) {
	p.event(Event{Kind: kind, Provider: p.id, Plugin: p.wanted.Load().cfg.Plugin.Path, Status: p.live(status)})
}
