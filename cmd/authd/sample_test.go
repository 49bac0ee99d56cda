package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/authd/authd/internal/web"
)

// sampleBefore is a sample page whose authd answers every check with handler.
func sampleBefore(t *testing.T, handler http.HandlerFunc) *sample {
	t.Helper()
	authd := httptest.NewServer(handler)
	t.Cleanup(authd.Close)
	pages, err := web.New(web.Site{})
	if err != nil {
		t.Fatal(err)
	}
	return &sample{authURL: authd.URL, ownURL: "http://sample.test", pages: pages, client: checkClient()}
}

func (s *sample) answer(method, target, cookie string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	r.Header.Set("X-Auth-Request-User", "forged")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestSampleShowsWhoIsThere(t *testing.T) {
	s := sampleBefore(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/auth/check" || r.Header.Get("Cookie") != "authd=abc" || r.Header.Get("X-Auth-Request-User") != "" {
			t.Errorf("authd was asked %s %s with %v", r.Method, r.URL, r.Header)
		}
		if url, method := r.Header.Get("X-Original-URL"), r.Header.Get("X-Original-Method"); url != "http://sample.test/some/page" || method != "GET" {
			t.Errorf("authd was asked about %s %s", method, url)
		}
		w.Header().Set("X-Auth-Request-User", "ada")
		w.Header().Set("X-Auth-Request-Name", "Ada <b>%C3%96</b>")
		w.Header().Set("Set-Cookie", "authd=new; HttpOnly")
	})
	w := s.answer(http.MethodGet, "/some/page", "authd=abc")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), ">ada<") || !strings.Contains(w.Body.String(), "Ada &lt;b&gt;Ö&lt;/b&gt;") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if strings.Contains(w.Body.String(), "forged") || strings.Contains(w.Body.String(), "<b>") {
		t.Error("a header of the visitor's own, or markup in a name, reached the page")
	}
	if got := w.Header().Get("Set-Cookie"); got != "authd=new; HttpOnly" {
		t.Errorf("Set-Cookie = %q, want the one of authd", got)
	}
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("Content-Security-Policy = %q", csp)
	}
}

func TestSampleTurnsAway(t *testing.T) {
	for _, test := range []struct {
		status, want int
		location     string
	}{
		{http.StatusUnauthorized, http.StatusFound, "/auth/login?return_to=http%3A%2F%2Fsample.test%2Fa%3Fb%3Dc%26d"},
		{http.StatusForbidden, http.StatusForbidden, ""},
		{http.StatusServiceUnavailable, http.StatusBadGateway, ""},
		{http.StatusFound, http.StatusBadGateway, ""},
		{http.StatusNoContent, http.StatusBadGateway, ""},
	} {
		s := sampleBefore(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Auth-Request-User", "ada")
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(test.status)
		})
		w := s.answer(http.MethodGet, "/a?b=c&d", "")
		location := w.Header().Get("Location")
		if test.location != "" {
			test.location = s.authURL + test.location
		}
		if w.Code != test.want || location != test.location || strings.Contains(w.Body.String(), "ada") {
			t.Errorf("authd says %d: %d, Location %q, want %d, %q", test.status, w.Code, location, test.want, test.location)
		}
	}
}

func TestSampleWithoutAuthd(t *testing.T) {
	s := sampleBefore(t, nil)
	s.authURL = "http://127.0.0.1:1"
	if w := s.answer(http.MethodGet, "/", ""); w.Code != http.StatusBadGateway {
		t.Errorf("authd is down: %d, want 502", w.Code)
	}
}

func TestSampleOnlyReads(t *testing.T) {
	s := sampleBefore(t, func(http.ResponseWriter, *http.Request) { t.Error("authd was asked") })
	if w := s.answer(http.MethodPost, "/", ""); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d, want 405", w.Code)
	}
	if w := s.answer(http.MethodGet, web.AssetsPath+"../../etc/passwd", ""); w.Code != http.StatusNotFound {
		t.Errorf("a file that is not there: %d, want 404", w.Code)
	}
	name, _ := web.Stylesheet()
	if w := s.answer(http.MethodGet, web.AssetsPath+name, ""); w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/css") {
		t.Errorf("the style: %d %v", w.Code, w.Header())
	}
}
