package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/authd/authd/sdk"
)

// method is one call of a provider.
type method[T any] struct {
	name    string
	timeout time.Duration
	again   bool           // it may be made twice
	needs   sdk.Capability // "" if every provider has it
	call    func(context.Context, *sdk.Client) (T, error)
	check   func(*instance, T) error // :: nil when there is nothing to judge

	upstream upstream
}

// attemptsMax bounds how often a call that has not reached a plugin is made.
const attemptsMax = 3

// do makes the call, if there is room for it and no breaker is open.
func do[T any](ctx context.Context, p *Provider, m method[T]) (T, error) {
	var none T
	if err := p.enter(); err != nil {
		return none, p.callError(ctx, m.name, err)
	}
	defer p.leave()
	pass, open := p.breakers.admit(m.upstream)
	if open != nil {
		return none, p.refusal(m.name, open)
	}
	answer, failure := perform(ctx, p, m)
	for _, b := range pass.settle(failure) {
		p.turned(b)
	}
	if failure != nil {
		return none, failure
	}
	return answer, nil
}

// perform makes the call. While the process is being replaced it waits, as all callers then do for the same process.
// A call is made again when it can't have reached the plugin, or once when it may be made twice.
func perform[T any](ctx context.Context, p *Provider, m method[T]) (T, *CallError) {
	var none T
	for attempt, again := 1, m.again; ; attempt++ {
		in, failure := p.instance(ctx, m.name)
		if failure != nil {
			return none, failure
		}
		if m.needs != "" && !slices.Contains(in.configured.Capabilities, m.needs) {
			in.leave()
			return none, p.callError(ctx, m.name, ErrUnsupported)
		}
		answer, sent, err := try(ctx, in, m)
		in.leave()
		if err == nil {
			return answer, nil
		}
		if attempt < attemptsMax && (!sent || again) && lost(ctx, in, err) {
			again = again && !sent
			continue
		}
		return none, p.callError(ctx, m.name, err)
	}
}

// try makes the call once. sent tells whether it may have reached the plugin.
func try[T any](ctx context.Context, in *instance, m method[T]) (answer T, sent bool, err error) {
	var reached atomic.Bool
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, sentKey{}, &reached), in.patience(m.timeout))
	defer cancel()
	answer, err = m.call(ctx, in.rpc)
	if err == nil && m.check != nil {
		if err := m.check(in, answer); err != nil {
			var none T
			return none, true, &sdk.Error{Source: sdk.SourcePlugin, Description: "unusable answer: " + err.Error(), Err: errUnusable}
		}
	}
	if status.Code(err) == codes.DeadlineExceeded {
		in.doubt()
	}
	return answer, reached.Load(), err
}

// lost reports whether the call failed because the process is gone. The connection breaks a moment before the
// process is known to have ended.
func lost(ctx context.Context, in *instance, err error) bool {
	if !broken(ctx, err) {
		return false
	}
	if sleep(ctx, endTime, in.exited) || ctx.Err() != nil {
		in.doubt()
		return false
	}
	return true
}

// broken reports whether the connection failed: it broke, or was closed since the process has ended.
func broken(ctx context.Context, err error) bool {
	var answered *sdk.Error
	if errors.As(err, &answered) || ctx.Err() != nil {
		return false
	}
	code := status.Code(err)
	return code == codes.Unavailable || code == codes.Canceled
}

// enter takes one of the places for calls.
func (p *Provider) enter() error {
	if p.stopping.Load() {
		return ErrStopped
	}
	if !p.calls.TryAcquire(1) {
		return fmt.Errorf("%w (%d)", ErrOverloaded, callsMax)
	}
	p.inFlight.Add(1)
	return nil
}

func (p *Provider) leave() {
	p.inFlight.Add(-1)
	p.calls.Release(1)
}

// instance returns the process that answers, waiting for it for a while. The caller leaves it.
func (p *Provider) instance(ctx context.Context, name string) (*instance, *CallError) {
	for {
		in := p.board.ready()
		if in == nil {
			var err error
			var retryAfter time.Duration
			if in, retryAfter, err = p.board.wait(ctx, p.launcher.timing.wait); err != nil {
				failure := p.callError(ctx, name, err)
				failure.RetryAfter = max(failure.RetryAfter, retryAfter)
				return nil, failure
			}
		}
		if in.enter() {
			return in, nil
		}
		// Another has just taken over.
	}
}

