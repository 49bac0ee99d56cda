package catalog

import (
	"errors"
	"fmt"
	"time"
)

// The sentinels that a caller may ask for with errors.Is.
var (
	// ErrUnknownProvider means that no provider of that id is configured.
	ErrUnknownProvider = errors.New("no such provider")
	// ErrNotReady means that the provider's process is not there: starting, backing off, refused or misconfigured.
	ErrNotReady = errors.New("not ready")
	// ErrOverloaded means that as many calls as a provider may have are in flight.
	ErrOverloaded = errors.New("too many calls in flight")
	// ErrBreakerOpen means that so many calls failed that for a while none is made: CallError.RetryAfter.
	ErrBreakerOpen = errors.New("too many calls failed")
	// ErrUnsupported means that the provider does not have that capability.
	ErrUnsupported = errors.New("the provider can't do that")
	// ErrStopped means that the catalog has been stopped or not started yet, or that the provider was removed.
	ErrStopped = errors.New("stopped")

	// errUnusable means that an answer was not believed.
	errUnusable = errors.New("unusable answer")
	// errMisconfigured means that only the operator can help.
	errMisconfigured = errors.New("misconfigured")
)

// Kind says what a CallError means to the person who waits for the call.
type Kind int

// The kinds. Every error of a provider's call has one.
const (
	// KindFault is a fault of the plugin: a panic, an unusable or oversized answer, an unsupported method.
	KindFault Kind = iota
	// KindDenied: the person said no, or the identity provider refused the person.
	KindDenied
	// KindExpired: the code or refresh token is no longer good (invalid_grant); signing in again helps.
	KindExpired
	// KindConfig: the provider's settings are wrong; only the operator can mend it.
	KindConfig
	// KindUpstream: the identity provider failed.
	KindUpstream
	// KindUpstreamTimeout: no answer in time.
	KindUpstreamTimeout
	// KindUnavailable: the plugin is down, restarting or overloaded.
	KindUnavailable
	// KindCanceled: the caller gave up first.
	KindCanceled
)

// String returns a name for logs and metrics, such as "upstream_timeout".
func (k Kind) String() string {
	switch k {
	case KindDenied:
		return "denied"
	case KindExpired:
		return "expired"
	case KindConfig:
		return "config"
	case KindUpstream:
		return "upstream"
	case KindUpstreamTimeout:
		return "upstream_timeout"
	case KindUnavailable:
		return "unavailable"
	case KindCanceled:
		return "canceled"
	}
	return "fault"
}

// CallError is the error of every call to a provider. Its text is for the log: known secrets are masked and
// control characters escaped. Err unwraps to a *sdk.Error when the plugin sent one.
type CallError struct {
	// Provider id and Method, e.g. "github" and "GetToken".
	Provider, Method string
	Kind             Kind
	// RetryAfter is when trying again may help; zero: not known.
	RetryAfter time.Duration
	Err        error

	lost bool // the process ended during the call
}

// Error renders "provider github: GetToken: …".
func (e *CallError) Error() string {
	return fmt.Sprintf("provider %s: %s: %v", e.Provider, e.Method, e.Err)
}

// Unwrap returns the cause.
func (e *CallError) Unwrap() error { return e.Err }
