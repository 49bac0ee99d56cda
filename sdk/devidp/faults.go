package devidp

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Fault is how an endpoint misbehaves. The zero value does nothing; all fields
// may be combined. What spoils an answer (BodyBytes, Truncate …) works on the
// real one, so that a client which does not notice would carry on.
type Fault struct {
	Times int    // how many requests it spoils; 0 = every one until Clear
	Grant string // only requests of this grant_type; "" = all. For token endpoints

	// In place of the answer.
	Delay       time.Duration // before anything happens
	Hang        bool          // never answer; ends when the client leaves or at Close
	Drop        bool          // close the connection without a byte
	RedirectTo  string        // answer with a redirect to this URL; the status is Status or 307
	Status      int           // 400 and up: an error answer; below: the real answer under this status
	RetryAfter  string        // Retry-After of the answer: seconds or a date
	Error       string        // OAuth error code; at authorize, of the redirect back. The status is Status or 400
	Description string        // error_description beside Error
	Body        string        // this body, under Status or 200
	ContentType string        // of the answer; "" = unchanged, JSON for Body
	NotJSON     bool          // an HTML page under status 200
	AfterWork   bool          // do the work first (a code is spent, a token rotated), then answer as said above

	// The real answer, spoilt.
	Header      http.Header   // set on the answer
	HeaderBytes int           // so many bytes of further headers
	BodyBytes   int64         // so many blanks before the body, still valid JSON; negative = without end
	GzipBomb    int64         // gzip: so many blanks before the body once unpacked
	Truncate    bool          // cut the connection in the middle of the body
	Drip        time.Duration // the body leaves byte by byte, with this pause between

	// What the answer says, made wrong. See Flaw.
	Flaws []Flaw
	// EditClaims changes the claims of an ID token before it is signed, or those of userinfo.
	EditClaims func(claims map[string]any)
	// EditBody changes the JSON object of an answer: token, discovery, jwks, GitHub's user.
	EditBody func(body map[string]any)
	// EditCallback changes the parameters of the redirect back to the client.
	EditCallback func(params url.Values)
}

func (f Fault) has(flaw Flaw) bool { return slices.Contains(f.Flaws, flaw) }

// speaks tells whether the fault changes what is said, not only how. At the
// authorization endpoint such a fault waits for the answer, which may come
// requests later, when the person has clicked.
func (f Fault) speaks() bool {
	return len(f.Flaws) > 0 || f.Error != "" || f.EditClaims != nil || f.EditBody != nil || f.EditCallback != nil
}

// moment is when a fault is looked for.
type moment bool

const (
	atArrival moment = false // of a request
	atAnswer  moment = true  // when an authorization ends with a redirect
)

// faultBook holds the faults that are switched on.
type faultBook struct {
	mu    sync.Mutex
	armed map[string][]*armedFault // by endpoint name or path
}

type armedFault struct {
	Fault
	left int // uses left; negative = no limit
}

func newFaultBook() *faultBook { return &faultBook{armed: map[string][]*armedFault{}} }

func (b *faultBook) set(target string, faults []Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.armed, target)
	for _, f := range faults {
		left := f.Times
		if left == 0 {
			left = -1
		}
		b.armed[target] = append(b.armed[target], &armedFault{f, left})
	}
}

func (b *faultBook) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.armed)
}

// take finds the fault for a request and counts its use: first by path, then by endpoint name.
func (b *faultBook) take(c *call, when moment) (Fault, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, target := range []string{c.r.URL.Path, c.endpoint} {
		if f, ok := b.takeFrom(target, c, when); ok {
			return f, true
		}
	}
	return Fault{}, false
}

func (b *faultBook) takeFrom(target string, c *call, when moment) (Fault, bool) {
	queue := b.armed[target]
	for i, f := range queue {
		if f.Grant != "" && f.Grant != c.form.Get("grant_type") {
			continue
		}
		if isAuthorize(c.endpoint) && f.speaks() != bool(when) {
			return Fault{}, false // this one is next, but not at this moment
		}
		if f.left > 0 {
			f.left--
		}
		if f.left == 0 {
			b.armed[target] = slices.Delete(queue, i, i+1)
		}
		return f.Fault, true
	}
	return Fault{}, false
}

func isAuthorize(endpoint string) bool {
	return endpoint == EndpointAuthorize || endpoint == EndpointGitHubAuthorize
}

// Fault switches faults on for an endpoint: by its name (EndpointToken: in every
// mount) or by a path that starts with "/" (in that place alone, which goes first).
// They replace whatever was on there. Several follow one another, each for its
// Times; none at all switches the endpoint's faults off.
//
// At authorize a fault that changes what is said (Flaws, Error, Edit…) is used
// when the redirect back is made; any other one when a request arrives.
//
// It panics when a flaw cannot be shown at the endpoint: a test that believes it
// tests something would be worse.
func (s *Server) Fault(target string, faults ...Fault) {
	name := target
	if len(target) > 0 && target[0] == '/' {
		name = s.endpointAt(target)
	} else if s.EndpointURL(target) == "" && target != EndpointLogin && target != EndpointTrap {
		panic(fmt.Sprintf("devidp: no endpoint is called %q; use one of the Endpoint constants or a path", target))
	}
	for _, f := range faults {
		for _, flaw := range f.Flaws {
			if name != "" && !slices.Contains(flaw.Endpoints(), name) {
				panic(fmt.Sprintf("devidp: flaw %q cannot be shown at %s, only at %v", flaw, target, flaw.Endpoints()))
			}
		}
	}
	s.faults.set(target, faults)
}

// endpointAt is the name of the endpoint at a path, "" for one with {names}.
func (s *Server) endpointAt(path string) string {
	for _, m := range s.mounts {
		for name, p := range m.Paths {
			if m.Prefix+p == path {
				return name
			}
		}
	}
	return ""
}

// Clear switches every fault off and takes the keys that flaws had published
// out of the JWKS.
func (s *Server) Clear() {
	s.faults.clear()
	s.keys.forgetWeak()
}
