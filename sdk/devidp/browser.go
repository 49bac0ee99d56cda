package devidp

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// Browser acts as a person with a browser would, cookies included: a second
// authorization with the same Browser is single sign-on. It belongs to one goroutine.
type Browser struct {
	server *Server
	client *http.Client
}

// NewBrowser opens a browser with no cookies in it.
func (s *Server) NewBrowser() *Browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // it never fails without options
	}
	return &Browser{s, &http.Client{
		Jar:           jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Authorize opens an authorization URL of this provider, clicks on the user (a
// sub or username; "" = Cancel) where the page is shown, and returns where the
// provider then sends the browser, which is not followed. It fails when it ends
// on a page instead; with response_mode form_post use AuthorizeForm.
func (s *Server) Authorize(ctx context.Context, authorizeURL, username string) (callbackURL string, err error) {
	return s.NewBrowser().Authorize(ctx, authorizeURL, username)
}

// AuthorizeForm is Authorize for response_mode form_post: it returns where the
// form goes and what is in it.
func (s *Server) AuthorizeForm(ctx context.Context, authorizeURL, username string) (action string, form url.Values, err error) {
	return s.NewBrowser().AuthorizeForm(ctx, authorizeURL, username)
}

// Authorize is Server.Authorize with this browser's cookies.
func (b *Browser) Authorize(ctx context.Context, authorizeURL, username string) (callbackURL string, err error) {
	callbackURL, form, err := b.visit(ctx, authorizeURL, username)
	if err == nil && form != nil {
		return "", fmt.Errorf("devidp: the answer to %s is a form post; use AuthorizeForm", authorizeURL)
	}
	return callbackURL, err
}

// AuthorizeForm is Server.AuthorizeForm with this browser's cookies.
func (b *Browser) AuthorizeForm(ctx context.Context, authorizeURL, username string) (action string, form url.Values, err error) {
	action, form, err = b.visit(ctx, authorizeURL, username)
	if err == nil && form == nil {
		return "", nil, fmt.Errorf("devidp: the answer to %s is a redirect; use Authorize", authorizeURL)
	}
	return action, form, err
}

// Logout opens an end-session URL, says yes where it is asked, and returns where
// the provider then sends the browser; "" = it ended on the provider's own page.
func (b *Browser) Logout(ctx context.Context, endSessionURL string) (returnURL string, err error) {
	p, err := b.get(ctx, endSessionURL)
	if err == nil && p.interaction() != "" {
		p, err = b.post(ctx, url.Values{"interaction": {p.interaction()}, "action": {"logout"}})
	}
	if err != nil {
		return "", err
	}
	if p.location == "" && p.status != http.StatusOK {
		return "", p.problem()
	}
	return p.location, nil
}

// visit goes on until the provider sends the browser elsewhere.
func (b *Browser) visit(ctx context.Context, start, username string) (string, url.Values, error) {
	p, err := b.get(ctx, start)
	for err == nil && strings.HasPrefix(p.location, b.server.base+"/") {
		p, err = b.get(ctx, p.location)
	}
	if err == nil && p.interaction() != "" {
		p, err = b.post(ctx, b.server.click(p.interaction(), username))
	}
	if err != nil {
		return "", nil, err
	}
	if p.location != "" {
		return p.location, nil, nil
	}
	if action, form, ok := p.formPost(); ok {
		return action, form, nil
	}
	return "", nil, p.problem()
}

// click is what the login page sends for a user; "" is the Cancel button.
func (s *Server) click(interaction, username string) url.Values {
	form := url.Values{"interaction": {interaction}}
	if username == "" {
		form.Set("action", "cancel")
		return form
	}
	form.Set("user", username)
	if u, ok := s.people.find(username); ok {
		form.Set("user", u.Sub)
	}
	return form
}

// Login makes a whole journey with the caller's client, which needs a cookie jar:
// it opens startURL (an application's login link, say), follows redirects to the
// page of this provider, clicks on the user ("" = Cancel) and follows on to
// wherever the application leads. It returns the last answer, its body read and
// rewound; the caller need not close it.
func (s *Server) Login(ctx context.Context, client *http.Client, startURL, username string) (*http.Response, error) {
	b := &Browser{s, client}
	res, p, err := b.do(ctx, http.MethodGet, startURL, nil)
	if err == nil && p.here(s) && p.interaction() != "" {
		res, p, err = b.do(ctx, http.MethodPost, s.base+"/-/login", s.click(p.interaction(), username))
	}
	if err == nil && p.here(s) {
		if action, form, ok := p.formPost(); ok {
			res, _, err = b.do(ctx, http.MethodPost, action, form)
		}
	}
	return res, err
}

// page is an answer as a browser sees it.
type page struct {
	url      string
	status   int
	location string
	body     string
}

// What is looked for in the provider's own pages, whose markup is known.
var (
	interactionField = regexp.MustCompile(`name="interaction" value="([^"]*)"`)
	formAction       = regexp.MustCompile(`<form method="post" action="([^"]*)">`)
	hiddenField      = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
	pageText         = regexp.MustCompile(`(?s)<h1>(.*?)</h1>\s*<p>(.*?)</p>`)
)

func (b *Browser) get(ctx context.Context, target string) (page, error) {
	_, p, err := b.do(ctx, http.MethodGet, target, nil)
	return p, err
}

// post sends a form to the pages' own address.
func (b *Browser) post(ctx context.Context, form url.Values) (page, error) {
	_, p, err := b.do(ctx, http.MethodPost, b.server.base+"/-/login", form)
	return p, err
}

func (b *Browser) do(ctx context.Context, method, target string, form url.Values) (*http.Response, page, error) {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, page{}, fmt.Errorf("devidp: browser: %w", err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("Accept", "text/html")
	res, err := b.client.Do(req)
	if err != nil {
		return nil, page{}, fmt.Errorf("devidp: browser: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxRequestBody))
	_ = res.Body.Close() // all that is wanted has been read
	if err != nil {
		return nil, page{}, fmt.Errorf("devidp: browser: read %s: %w", target, err)
	}
	res.Body = io.NopCloser(bytes.NewReader(raw))
	p := page{url: res.Request.URL.String(), status: res.StatusCode, body: string(raw)}
	if to, err := res.Location(); err == nil {
		p.location = to.String()
	}
	return res, p, nil
}

func (p page) here(s *Server) bool { return strings.HasPrefix(p.url, s.base+"/") }

func (p page) interaction() string {
	if found := interactionField.FindStringSubmatch(p.body); found != nil {
		return html.UnescapeString(found[1])
	}
	return ""
}

// formPost reads the form that goes back to a client.
func (p page) formPost() (action string, form url.Values, ok bool) {
	found := formAction.FindStringSubmatch(p.body)
	if found == nil || p.interaction() != "" {
		return "", nil, false
	}
	form = url.Values{}
	for _, input := range hiddenField.FindAllStringSubmatch(p.body, -1) {
		form.Add(html.UnescapeString(input[1]), html.UnescapeString(input[2]))
	}
	return html.UnescapeString(found[1]), form, true
}

func (p page) problem() error {
	text := ""
	if found := pageText.FindStringSubmatch(p.body); found != nil {
		text = ": " + html.UnescapeString(found[1]) + ": " + html.UnescapeString(found[2])
	}
	return fmt.Errorf("devidp: the browser ended on a page of %s, status %d%s", p.url, p.status, text)
}
