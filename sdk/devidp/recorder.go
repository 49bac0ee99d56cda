package devidp

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// keptRequests is how many requests per endpoint are remembered.
const keptRequests = 1000

// RecordedRequest is what a client really sent: a copy, secrets and all.
type RecordedRequest struct {
	Endpoint string
	Method   string
	Path     string
	Host     string
	Query    url.Values
	Form     url.Values // the form in the body; empty for other bodies
	Body     []byte
	Header   http.Header

	// AuthStyle is how the client authenticated: "client_secret_basic",
	// "client_secret_post" or "none", in OpenID Connect's words.
	AuthStyle string
	ClientID  string // as sent, wherever it stood
}

// recorder remembers requests, whether or not they were answered.
type recorder struct {
	mu      sync.Mutex
	byName  map[string][]RecordedRequest
	counts  map[string]int
	changed chan struct{} // closed and replaced at each request
}

func newRecorder() *recorder {
	return &recorder{byName: map[string][]RecordedRequest{}, counts: map[string]int{}, changed: make(chan struct{})}
}

func (rec *recorder) add(c *call) {
	req := RecordedRequest{
		Endpoint: c.endpoint, Method: c.r.Method, Path: c.r.URL.Path, Host: c.r.Host,
		Query: cloneValues(c.query), Form: cloneValues(c.form), Body: slices.Clone(c.body), Header: c.r.Header.Clone(),
	}
	req.ClientID, req.AuthStyle = authStyle(c)
	rec.mu.Lock()
	defer rec.mu.Unlock()
	kept := append(rec.byName[c.endpoint], req)
	if len(kept) > keptRequests {
		kept = slices.Clone(kept[len(kept)-keptRequests:])
	}
	rec.byName[c.endpoint] = kept
	rec.counts[c.endpoint]++
	close(rec.changed)
	rec.changed = make(chan struct{})
}

// authStyle tells how a client named itself, without judging it.
func authStyle(c *call) (id, style string) {
	if user, _, ok := c.r.BasicAuth(); ok {
		if plain, err := url.QueryUnescape(user); err == nil {
			user = plain
		}
		return user, "client_secret_basic"
	}
	for _, params := range []url.Values{c.form, c.query} {
		if params.Get("client_secret") != "" {
			return params.Get("client_id"), "client_secret_post"
		}
		if id == "" {
			id = params.Get("client_id")
		}
	}
	return id, "none"
}

func (rec *recorder) list(endpoint string) []RecordedRequest {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return cloneRequests(rec.byName[endpoint])
}

func cloneRequests(in []RecordedRequest) []RecordedRequest {
	out := slices.Clone(in)
	for i := range out {
		out[i].Query, out[i].Form = cloneValues(out[i].Query), cloneValues(out[i].Form)
		out[i].Body, out[i].Header = slices.Clone(out[i].Body), out[i].Header.Clone()
	}
	return out
}

func cloneValues(in url.Values) url.Values {
	out := make(url.Values, len(in))
	for name, values := range in {
		out[name] = slices.Clone(values)
	}
	return out
}

// Requests are the last 1000 requests that reached an endpoint (by its name), in
// the order of arrival, those that a fault left unanswered among them.
func (s *Server) Requests(endpoint string) []RecordedRequest {
	return s.requests.list(endpoint)
}

// RequestCount is how many requests ever reached an endpoint.
func (s *Server) RequestCount(endpoint string) int {
	s.requests.mu.Lock()
	defer s.requests.mu.Unlock()
	return s.requests.counts[endpoint]
}

// WaitRequests waits until at least n requests ever reached an endpoint, so
// that a test can act while one hangs. It returns ctx's error when that ends first.
func (s *Server) WaitRequests(ctx context.Context, endpoint string, n int) error {
	for {
		s.requests.mu.Lock()
		count, changed := s.requests.counts[endpoint], s.requests.changed
		s.requests.mu.Unlock()
		if count >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ForgetRequests empties what Requests returns and starts RequestCount again at 0.
func (s *Server) ForgetRequests() {
	s.requests.mu.Lock()
	defer s.requests.mu.Unlock()
	clear(s.requests.byName)
	clear(s.requests.counts)
}

// hasScope tells whether a space-separated scope list was asked to hold one.
func hasScope(scopes []string, want string) bool { return slices.Contains(scopes, want) }

// splitScope reads a scope parameter; GitHub's comma counts as a space.
func splitScope(scope string) []string {
	var out []string
	for _, one := range strings.FieldsFunc(scope, func(r rune) bool { return r == ' ' || r == ',' }) {
		if !slices.Contains(out, one) {
			out = append(out, one)
		}
	}
	return out
}
