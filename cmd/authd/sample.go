package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/authd/authd/internal/web"
)

// identityHeader begins the names of the headers in which authd tells who is there.
const identityHeader = "X-Auth-Request-"

// sample is a protected site together with the proxy before it: for each request it asks authd, as nginx does with
// auth_request, and shows what it is told. Cookies don't know ports, so the browser sends authd's here too.
type sample struct {
	authURL string // where authd is reached
	ownURL  string // where this page is
	pages   *web.Pages
	client  *http.Client
}

// checkClient asks authd. It follows no redirect: the answer itself is what counts.
func checkClient() *http.Client {
	return &http.Client{
		Timeout:       5 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ServeHTTP implements http.Handler.
func (s *sample) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if name, ok := strings.CutPrefix(r.URL.Path, web.AssetsPath); ok {
		s.asset(w, name)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "This page can only be read.", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	answer, err := s.check(r.Context(), r)
	if err != nil {
		http.Error(w, "authd can't be asked.", http.StatusBadGateway)
		return
	}
	for _, cookie := range answer.Header.Values("Set-Cookie") { // the id of the session may have changed
		w.Header().Add("Set-Cookie", cookie)
	}
	switch answer.StatusCode {
	case http.StatusOK:
		s.page(w, answer.Header)
	case http.StatusUnauthorized:
		target := s.ownURL + r.URL.RequestURI()
		http.Redirect(w, r, s.authURL+"/auth/login?return_to="+url.QueryEscape(target), http.StatusFound)
	case http.StatusForbidden:
		http.Error(w, "You are signed in, but may not see this page.", http.StatusForbidden)
	default:
		http.Error(w, "authd can't tell who you are at the moment.", http.StatusBadGateway)
	}
}

// check asks authd about the cookies of a request.
func (s *sample) check(ctx context.Context, r *http.Request) (*http.Response, error) {
	question, err := http.NewRequestWithContext(ctx, http.MethodGet, s.authURL+"/auth/check", nil)
	if err != nil {
		return nil, err
	}
	for _, cookie := range r.Header.Values("Cookie") {
		question.Header.Add("Cookie", cookie)
	}
	// What was asked for: without it authd signs no identity, since it does not know for which application.
	question.Header.Set("X-Original-URL", s.ownURL+r.URL.RequestURI())
	question.Header.Set("X-Original-Method", r.Method)
	answer, err := s.client.Do(question)
	if err != nil {
		return nil, fmt.Errorf("ask authd: %w", err)
	}
	return answer, answer.Body.Close() // its body is empty
}

// page shows who is there, and how the application was told.
func (s *sample) page(w http.ResponseWriter, told http.Header) {
	page := web.Demo{AccountHref: s.authURL + "/", LogoutHref: s.authURL + "/auth/logout?return_to=" + url.QueryEscape(s.ownURL+"/")}
	for _, name := range []string{"User", "Subject", "Name", "Preferred-Username", "Email", "Groups", "Provider", "Jwt"} {
		header := identityHeader + name
		page.Headers = append(page.Headers, web.Header{Name: header, Value: told.Get(header)})
	}
	// Bytes beyond printable ASCII come percent-encoded.
	if name, err := url.PathUnescape(told.Get(identityHeader + "Name")); err == nil {
		page.Name = name
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", web.ContentSecurityPolicy())
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	_ = s.pages.Render(w, page) // the visitor has gone
}

// asset serves the style and the icons of the page.
func (s *sample) asset(w http.ResponseWriter, name string) {
	body, kind, ok := web.Asset(name)
	if !ok {
		http.Error(w, "There is no such file.", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(body) // the visitor has gone
}
