package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/authd/authd/sdk"
)

// writesMax is how often a candidate is tried whose file may still be being written.
const writesMax = 3

// renew brings up a process for what is wanted, while in serves. It returns nil when that failed, which is recorded,
// and when it was interrupted: because in has ended, something else is wanted, or ctx has ended.
func (s *supervisor) renew(ctx context.Context, in *instance, wanted *spec) *instance {
	if _, problem := wanted.hopeless(); problem != "" {
		s.reject(wanted, fmt.Errorf("%w: %s", errMisconfigured, wanted.mend()))
		return nil
	}
	ctx, cancel := s.until(ctx, wanted.superseded, in.exited)
	defer cancel()
	t := s.launcher.timing
	for try := 1; ; try++ {
		next, err := s.attempt(ctx, wanted, s.candidateWaits)
		var fault *unfitError
		if err == nil {
			if fault = s.examine(ctx, next); fault == nil && ctx.Err() == nil {
				return next
			}
			s.discard(next.process)
			err = fault
		}
		if ctx.Err() != nil {
			return nil
		}
		if fault == nil && !errors.Is(err, errMisconfigured) && unfinished(err, try, wanted.file.Load(), t) {
			if !sleep(ctx, t.rewrite, nil) {
				return nil
			}
			continue
		}
		s.reject(wanted, err)
		return nil
	}
}

// unfinished reports whether a file that failed for the try-th time may still be being written. One that is open for
// writing surely is, until nothing has been written for a while.
func unfinished(err error, try int, file *identity, t timing) bool {
	return file != nil && file.young(t.writing) && (try < writesMax || errors.Is(err, syscall.ETXTBSY))
}

// unfitError means that a candidate works and is not fit to take over.
type unfitError struct{ why string }

// Error implements error.
func (e *unfitError) Error() string { return "its check says: " + e.why }

// examine has a candidate look whether its identity provider is really usable, if it can do that. Only what a setting
// is to blame for keeps it from taking over: while the identity provider is down, it is as good as what serves.
func (s *supervisor) examine(ctx context.Context, in *instance) *unfitError {
	if !slices.Contains(in.configured.Capabilities, sdk.CapabilityCheck) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, in.patience(s.launcher.timing.check))
	defer cancel()
	found, err := in.rpc.Check(ctx)
	var fault *sdk.Error
	switch {
	case errors.As(err, &fault) && fault.Source == sdk.SourceConfig:
		return &unfitError{s.findings(fault)}
	case err != nil && endsSoon(in.process, err):
		return &unfitError{in.end().Error()}
	}
	bad := slices.DeleteFunc(found[:min(len(found), findingsMax)], func(d sdk.Diagnostic) bool {
		return d.Severity != sdk.SeverityError || d.Setting == ""
	})
	if len(bad) == 0 {
		return nil
	}
	return &unfitError{sentence(s.tidyFindings(bad))}
}

// takeOver has next answer calls in the place of in.
func (s *supervisor) takeOver(ctx context.Context, in, next *instance) {
	s.process.Store(next.process)
	s.good, s.bad, s.again = next.spec, nil, nil
	s.breakers.reset(s.launcher.timing)
	s.change(EventSwapped, next, time.Time{}, func(st *Status) {
		next.describe(st)
		st.CandidateProblem = ""
		st.Swaps++
	})
	s.log().Info("provider swapped", "pid", next.pid, "version", next.version, "old_pid", in.pid, "old_version", in.version)
	s.retire(ctx, in)
	s.cleanups.Go(func() { s.digest(ctx, next) })
}

// revert has the process that serves go on with what is wanted, since that is what it has: a change that failed was
// taken back.
func (s *supervisor) revert(in *instance, wanted *spec) *instance {
	wanted.file.Store(in.spec.file.Load())
	next := *in
	next.spec = wanted
	s.good, s.bad, s.again = wanted, nil, nil
	s.change(EventState, &next, time.Time{}, func(st *Status) { st.CandidateProblem = "" })
	return &next
}

// retire lets the calls in flight end in an instance that no longer serves, and stops it.
func (s *supervisor) retire(ctx context.Context, in *instance) {
	s.cleanups.Go(func() {
		draining, cancel := context.WithTimeout(ctx, s.launcher.timing.retire)
		defer cancel()
		_ = in.places.Acquire(draining, callsMax)
		in.process.stop()
		s.alive.Delete(in.process)
	})
}

// reject records that what is wanted can't serve. It is tried again now and then, unless only the operator can help.
func (s *supervisor) reject(wanted *spec, err error) {
	s.bad, s.again = wanted, nil
	if !errors.Is(err, errMisconfigured) {
		s.again = time.After(s.launcher.timing.probe)
	}
	s.candidateFailed(fmt.Sprintf("provider %s: the change can't be made and what served before goes on: %s", s.id, blame(err)))
}

// candidateWaits records that a candidate can't reach its identity provider; it goes on trying.
func (s *supervisor) candidateWaits(_ *process, err error, _ time.Time) {
	s.candidateFailed(fmt.Sprintf("provider %s: the change waits for the identity provider and what served before goes on: %v", s.id, err))
}

// candidateFailed tells of it, once for each problem.
func (s *supervisor) candidateFailed(problem string) {
	before, _ := s.board.read()
	change := func(st *Status) {
		st.CandidateProblem = problem
		st.CandidateFailures++
	}
	if before.CandidateProblem == problem {
		s.board.note(change)
		return
	}
	s.log().Error("provider can't be changed over", "problem", problem)
	s.tell(EventCandidateFailed, change)
}

// digest finds out which bytes serve. It takes its time, since a start must not wait for it.
func (s *supervisor) digest(ctx context.Context, in *instance) {
	file := in.spec.file.Load()
	if file == nil || !sleep(ctx, s.launcher.timing.digest, in.exited) {
		return
	}
	sum, id, err := s.launcher.files.of(in.spec.cfg.Plugin.Path)
	if err != nil || !id.sameBytes(*file) {
		return // it has been replaced already
	}
	s.board.note(func(st *Status) {
		if st.PID == in.pid {
			st.SHA256 = sum
		}
	})
}
