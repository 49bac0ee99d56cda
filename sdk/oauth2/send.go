package oauth2

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/authd/authd/sdk"
)

// Answer is what an endpoint answered.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// maxAnswer bounds a body for clients other than sdk.NewHTTPClient's, which has the same bound.
const maxAnswer = 1 << 20

// Send sends one request, once, and reads the answer. The name says in errors what was asked: "token endpoint".
// A URL that ValidateEndpoint refuses is not spoken to. Errors are of source upstream: the endpoint can't be reached,
// is too slow, sends too much, answers 429 or 5xx, or a redirect, which is never followed. Every other status is the
// caller's to judge.
func (c *Client) Send(name string, r *http.Request) (*Answer, error) {
	what := place(name, r.URL)
	if err := ValidateEndpoint(r.URL.String(), c.InsecureHTTP); err != nil {
		return nil, sdk.UpstreamErrorf("%s: %w", what, err)
	}
	r.Header.Set("User-Agent", "authd")
	resp, err := c.HTTP.Do(r)
	if err != nil {
		return nil, transportError(what, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, transportError(what, err)
	}
	if len(body) > maxAnswer {
		return nil, transportError(what, sdk.UpstreamErrorf("the identity provider answered more than %d bytes", maxAnswer))
	}
	a := &Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}
	if err := a.fault(what, c.now()); err != nil {
		return nil, err
	}
	return a, nil
}

// transportError keeps the cause but not the URL that net/http puts before it.
func transportError(what string, err error) *sdk.Error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	out := sdk.UpstreamErrorf("%s: %w", what, err)
	var typed *sdk.Error
	if errors.As(err, &typed) {
		out.Description = what + ": " + typed.Description
		out.HTTPStatus = typed.HTTPStatus
	}
	var timeout net.Error
	out.Timeout = errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
	return out
}

// fault is what no endpoint of any kind should answer.
func (a *Answer) fault(what string, now time.Time) error {
	var err *sdk.Error
	switch {
	case a.Status >= 300 && a.Status < 400:
		err = sdk.UpstreamErrorf("%s: answers with a redirect%s, which is not followed; set the endpoint to where it really is", what, a.target())
	case a.Status == http.StatusTooManyRequests:
		err = sdk.UpstreamErrorf("%s: asks for fewer requests", what)
	case a.Status >= 500 || a.Status < 200:
		err = sdk.UpstreamErrorf("%s: fails%s", what, a.spokenCode())
	default:
		return nil
	}
	err.HTTPStatus, err.RetryAfter = a.Status, a.retryAfter(now)
	return err
}

// target names where a redirect leads, without the path and query, which may hold what was sent.
func (a *Answer) target() string {
	u, err := url.Parse(a.Header.Get("Location"))
	if err != nil || u.Host == "" {
		return ""
	}
	return " to " + u.Scheme + "://" + u.Host
}

// spokenCode is the error code of a failing endpoint, for the log only: an "invalid_grant" that comes with a 503 says
// nothing about the grant.
func (a *Answer) spokenCode() string {
	o, err := ParseObject(a.Body)
	if code := o.String("error"); err == nil && isErrorCode(code) {
		return " and says " + code
	}
	return ""
}

// retryAfter reads RFC 9110 section 10.2.3: seconds, or a date. It is at most an hour.
func (a *Answer) retryAfter(now time.Time) time.Duration {
	text := strings.TrimSpace(a.Header.Get("Retry-After"))
	var wait time.Duration
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return max(0, min(wait, time.Hour))
}

func (a *Answer) mediaType() string {
	kind, _, _ := mime.ParseMediaType(a.Header.Get("Content-Type"))
	return kind
}

// GetJSON asks an endpoint, with the access token as Bearer unless token is nil, and returns its JSON value, checked
// as ParseObject and ParseList do. Statuses other than 200 are errors of source upstream with HTTPStatus set, so that
// a caller may take a 403 or 404 for "nothing there".
func (c *Client) GetJSON(ctx context.Context, endpoint string, token *sdk.Token) (json.RawMessage, error) {
	raw, what, err := c.getJSON(ctx, endpoint, token)
	if err == nil {
		err = wrongJSON(what, CheckJSON(raw))
	}
	if err != nil {
		return nil, err
	}
	return raw, nil
}

// GetObject is GetJSON and ParseObject.
func (c *Client) GetObject(ctx context.Context, endpoint string, token *sdk.Token) (Object, error) {
	raw, what, err := c.getJSON(ctx, endpoint, token)
	if err != nil {
		return nil, err
	}
	o, err := ParseObject(raw)
	return o, wrongJSON(what, err)
}

func wrongJSON(what string, err error) error {
	if err == nil {
		return nil
	}
	return sdk.UpstreamErrorf("%s: %w", what, err)
}

// getJSON returns what should be JSON, and how to name its endpoint in an error.
func (c *Client) getJSON(ctx context.Context, endpoint string, token *sdk.Token) (raw json.RawMessage, what string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return nil, "", sdk.UpstreamErrorf("%w: it does not parse as a URL", ErrEndpoint)
	}
	r.Header.Set("Accept", "application/json")
	for name, values := range c.Header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	if token != nil {
		r.Header.Set("Authorization", "Bearer "+token.AccessToken)
	}
	a, err := c.Send("endpoint", r)
	if err != nil {
		return nil, "", err
	}
	what = place("endpoint", r.URL)
	switch {
	case a.Status != http.StatusOK:
		err := sdk.UpstreamErrorf("%s: refuses the request", what)
		err.HTTPStatus = a.Status
		return nil, "", err
	case a.mediaType() == "application/jwt":
		return nil, "", sdk.UpstreamErrorf("%s: answers a signed JWT, which is not supported; register the client for plain JSON", what)
	}
	return a.Body, what, nil
}

// StatusOf returns the HTTP status that an error came with; 0 for an error without one and for nil.
func StatusOf(err error) int {
	var typed *sdk.Error
	if errors.As(err, &typed) {
		return typed.HTTPStatus
	}
	return 0
}
