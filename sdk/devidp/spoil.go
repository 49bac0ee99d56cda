package devidp

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is what an endpoint said, held back so that a fault can spoil it.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header is the header of the answer to come.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader keeps the first status.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

// Write keeps the body.
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// spoil runs the work of an endpoint under the call's fault and sends the outcome.
// The work itself may bring another fault into the call: see answerBack.
func (s *Server) spoil(w http.ResponseWriter, c *call, work func(http.ResponseWriter)) {
	s.send(w, c, s.run(c, work))
}

// run is all of a fault that happens before the first byte leaves.
func (s *Server) run(c *call, work func(http.ResponseWriter)) *answer {
	f := c.fault
	if f.Delay > 0 && !s.pause(c.r.Context(), f.Delay) {
		panic(http.ErrAbortHandler) // the client left, or the server closes
	}
	a := &answer{header: http.Header{}}
	if f.AfterWork {
		work(a)
	}
	if f.Hang {
		select {
		case <-c.r.Context().Done():
		case <-s.ctx.Done():
		}
	}
	if f.Hang || f.Drop {
		panic(http.ErrAbortHandler)
	}
	if instead := f.instead(c.endpoint); instead != nil {
		return instead
	}
	if !f.AfterWork {
		work(a)
	}
	return a
}

// instead is the answer that takes the place of the real one; nil = none does.
func (f Fault) instead(endpoint string) *answer {
	a := &answer{header: http.Header{}}
	switch {
	case f.RedirectTo != "":
		a.header.Set("Location", f.RedirectTo)
		a.WriteHeader(orStatus(f.Status, http.StatusTemporaryRedirect))
	case f.Body != "":
		a.header.Set("Content-Type", "application/json")
		a.WriteHeader(orStatus(f.Status, http.StatusOK))
		a.body.WriteString(f.Body)
	case f.NotJSON:
		a.header.Set("Content-Type", "text/html; charset=utf-8")
		a.WriteHeader(orStatus(f.Status, http.StatusOK))
		a.body.WriteString("<!doctype html><title>Welcome</title><p>Please sign in to this network.</p>")
	case f.Error != "" && !isAuthorize(endpoint):
		oauthError{orStatus(f.Status, http.StatusBadRequest), f.Error, f.Description}.write(a)
	case f.Status >= 400:
		oauthError{f.Status, errorCodeOf(f.Status), "this fault was asked for"}.write(a)
	default:
		return nil
	}
	return a
}

func orStatus(status, otherwise int) int {
	if status != 0 {
		return status
	}
	return otherwise
}

func errorCodeOf(status int) string {
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return "temporarily_unavailable"
	case status >= 500:
		return "server_error"
	case status == http.StatusUnauthorized:
		return "invalid_client"
	}
	return "invalid_request"
}

// send writes the answer as the fault wants it to look on the wire.
func (s *Server) send(w http.ResponseWriter, c *call, a *answer) {
	f, h := c.fault, w.Header()
	for name, values := range a.header {
		h[name] = values
	}
	if f.ContentType != "" {
		h.Set("Content-Type", f.ContentType)
	}
	if f.RetryAfter != "" {
		h.Set("Retry-After", f.RetryAfter)
	}
	for name, values := range f.Header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	const piece = 4 << 10
	for sent := 0; sent < f.HeaderBytes; sent += piece {
		h.Add("X-Padding", strings.Repeat("p", min(piece, f.HeaderBytes-sent)))
	}
	status := orStatus(a.status, http.StatusOK)
	if f.Status > 0 && f.Status < 400 && f.RedirectTo == "" {
		status = f.Status
	}
	body, size := f.stream(a.body.Bytes())
	if f.GzipBomb > 0 {
		h.Set("Content-Encoding", "gzip")
	}
	if size >= 0 {
		h.Set("Content-Length", strconv.FormatInt(size, 10))
	}
	w.WriteHeader(status)
	s.pour(w, c, body, size)
}

// stream is the body as it leaves, and its length; -1 = it has no end.
func (f Fault) stream(body []byte) (io.Reader, int64) {
	if f.GzipBomb > 0 {
		return gzipBomb(f.GzipBomb, body)
	}
	if f.BodyBytes < 0 {
		return blanks{}, -1
	}
	return io.MultiReader(io.LimitReader(blanks{}, f.BodyBytes), bytes.NewReader(body)), f.BodyBytes + int64(len(body))
}

// blanks is an endless run of spaces, which JSON allows before a value.
type blanks struct{}

// Read fills p with spaces, as far as one run of them goes.
func (blanks) Read(p []byte) (int, error) { return copy(p, run), nil }

// run is a run of spaces.
var run = strings.Repeat(" ", 32<<10)

// gzipBomb packs n blanks and a body. A gzip stream may be a chain of members
// (RFC 1952 section 2.2), so one packed mebibyte is sent again and again.
func gzipBomb(n int64, body []byte) (io.Reader, int64) {
	const chunk = 1 << 20
	mebibyte := pack(bytes.Repeat([]byte{' '}, chunk))
	last := pack(append(bytes.Repeat([]byte{' '}, int(n%chunk)), body...))
	var parts []io.Reader
	for range n / chunk {
		parts = append(parts, bytes.NewReader(mebibyte))
	}
	size := n/chunk*int64(len(mebibyte)) + int64(len(last))
	return io.MultiReader(append(parts, bytes.NewReader(last))...), size
}

func pack(plain []byte) []byte {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	_, _ = zip.Write(plain) // a bytes.Buffer takes everything
	_ = zip.Close()
	return out.Bytes()
}

// pour sends the body: whole, in drops, or half of it and then a cut connection.
func (s *Server) pour(w http.ResponseWriter, c *call, body io.Reader, size int64) {
	f := c.fault
	if f.Truncate && size >= 0 {
		body = io.LimitReader(body, size/2)
	}
	if f.Drip > 0 {
		s.drip(w, c.r.Context(), body, f.Drip)
	} else {
		_, _ = io.Copy(w, body) // a client that left needs no answer
	}
	if f.Truncate && size >= 0 {
		_ = http.NewResponseController(w).Flush() // what cannot flush is cut as well
		panic(http.ErrAbortHandler)
	}
}

func (s *Server) drip(w http.ResponseWriter, ctx context.Context, body io.Reader, pause time.Duration) {
	drop := make([]byte, 1)
	for {
		n, err := body.Read(drop)
		if n > 0 {
			if _, gone := w.Write(drop); gone != nil {
				return
			}
			_ = http.NewResponseController(w).Flush() // only slower without
		}
		if err != nil {
			return
		}
		if !s.pause(ctx, pause) {
			panic(http.ErrAbortHandler)
		}
	}
}

// pause waits and tells whether it could wait to the end.
func (s *Server) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-s.ctx.Done():
	}
	return false
}
