package host

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/authd/authd/internal/catalog"
	"github.com/authd/authd/internal/login"
	"github.com/authd/authd/internal/policy"
	"github.com/authd/authd/internal/store"
)

// failure is what a person or a program is told: fixed, safe text. The cause is in the log under the incident id.
type failure struct {
	status           int
	code             string
	heading, message string
	again            string // on the button that starts again; empty: the usual words
	retryAfter       time.Duration
}

// The failures. Texts hold nothing that came from outside.
var (
	failProviderNotFound = failure{status: 404, code: "provider_not_found", heading: "Unknown sign-in", message: "There is no such way to sign in here. Please choose one from the sign-in page."}
	failInvalidRequest   = failure{status: 400, code: "invalid_request", heading: "This request makes no sense", message: "Something in the request is missing or not allowed. Please start again."}
	failInvalidState     = failure{status: 400, code: "invalid_state", heading: "This sign-in can't be continued", message: "It was begun in another browser, has been used already, or has expired. Please sign in again."}
	failLoginExpired     = failure{status: 400, code: "login_expired", heading: "That took too long", message: "The sign-in has expired. Please sign in again."}
	failAccessDenied     = failure{status: 403, code: "access_denied", heading: "Access denied", message: "The sign-in was cancelled, or this account may not come in. You can try again with another account."}
	failAppDenied        = failure{status: 403, code: "access_denied", heading: "Access denied", message: "You are signed in, but this account may not open this page. You can sign in with another one, or ask whoever runs this site.", again: "Sign in with another account"}
	failPassword         = failure{status: 403, code: "access_denied", heading: "Wrong name or password", message: "The user name or the password is wrong. Please try again."}
	failProvider         = failure{status: 502, code: "provider_error", heading: "The sign-in provider had a problem", message: "It did not answer as it should. Please try again, or sign in another way."}
	failProviderTimeout  = failure{status: 504, code: "provider_timeout", heading: "The sign-in provider did not answer", message: "Please try again in a moment, or sign in another way."}
	failProviderOut      = failure{status: 503, code: "provider_unavailable", heading: "This sign-in is out of order", message: "Please try again in a moment, or sign in another way.", retryAfter: 5 * time.Second}
	failRateLimited      = failure{status: 429, code: "rate_limited", heading: "Too many attempts", message: "Please wait a moment, then try again.", retryAfter: 2 * time.Second}
	failInternal         = failure{status: 500, code: "internal", heading: "Something went wrong here", message: "Please try again. If it happens again, tell the people who run this site the number below."}
	failStore            = failure{status: 503, code: "internal", heading: "Something went wrong here", message: "Please try again in a moment.", retryAfter: 2 * time.Second}
	failNotFound         = failure{status: 404, code: "not_found", heading: "Page not found", message: "There is nothing at this address."}
	failMethod           = failure{status: 405, code: "invalid_request", heading: "Method not allowed", message: "This address can't be used in that way."}
	failUnauthenticated  = failure{status: 401, code: "unauthenticated", heading: "Please sign in", message: "You are not signed in."}
)

// classify finds what to tell about an error.
func classify(err error) failure {
	var call *catalog.CallError
	if errors.As(err, &call) {
		return classifyCall(call)
	}
	for _, row := range []struct {
		is   error
		tell failure
	}{
		{catalog.ErrUnknownProvider, failProviderNotFound},
		{catalog.ErrNotReady, failProviderOut},
		{login.ErrInvalidRequest, failInvalidRequest},
		{login.ErrUnsupported, failInvalidRequest},
		{login.ErrInvalidState, failInvalidState},
		{login.ErrExpired, failLoginExpired},
		{login.ErrDenied, failAccessDenied},
		{policy.ErrDenied, failAccessDenied},
		{login.ErrUpstream, failProvider},
		{store.ErrUnavailable, failStore},
		{context.DeadlineExceeded, failStore},
	} {
		if errors.Is(err, row.is) {
			return row.tell
		}
	}
	return failInternal
}

func classifyCall(call *catalog.CallError) failure {
	tell := failProvider
	if call.Method == "PasswordLogin" && call.Kind == catalog.KindDenied && call.RetryAfter > 0 {
		tell = failRateLimited
		tell.retryAfter = call.RetryAfter
		return tell
	}
	refused := call.Kind == catalog.KindDenied || call.Kind == catalog.KindExpired
	if refused && call.Method == "PasswordLogin" {
		return failPassword
	}
	switch call.Kind {
	case catalog.KindDenied:
		tell = failAccessDenied
	case catalog.KindExpired:
		tell = failLoginExpired
	case catalog.KindUpstreamTimeout, catalog.KindCanceled:
		tell = failProviderTimeout
	case catalog.KindUnavailable, catalog.KindConfig:
		tell = failProviderOut
	}
	if call.RetryAfter > 0 && tell.status >= http.StatusInternalServerError {
		tell.status, tell.code, tell.retryAfter = failProviderOut.status, failProviderOut.code, call.RetryAfter
	}
	return tell
}

// newIncident returns a short random id that joins what a person sees to what the log says.
func newIncident() string { return strings.ToLower(rand.Text()[:10]) }
