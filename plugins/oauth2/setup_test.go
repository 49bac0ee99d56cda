package main

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/providertest"
)

// vendor stands in for an identity provider's API: it answers what the test says and remembers what it was asked.
type vendor struct {
	*httptest.Server
	mu      sync.Mutex
	asked   []*http.Request
	sent    []url.Values
	answers map[string]answer
}

// answer is a status, 0 for 200, and a JSON body in which {{url}} is the server's own address.
type answer struct {
	status int
	body   string
}

// newVendor serves answers by path with query, or by path alone. What it does not know is not found.
func newVendor(t *testing.T, answers map[string]answer) *vendor {
	t.Helper()
	v := &vendor{answers: answers}
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Errorf("the form does not parse: %v", err)
		}
		v.mu.Lock()
		v.asked, v.sent = append(v.asked, r), append(v.sent, r.PostForm)
		v.mu.Unlock()
		a, ok := v.answers[r.URL.RequestURI()]
		if !ok {
			if a, ok = v.answers[r.URL.Path]; !ok {
				a = answer{404, `{"message":"not found"}`}
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(max(a.status, 200))
		_, _ = w.Write([]byte(strings.ReplaceAll(a.body, "{{url}}", v.URL)))
	}))
	t.Cleanup(v.Close)
	return v
}

// requests are those so far, in their order.
func (v *vendor) requests() []*http.Request {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.asked
}

// forms are what the requests so far had in their bodies.
func (v *vendor) forms() []url.Values {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.sent
}

// with lays settings over others.
func with(settings, over map[string]string) map[string]string {
	out := maps.Clone(settings)
	maps.Copy(out, over)
	return out
}

func configure(t *testing.T, kind sdk.Type, values map[string]string) (sdk.Provider, error) {
	t.Helper()
	return providertest.Configure(t, kind, values, nil)
}

func mustConfigure(t *testing.T, kind sdk.Type, values map[string]string) sdk.Provider {
	t.Helper()
	p, err := configure(t, kind, values)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// bearer is a token that a vendor takes.
func bearer() *sdk.Token { return &sdk.Token{AccessToken: "the-access-token", TokenType: "Bearer"} }

// wantUpstream checks that an error blames the identity provider and says something.
func wantUpstream(t *testing.T, err error, says string) {
	t.Helper()
	var typed *sdk.Error
	if !errors.As(err, &typed) || typed.Source != sdk.SourceUpstream || !strings.Contains(err.Error(), says) {
		t.Errorf("got error %v; want source upstream and %q", err, says)
	}
}

// mistake is a wrong setting and what the operator must be told: the setting, and the mend.
type mistake struct {
	over map[string]string
	says []string
}

func checkMistakes(t *testing.T, kind sdk.Type, good map[string]string, mistakes map[string]mistake) {
	t.Helper()
	mustConfigure(t, kind, good)
	for name, test := range mistakes {
		_, err := configure(t, kind, with(good, test.over))
		var typed *sdk.Error
		if !errors.As(err, &typed) || typed.Source != sdk.SourceConfig {
			t.Errorf("%s: got error %v, want one of source config", name, err)
			continue
		}
		for _, text := range test.says {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: got error %q, want it to say %q", name, err, text)
			}
		}
	}
}
