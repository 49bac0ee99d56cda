package catalog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/authd/authd/sdk"
)

// start runs the supervisor, unless the provider can't be started at all.
func (p *Provider) start(ctx context.Context) {
	if state, problem := p.hopeless(); problem != "" {
		p.log.Error("provider is not started", "state", state, "problem", problem)
		p.change(nil, time.Time{}, func(s *Status) { s.State, s.Problem = state, problem })
		return
	}
	p.change(nil, time.Time{}, func(s *Status) { s.State = StateStarting })
	ctx, p.cancel = context.WithCancel(ctx)
	p.finished = make(chan struct{})
	go p.run(ctx)
}

// hopeless says why the provider is never started; problem is empty when it can be.
func (p *Provider) hopeless() (state State, problem string) {
	switch {
	case p.cfg.Problem != "":
		return StateMisconfigured, fmt.Sprintf("provider %s: %s", p.cfg.ID, p.cfg.Problem)
	case p.cfg.Plugin.Path == "":
		return StateRefused, fmt.Sprintf("provider %s: no plugin serves type %s; put authd-provider-%s into a plugins directory", p.cfg.ID, p.cfg.Type, p.cfg.Type)
	case p.cfg.Plugin.Refused != "":
		return StateRefused, fmt.Sprintf("provider %s: plugin %s %s", p.cfg.ID, p.cfg.Plugin.Path, p.cfg.Plugin.Refused)
	}
	return "", ""
}

// stop ends the provider. It lets calls in flight end first; when ctx ends nothing is waited for any longer.
func (p *Provider) stop(ctx context.Context) error {
	p.stopping.Store(true)
	if p.board.ready() != nil {
		draining, cancel := context.WithTimeout(ctx, p.launcher.timing.drain)
		_ = p.calls.Acquire(draining, callsMax)
		cancel()
	}
	if p.finished == nil {
		p.change(nil, time.Time{}, func(s *Status) { s.State = StateStopped })
		return nil
	}
	p.cancel()
	select {
	case <-p.finished:
		return nil
	case <-ctx.Done():
	}
	running := p.process.Load()
	if running != nil {
		running.kill()
	}
	select {
	case <-p.finished:
		return nil
	case <-time.After(time.Second):
		return fmt.Errorf("provider %s: its process can't be ended", p.cfg.ID)
	}
}