// refusal is the error of a call that a breaker did not let through.
func (p *Provider) refusal(name string, open *openError) *CallError {
	kind := KindUpstream
	if open.plugin {
		kind = KindUnavailable
	}
	return &CallError{Provider: p.id, Method: name, Kind: kind, RetryAfter: open.wait, Err: open}
}

// turned tells that a breaker has opened or closed.
func (p *Provider) turned(b *breaker) {
	if p.stopping.Load() {
		return
	}
	kind, wait := EventBreakerClosed, b.wait()
	if wait > 0 {
		kind = EventBreakerOpened
		p.log().Warn("provider fails too often; calls are refused for a while", "plugin_at_fault", b == p.breakers.plugin.Load(), "retry_in", wait.Round(time.Millisecond))
	} else {
		p.log().Info("provider answers again; calls are made")
	}
	p.tell(kind, func(*Status) {})
}

// callError says what the error of a call means.
func (p *Provider) callError(ctx context.Context, name string, err error) *CallError {
	out := &CallError{Provider: p.id, Method: name, Err: p.tidy(err)}
	var answered *sdk.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		out.Kind, out.Err = KindCanceled, fmt.Errorf("%w: %w", context.Canceled, out.Err)
	case errors.As(out.Err, &answered):
		out.Kind, out.RetryAfter = kindOf(answered), answered.RetryAfter
	case errors.Is(err, errMisconfigured):
		out.Kind = KindConfig
	case errors.Is(err, ErrUnsupported):
		out.Kind = KindFault
	case errors.Is(err, ErrNotReady), errors.Is(err, ErrStopped), errors.Is(err, ErrOverloaded):
		out.Kind, out.RetryAfter = KindUnavailable, time.Second
	case errors.Is(err, context.DeadlineExceeded), status.Code(err) == codes.DeadlineExceeded:
		out.Kind = KindUpstreamTimeout
	case broken(ctx, err):
		out.Kind, out.RetryAfter, out.lost = KindUnavailable, time.Second, true
	case status.Code(err) == codes.Unimplemented:
		out.Kind, out.Err = KindFault, fmt.Errorf("%w: %w", ErrUnsupported, out.Err)
	default:
		out.Kind = KindFault
	}
	return out
}

// kindOf maps what a plugin said of its error.
func kindOf(e *sdk.Error) Kind {
	switch {
	case e.Source == sdk.SourceUser && e.Code == "invalid_grant":
		return KindExpired
	case e.Source == sdk.SourceUser:
		return KindDenied
	case e.Source == sdk.SourceConfig:
		return KindConfig
	case e.Source == sdk.SourceUpstream && e.Timeout:
		return KindUpstreamTimeout
	case e.Source == sdk.SourceUpstream:
		return KindUpstream
	}
	return KindFault
}

const (
	errorTextMax  = 2 << 10
	retryAfterMax = time.Hour
)

// tidy makes an error fit for a log: what a plugin has put into it is masked, escaped and shortened.
func (p *Provider) tidy(err error) error {
	var answered *sdk.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answered):
		return &sdk.Error{
			Source: answered.Source, Code: p.tidyText(answered.Code), Description: p.tidyText(answered.Description),
			RetryAfter: max(0, min(answered.RetryAfter, retryAfterMax)), HTTPStatus: answered.HTTPStatus,
			Timeout: answered.Timeout, Diagnostics: p.tidyFindings(slices.Clone(answered.Diagnostics)),
			Err: keptCause(answered.Err),
		}
	}
	if st, ok := status.FromError(err); ok {
		return status.Error(st.Code(), p.tidyText(st.Message()))
	}
	return err
}

// keptCause is the one cause that says nothing of what a plugin wrote.
func keptCause(err error) error {
	if errors.Is(err, errUnusable) {
		return errUnusable
	}
	return nil
}

func (p *Provider) tidyText(text string) string {
	return clean(shorten(p.wanted.Load().redact.redact(text), errorTextMax))
}

// tidyFindings is tidy for diagnostics; it changes the slice.
func (p *Provider) tidyFindings(found []sdk.Diagnostic) []sdk.Diagnostic {
	found = found[:min(len(found), findingsMax)]
	for i, d := range found {
		found[i] = sdk.Diagnostic{
			Severity: d.Severity, Setting: p.tidyText(d.Setting), Summary: p.tidyText(d.Summary), Detail: p.tidyText(d.Detail),
		}
	}
	return found
}
