package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/authd/authd/sdk"
)

// waiter is told that a process waits for its identity provider, why, and until when.
type waiter func(proc *process, err error, retry time.Time)

// attempt brings one process up to where it could serve. It ends with ctx.
func (p *Provider) attempt(ctx context.Context, s *spec, waits waiter) (*instance, error) {
	s.look()
	proc, err := p.launch(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("plugin %s %w", s.cfg.Plugin.Path, err)
	}
	p.alive.Store(proc, true)
	s.log.Debug("plugin started", "pid", proc.pid)
	in, err := p.configure(ctx, s, proc, waits)
	if err == nil {
		in.began = time.Now()
		return in, nil
	}
	if endsSoon(proc, err) {
		err = fmt.Errorf("plugin %s %w", s.cfg.Plugin.Path, proc.end())
	}
	p.discard(proc)
	return nil, err
}

// discard stops a process. It is not waited for: the next process need not wait until everything of this one is
// cleared away.
func (p *Provider) discard(proc *process) {
	p.cleanups.Go(func() {
		proc.stop()
		p.alive.Delete(proc)
	})
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
func (p *Provider) launch(ctx context.Context, s *spec) (*process, error) {
	if a := s.cfg.Plugin.attached; a != nil {
		s.log.Warn("a debugged plugin is in use: authd neither watches nor confines it, and waits for it", "pid", a.pid, "patience", DebugPatience)
		return a.attach(ctx)
	}
	if err := p.slots.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer p.slots.Release(1)
	log := newProcessLog(s.log, s.redact, p.quota)
	return p.launcher.launch(ctx, *s.plugin.Load(), s.cfg.Sandbox, s.cfg.Env, log)
}

// configure makes the process the provider. While the identity provider can't be reached it goes on trying with
// the same process.
func (p *Provider) configure(ctx context.Context, s *spec, proc *process, waits waiter) (*instance, error) {
	version, err := p.describe(ctx, s, proc)
	if err != nil {
		return nil, err
	}
	path := s.cfg.Plugin.Path
	for attempt := 1; ; attempt++ {
		configured, err := p.configureOnce(ctx, s, proc)
		if err == nil {
			held, err := checkConfigured(configured, s.cfg.InsecureHTTP)
			if err != nil {
				return nil, fmt.Errorf("plugin %s can't be used: %w", path, p.tidy(err))
			}
			return &instance{
				process: proc, spec: s, configured: *configured, pins: held, version: version,
				places: semaphore.NewWeighted(callsMax),
			}, nil
		}
		var fault *sdk.Error
		known := errors.As(err, &fault)
		switch {
		case known && fault.Source == sdk.SourceConfig:
			return nil, fmt.Errorf("%w: %s", errMisconfigured, p.findings(fault))
		case known && fault.Source == sdk.SourceUpstream:
		case proc.detach != nil && status.Code(err) == codes.FailedPrecondition:
			return nil, fmt.Errorf("%w: the debugged plugin is configured already, and takes settings once; end it, %s", errMisconfigured, mendAttached)
		case status.Code(err) == codes.DeadlineExceeded && ctx.Err() == nil:
			proc.doubt()
		default:
			return nil, fmt.Errorf("plugin %s: Configure: %w", path, p.tidy(err))
		}
		delay := p.delay(attempt)
		if known {
			delay = max(delay, min(fault.RetryAfter, 5*time.Minute))
		}
		waits(proc, p.tidy(err), time.Now().Add(delay))
		if !sleep(ctx, delay, proc.exited) {
			return nil, errors.Join(ctx.Err(), err)
		}
	}
}

// describe checks that the plugin serves the type, and returns its version.
func (p *Provider) describe(ctx context.Context, s *spec, proc *process) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, proc.patience(p.launcher.timing.describe))
	defer cancel()
	path := s.cfg.Plugin.Path
	m, err := proc.rpc.Describe(ctx)
	if err != nil {
		return "", fmt.Errorf("plugin %s: Describe: %w", path, p.tidy(err))
	}
	if err := checkManifest(m); err != nil {
		return "", fmt.Errorf("plugin %s can't be used: %w", path, p.tidy(err))
	}
	if _, served := m.Type(s.cfg.Type); !served {
		var names []string
		for _, t := range m.Types {
			names = append(names, t.Name)
		}
		return "", fmt.Errorf("%w: plugin %s serves no type %s; it serves %s", errMisconfigured, path, s.cfg.Type, strings.Join(names, ", "))
	}
	return m.Version, nil
}

func (p *Provider) configureOnce(ctx context.Context, s *spec, proc *process) (*sdk.Configured, error) {
	ctx, cancel := context.WithTimeout(ctx, proc.patience(p.launcher.timing.configure))
	defer cancel()
	c := &s.cfg
	return proc.rpc.Configure(ctx, sdk.ConfigureRequest{
		Type: c.Type, ID: c.ID, Settings: c.Settings, Scopes: c.Scopes, InsecureHTTP: c.InsecureHTTP, CAPEM: c.CAPEM,
	})
}

// findings puts what is wrong with the settings into one sentence.
func (p *Provider) findings(fault *sdk.Error) string {
	tidy, ok := p.tidy(fault).(*sdk.Error)
	if !ok || len(tidy.Diagnostics) == 0 {
		return p.tidy(fault).Error()
	}
	return sentence(tidy.Diagnostics)
}

func sentence(found []sdk.Diagnostic) string {
	var lines []string
	for _, d := range found {
		lines = append(lines, d.String())
	}
	slices.Sort(lines)
	return strings.Join(lines, "; ")
}
