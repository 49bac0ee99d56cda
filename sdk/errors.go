package sdk

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Source says whose fault an Error is. It decides what a person sees and whether a breaker counts it.
type Source int

// The sources.
const (
	// SourcePlugin is a fault of the plugin itself; so is any error that is not an *Error.
	SourcePlugin Source = iota
	// SourceUser: the person said no, or the identity provider refused the person.
	SourceUser
	// SourceConfig: a setting is missing or wrong.
	SourceConfig
	// SourceUpstream: the identity provider failed or can't be reached.
	SourceUpstream
)

// String returns "plugin", "user", "config" or "upstream".
func (s Source) String() string {
	switch s {
	case SourceUser:
		return "user"
	case SourceConfig:
		return "config"
	case SourceUpstream:
		return "upstream"
	}
	return "plugin"
}

// Error is what went wrong in a provider. Its texts go to the log; people see authd's own.
type Error struct {
	Source Source
	// Code as in RFC 6749 sections 4.1.2.1 and 5.2, e.g. "invalid_grant" or "access_denied"; may be empty.
	Code string
	// Description says what happened; it must hold no secret.
	Description string
	// RetryAfter is how long the identity provider asked to be left alone; zero: not said.
	RetryAfter time.Duration
	// HTTPStatus of the identity provider's answer; zero: there was none.
	HTTPStatus int
	// Timeout means that the identity provider did not answer in time.
	Timeout bool
	// Diagnostics name the settings at fault.
	Diagnostics []Diagnostic
	// Err is the cause, printed when there is no Description; it does not cross the process boundary.
	Err error
}

// Error renders the source, code, description, status, diagnostics and cause on one line.
func (e *Error) Error() string {
	parts := []string{e.Source.String()}
	for _, part := range []string{e.Code, e.Description} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if e.HTTPStatus != 0 {
		parts = append(parts, fmt.Sprintf("HTTP %d", e.HTTPStatus))
	}
	for _, d := range e.Diagnostics {
		parts = append(parts, d.String())
	}
	if e.Err != nil && e.Description == "" {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// UserErrorf makes an Error for a person who said no or is not let in; code is "access_denied", "invalid_grant" or
// another of RFC 6749.
func UserErrorf(code, format string, args ...any) *Error {
	return newError(SourceUser, code, format, args)
}

// UpstreamErrorf makes an Error for an identity provider that failed or answered nonsense.
func UpstreamErrorf(format string, args ...any) *Error {
	return newError(SourceUpstream, "", format, args)
}

// ConfigErrorf makes an Error for one setting; detail (the formatted text) says what is wrong and how to mend it.
func ConfigErrorf(setting, format string, args ...any) *Error {
	return &Error{Source: SourceConfig, Diagnostics: []Diagnostic{{
		Severity: SeverityError, Setting: setting, Summary: fmt.Sprintf(format, args...),
	}}}
}

func newError(source Source, code, format string, args []any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Source: source, Code: code, Description: err.Error(), Err: errors.Unwrap(err)}
}
