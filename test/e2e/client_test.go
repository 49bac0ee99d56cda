//go:build linux

package e2e

import (
	"crypto/tls"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/authd/authd/internal/realtest"
)

// browser is a browser without JavaScript: it keeps cookies, follows redirects and fills in forms.
type browser struct {
	t      testing.TB
	client *http.Client
}

func newBrowser(t testing.TB) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{Proxy: nil, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{t, &http.Client{Jar: jar, Transport: transport, Timeout: patience}}
}

// still is the same browser, but it shows a redirect instead of following it.
func (b *browser) still() *browser {
	c := *b.client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &browser{b.t, &c}
}

// page is an answer, read to its end.
type page struct {
	*http.Response
	body string
}

// where is the address that the browser shows.
func (p page) where() string { return p.Request.URL.String() }

func (b *browser) get(target string, headers ...string) page {
	b.t.Helper()
	return b.do(http.MethodGet, target, nil, headers...)
}

func (b *browser) do(method, target string, form url.Values, headers ...string) page {
	b.t.Helper()
	p, err := b.try(method, target, form, headers...)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// try is do where a failure is one of the things that may happen. headers go in pairs; their names are sent as they are.
func (b *browser) try(method, target string, form url.Values, headers ...string) (page, error) {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequest(method, target, body)
	if err != nil {
		return page{}, err
	}
	req.Header.Set("Accept", "text/html")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header[headers[i]] = append(req.Header[headers[i]], headers[i+1])
	}
	res, err := b.client.Do(req)
	if err != nil {
		return page{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return page{res, string(text)}, err
}

var (
	formTag   = regexp.MustCompile(`(?s)<form\b([^>]*)>(.*?)</form>`)
	inputTag  = regexp.MustCompile(`<input\b([^>]*)>`)
	attribute = regexp.MustCompile(`\b(action|name|value|type)="([^"]*)"`)
)

func attributes(tag string) map[string]string {
	found := map[string]string{}
	for _, a := range attribute.FindAllStringSubmatch(tag, -1) {
		found[a[1]] = html.UnescapeString(a[2])
	}
	return found
}

// submit fills in the first form of a page and sends it. Hidden fields go along.
func (b *browser) submit(p page, fields url.Values) page {
	b.t.Helper()
	form := formTag.FindStringSubmatch(p.body)
	if form == nil {
		b.t.Fatalf("%s has no form:\n%s", p.where(), p.body)
	}
	target, err := p.Request.URL.Parse(attributes(form[1])["action"])
	if err != nil {
		b.t.Fatal(err)
	}
	values := url.Values{}
	for _, input := range inputTag.FindAllStringSubmatch(form[2], -1) {
		if a := attributes(input[1]); a["type"] == "hidden" {
			values.Add(a["name"], a["value"])
		}
	}
	for name, value := range fields {
		values[name] = value
	}
	return b.do(http.MethodPost, target.String(), values, "Origin", p.Request.URL.Scheme+"://"+p.Request.URL.Host)
}

// password fills in the form of Keycloak or of npm's oidc-provider.
func (b *browser) password(p page, who realtest.Person) page {
	b.t.Helper()
	if !asksPassword(p) {
		b.t.Fatalf("%s (%s) asks for no password:\n%s", p.where(), p.Status, p.body)
	}
	return b.submit(p, url.Values{"username": {who.Username}, "password": {who.Password}})
}

func asksPassword(p page) bool { return strings.Contains(p.body, `name="password"`) }

// signOut goes through authd's confirm page.
func (b *browser) signOut(s *server) page {
	b.t.Helper()
	confirm := b.get(s.url + "/auth/logout")
	wantText(b.t, confirm, "Sign out?")
	return b.submit(confirm, nil)
}

func wantStatus(t testing.TB, got page, want int) {
	t.Helper()
	if got.StatusCode != want {
		t.Errorf("%s %s: status %d, want %d\n%s", got.Request.Method, got.where(), got.StatusCode, want, got.body)
	}
}

func wantWhere(t testing.TB, got page, want string) {
	t.Helper()
	if got.where() != want {
		t.Errorf("the browser is at %s (%s), want %s\n%s", got.where(), got.Status, want, got.body)
	}
}

func wantText(t testing.TB, got page, want string) {
	t.Helper()
	if !strings.Contains(got.body, want) {
		t.Errorf("%s (%s) does not say %q:\n%s", got.where(), got.Status, want, got.body)
	}
}

func wantHeaders(t testing.TB, got page, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got.Header.Get(name) != value || len(got.Header.Values(name)) != 1 {
			t.Errorf("%s is %q, want %q once", name, got.Header.Values(name), value)
		}
	}
}

// readPage reads an answer that somebody else got.
func readPage(t testing.TB, res *http.Response) page {
	t.Helper()
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return page{res, string(text)}
}

// attributeOf returns what stands between prefix and the next quote.
func attributeOf(t testing.TB, p page, prefix string) string {
	t.Helper()
	_, rest, found := strings.Cut(p.body, prefix)
	value, _, closed := strings.Cut(rest, `"`)
	if !found || !closed {
		t.Fatalf("%s has no %s:\n%s", p.where(), prefix, p.body)
	}
	return html.UnescapeString(value)
}
