package devidp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxRequestBody bounds what a client may send.
const maxRequestBody = 1 << 20

// call is one request on its way through the provider.
type call struct {
	mount    *Mount // nil for the pages' own endpoints
	endpoint string
	r        *http.Request
	body     []byte
	query    url.Values
	form     url.Values // of the body, application/x-www-form-urlencoded only
	fault    Fault
}

func newCall(m *Mount, name string, r *http.Request) (*call, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequestBody+1))
	if err != nil {
		return nil, fmt.Errorf("the request body could not be read: %w", err)
	}
	if len(body) > maxRequestBody {
		return nil, fmt.Errorf("the request body is larger than %d bytes", maxRequestBody)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	c := &call{mount: m, endpoint: name, r: r, body: body, form: url.Values{}}
	if c.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return nil, fmt.Errorf("the query is no valid form encoding: %w", err)
	}
	if isForm(r) {
		if c.form, err = url.ParseQuery(string(body)); err != nil {
			return nil, fmt.Errorf("the body is no valid form encoding: %w", err)
		}
	}
	return c, nil
}

func isForm(r *http.Request) bool {
	mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), "application/x-www-form-urlencoded")
}

// params are the parameters of a request that may come by GET or POST
// (OpenID Connect Core 3.1.2.1): the query or the body, never a mixture.
func (c *call) params() url.Values {
	if c.r.Method == http.MethodPost {
		return c.form
	}
	return c.query
}

// method lets the named methods through and answers 405 to the rest.
func (c *call) method(w http.ResponseWriter, allowed ...string) bool {
	for _, m := range allowed {
		if c.r.Method == m {
			return true
		}
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	oauthError{http.StatusMethodNotAllowed, "invalid_request", "use " + strings.Join(allowed, " or ")}.write(w)
	return false
}

// repeated names a parameter that was sent more than once, which RFC 6749
// section 3.1 and 3.2 forbid; "" when none was.
func repeated(params url.Values) string {
	for name, values := range params {
		if len(values) > 1 && name != "resource" {
			return name
		}
	}
	return ""
}

// oauthError is an error answer of RFC 6749 section 5.2.
type oauthError struct {
	status      int
	code        string
	description string
}

func (e oauthError) body() map[string]any {
	body := map[string]any{"error": e.code}
	if e.description != "" {
		body["error_description"] = e.description
	}
	return body
}

func (e oauthError) write(w http.ResponseWriter) { writeJSON(w, e.status, e.body()) }

func badRequest(code, format string, args ...any) *oauthError {
	return &oauthError{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
}

// writeJSON answers with a body that is never cached (RFC 6749 section 5.1).
func writeJSON(w http.ResponseWriter, status int, body any) {
	raw, err := json.Marshal(body)
	if err != nil {
		http.Error(w, "devidp: the answer is no JSON: "+err.Error(), http.StatusInternalServerError)
		return
	}
	writeRawJSON(w, status, raw)
}

// writeRawJSON is writeJSON for bytes that may be JSON only at first glance.
func writeRawJSON(w http.ResponseWriter, status int, raw []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
		h.Set("Pragma", "no-cache")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(raw) // a client that left needs no answer
}

// trap is where no honest client comes; being recorded is its whole purpose.
func (s *Server) trap(w http.ResponseWriter, _ *call) {
	writeJSON(w, http.StatusOK, map[string]any{"keys": []any{}})
}