// run starts the process, and again whenever it ends, until ctx ends.
func (p *Provider) run(ctx context.Context) {
	defer close(p.finished)
	defer p.cleanups.Wait()
	for failures, restarts := 0, 0; ; restarts++ {
		ready, err := p.once(ctx, restarts)
		if ctx.Err() == nil && errors.Is(err, errMisconfigured) {
			p.fail(StateMisconfigured, err, time.Time{})
			<-ctx.Done()
		}
		if ready >= p.launcher.timing.reset {
			failures = 0
		}
		delay := p.delay(failures)
		failures++
		if ctx.Err() == nil {
			p.fail(StateBackoff, err, time.Now().Add(delay))
		}
		if !sleep(ctx, delay, nil) {
			p.log.Info("provider stopped")
			p.change(nil, time.Time{}, func(s *Status) { s.State, s.PID, s.Problem = StateStopped, 0, "" })
			return
		}
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

// once takes one process through its life, and returns for how long it was ready and why it ended.
func (p *Provider) once(ctx context.Context, restarts int) (ready time.Duration, err error) {
	if restarts > 0 {
		p.change(nil, time.Time{}, func(s *Status) { s.State, s.PID, s.Restarts = StateStarting, 0, restarts })
	}
	proc, err := p.launch(ctx)
	if err != nil {
		return 0, fmt.Errorf("plugin %s %w", p.cfg.Plugin.Path, err)
	}
	p.process.Store(proc)
	// Not waited for: the next process need not wait until everything of this one is cleared away.
	defer p.cleanups.Go(proc.stop)
	p.log.Debug("plugin started", "pid", proc.pid)

	in, err := p.configure(ctx, proc)
	if err == nil {
		began := time.Now()
		p.change(in, time.Time{}, func(s *Status) { s.State, s.PID, s.Problem = StateReady, proc.pid, "" })
		p.log.Info("provider ready", "pid", proc.pid, "version", p.Status().Version)
		select {
		case <-proc.exited:
		case <-ctx.Done():
			return time.Since(began), ctx.Err()
		}
		ready = time.Since(began)
	}
	if err == nil || endsSoon(proc, err) {
		err = fmt.Errorf("plugin %s %w", p.cfg.Plugin.Path, proc.end())
	}
	return ready, err
}

// endsSoon reports whether a call failed because the process is ending.
func endsSoon(proc *process, err error) bool {
	if status.Code(err) != codes.Unavailable {
		return !proc.alive()
	}
	select {
	case <-proc.exited:
		return true
	case <-time.After(endTime):
		return false
	}
}

// launch starts a process when it is its turn.
func (p *Provider) launch(ctx context.Context) (*process, error) {
	if err := p.slots.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer p.slots.Release(1)
	log := newProcessLog(p.log, p.redact, p.quota)
	return p.launcher.launch(ctx, p.cfg.Plugin, p.cfg.Env, log)
}

// configure makes the process the provider. While the identity provider can't be reached it goes on trying with
// the same process.
func (p *Provider) configure(ctx context.Context, proc *process) (*instance, error) {
	if err := p.describe(ctx, proc); err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		configured, err := p.configureOnce(ctx, proc)
		if err == nil {
			held, err := checkConfigured(configured, p.cfg.InsecureHTTP)
			if err != nil {
				return nil, fmt.Errorf("plugin %s can't be used: %w", p.cfg.Plugin.Path, p.tidy(err))
			}
			return &instance{process: proc, configured: *configured, pins: held}, nil
		}
		var fault *sdk.Error
		known := errors.As(err, &fault)
		switch {
		case known && fault.Source == sdk.SourceConfig:
			return nil, fmt.Errorf("%w: %s", errMisconfigured, p.findings(fault))
		case known && fault.Source == sdk.SourceUpstream:
		case status.Code(err) == codes.DeadlineExceeded && ctx.Err() == nil:
			proc.doubt()
		default:
			return nil, fmt.Errorf("plugin %s: Configure: %w", p.cfg.Plugin.Path, p.tidy(err))
		}
		delay := p.delay(attempt)
		if known {
			delay = max(delay, min(fault.RetryAfter, 5*time.Minute))
		}
		p.waiting(proc, p.tidy(err), time.Now().Add(delay))
		if !sleep(ctx, delay, proc.exited) {
			return nil, errors.Join(ctx.Err(), err)
		}
	}
}

// describe checks that the plugin serves the type.
func (p *Provider) describe(ctx context.Context, proc *process) error {
	ctx, cancel := context.WithTimeout(ctx, p.launcher.timing.describe)
	defer cancel()
	m, err := proc.rpc.Describe(ctx)
	if err != nil {
		return fmt.Errorf("plugin %s: Describe: %w", p.cfg.Plugin.Path, p.tidy(err))
	}
	if err := checkManifest(m); err != nil {
		return fmt.Errorf("plugin %s can't be used: %w", p.cfg.Plugin.Path, p.tidy(err))
	}
	if _, served := m.Type(p.cfg.Type); !served {
		var names []string
		for _, t := range m.Types {
			names = append(names, t.Name)
		}
		return fmt.Errorf("%w: plugin %s serves no type %s; it serves %s", errMisconfigured, p.cfg.Plugin.Path, p.cfg.Type, strings.Join(names, ", "))
	}
	p.board.set(nil, time.Time{}, func(s *Status) { s.Version, s.PID = m.Version, proc.pid })
	return nil
}

func (p *Provider) configureOnce(ctx context.Context, proc *process) (*sdk.Configured, error) {
	ctx, cancel := context.WithTimeout(ctx, p.launcher.timing.configure)
	defer cancel()
	return proc.rpc.Configure(ctx, sdk.ConfigureRequest{
		Type: p.cfg.Type, ID: p.cfg.ID, Settings: p.cfg.Settings, Scopes: p.cfg.Scopes,
		InsecureHTTP: p.cfg.InsecureHTTP, CAPEM: p.cfg.CAPEM,
	})
}

// findings puts what is wrong with the settings into one sentence.
func (p *Provider) findings(fault *sdk.Error) string {
	tidy, ok := p.tidy(fault).(*sdk.Error)
	if !ok || len(tidy.Diagnostics) == 0 {
		return p.tidy(fault).Error()
	}
	var lines []string
	for _, d := range tidy.Diagnostics {
		lines = append(lines, d.String())
	}
	slices.Sort(lines)
	return strings.Join(lines, "; ")
}

// waiting records that the identity provider can't be reached; the process stays.
func (p *Provider) waiting(proc *process, err error, retry time.Time) {
	problem := fmt.Sprintf("provider %s: its identity provider can't be used yet: %v; trying again", p.cfg.ID, err)
	p.log.Warn("provider is waiting for its identity provider", "error", err, "retry_in", time.Until(retry).Round(time.Millisecond))
	p.change(nil, retry, func(s *Status) { s.State, s.PID, s.Problem = StateBackoff, proc.pid, problem })
}

// fail records why there is no process.
func (p *Provider) fail(state State, err error, retry time.Time) {
	problem := fmt.Sprintf("provider %s: %s", p.cfg.ID, strings.TrimPrefix(err.Error(), errMisconfigured.Error()+": "))
	p.log.Error("provider failed", "state", state, "problem", problem)
	p.change(nil, retry, func(s *Status) { s.State, s.PID, s.Problem = state, 0, problem })
}

// change records the new status and tells of it.
func (p *Provider) change(in *instance, retry time.Time, change func(*Status)) {
	status := p.board.set(in, retry, change)
	p.event(Event{Provider: p.cfg.ID, Plugin: p.cfg.Plugin.Path, Status: p.live(status)})
}
