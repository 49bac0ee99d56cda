//go:build linux

package e2e

import (
	"bufio"
	"crypto/sha1" // RFC 6455 section 4.2.2
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// line is a connection to the proxy on which a test says what no HTTP client would.
type line struct {
	net.Conn
	in *bufio.Reader
}

func (e *estate) dial() line {
	e.t.Helper()
	conn, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(e.proxy.Port)),
		&tls.Config{RootCAs: e.roots, ServerName: "app.example.com", MinVersion: tls.VersionTLS12})
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		e.t.Fatal(err)
	}
	return line{conn, bufio.NewReader(conn)}
}

// ask sends the head of a GET request as it is and reads the head of the answer. Host is the application's unless fields
// name another.
func (l line) ask(e *estate, target string, fields ...string) (*http.Response, error) {
	return l.say(e, http.MethodGet, target, fields...)
}

func (l line) say(e *estate, method, target string, fields ...string) (*http.Response, error) {
	head := method + " " + target + " HTTP/1.1\r\n"
	if !strings.HasPrefix(strings.Join(fields, "\n"), "Host:") {
		head += "Host: " + strings.TrimPrefix(e.site, "https://") + "\r\n"
	}
	for _, field := range fields {
		head += field + "\r\n"
	}
	if _, err := io.WriteString(l, head+"\r\n"); err != nil {
		return nil, err
	}
	return http.ReadResponse(l.in, &http.Request{Method: method})
}

// exchange asks on a connection of its own and reads the whole answer; a connection that is closed on it is a refusal.
func (e *estate) exchange(target string, fields ...string) (status int, body string) {
	e.t.Helper()
	return e.exchangeAs(http.MethodGet, target, fields...)
}

func (e *estate) exchangeAs(method, target string, fields ...string) (status int, body string) {
	e.t.Helper()
	l := e.dial()
	defer l.Close()
	res, err := l.say(e, method, target, append(fields, "Connection: close")...)
	if err != nil {
		return 0, ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, ""
	}
	return res.StatusCode, string(text)
}

// cookies are what b sends to the application.
func (e *estate) cookies(b *browser) string {
	e.t.Helper()
	site, err := url.Parse(e.site)
	if err != nil {
		e.t.Fatal(err)
	}
	var all []string
	for _, c := range b.client.Jar.Cookies(site) {
		all = append(all, c.Name+"="+c.Value)
	}
	return "Cookie: " + strings.Join(all, "; ")
}

// websocketFields ask for a WebSocket (RFC 6455 section 4.1).
var websocketFields = []string{
	"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Origin: https://app.example.com",
}

// openSocket asks for a WebSocket and returns what came of it.
func (e *estate) openSocket(fields ...string) (line, int) {
	e.t.Helper()
	l := e.dial()
	res, err := l.ask(e, "/ws", append(fields, websocketFields...)...)
	if err != nil {
		e.t.Fatal(err)
	}
	if res.StatusCode == http.StatusSwitchingProtocols && res.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		e.t.Errorf("101 with %v", res.Header)
	}
	return l, res.StatusCode
}

// repeats says something on a WebSocket and hears it again.
func (l line) repeats() error {
	const frame = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58" // RFC 6455 section 5.7: a masked "Hello"
	if _, err := io.WriteString(l, frame); err != nil {
		return err
	}
	heard := make([]byte, len(frame))
	if _, err := io.ReadFull(l.in, heard); err != nil || string(heard) != frame {
		return fmt.Errorf("heard %q: %w", heard, err)
	}
	return nil
}

// echo is the application's end of a WebSocket: it repeats every byte.
func echo(w http.ResponseWriter, r *http.Request) {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+
		base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n")
	if err == nil {
		_, _ = io.Copy(conn, buffered) // ends with the client
	}
}

// Threat 95: a WebSocket is checked when it opens, and a session that has ended opens none.
func seeWebSocket(t *testing.T, e *estate) {
	before := e.app.requests()
	if _, status := e.openSocket(); status != http.StatusUnauthorized {
		t.Errorf("a guest's WebSocket: status %d, want 401", status)
	}
	if e.app.requests() != before {
		t.Error("a guest's WebSocket has reached the application")
	}
	b := e.browser()
	e.signIn(b, e.site+"/", "ada")
	cookies := e.cookies(b)
	socket, status := e.openSocket(cookies)
	if status != http.StatusSwitchingProtocols {
		t.Fatalf("ada's WebSocket: status %d, want 101", status)
	}
	if err := socket.repeats(); err != nil {
		t.Error(err)
	}
	b.submit(b.get(e.auth+"/auth/logout"), nil)
	if _, status := e.openSocket(cookies); status != http.StatusUnauthorized {
		t.Errorf("a WebSocket after signing out: status %d, want 401", status)
	}
}

// Threat 85, 100: no other protocol is changed to, so that nothing goes past the checks afterwards.
func seeOtherUpgrades(t *testing.T, e *estate) {
	b := e.browser()
	e.signIn(b, e.site+"/", "ada")
	for _, fields := range [][]string{
		{"Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"},
		{"Upgrade: h2c, websocket", "Connection: Upgrade"},
		{"Upgrade: tls/1.2", "Connection: Upgrade"},
	} {
		l := e.dial()
		res, err := l.ask(e, "/", append(fields, e.cookies(b))...)
		if err != nil {
			t.Errorf("%q: %v", fields, err)
			continue
		}
		var r reflection
		if res.StatusCode == http.StatusOK {
			if err := json.NewDecoder(res.Body).Decode(&r); err != nil {
				t.Error(err)
			}
		}
		if res.StatusCode == http.StatusSwitchingProtocols || r.Header.Get("Upgrade") != "" {
			t.Errorf("%q: %s, and the application was asked for %q", fields, res.Status, r.Header.Get("Upgrade"))
		}
	}
}

// Threat 90, 105: a rule for a method is about the one of the request line, as it stands there.
func seeMethods(t *testing.T, e *estate) {
	if status, body := e.exchangeAs(http.MethodOptions, "/x"); status != http.StatusOK || !strings.Contains(body, mirrorMark) {
		t.Errorf("OPTIONS of a guest: %d, want the page of the rule for it", status)
	}
	for _, method := range []string{"GET", "POST", "options", "Options", "OPTIONSX", "TRACE", "CONNECT", "PROPFIND"} {
		for _, field := range []string{"X-Nothing: 1", "X-HTTP-Method-Override: OPTIONS", "X-Original-Method: OPTIONS", "X-Forwarded-Method: OPTIONS"} {
			target := "/x"
			if method == http.MethodConnect {
				target = strings.TrimPrefix(e.site, "https://")
			}
			if status, body := e.exchangeAs(method, target, field); status/100 == 2 || strings.Contains(body, mirrorMark) {
				t.Errorf("%s of a guest, with %s: %d\n%s", method, field, status, body)
			}
		}
	}
}

// Threat 91, 101: the rules of one host don't open another, however both are named in one request.
func seeOtherHost(t *testing.T, e *estate) {
	app := strings.TrimPrefix(e.site, "https://")
	for _, test := range [][]string{
		{"https://" + app + "/admin/x", "Host: open.example.com"},
		{"http://" + app + "/admin/x", "Host: open.example.com"},
		{"https://open.example.com/admin/x", "Host: " + app},
		{"/admin/x", "Host: open.example.com"},
		{"/admin/x", "Host: open.example.com", "Host: " + app},
		{"/admin/x", "Host: " + app, "Host: open.example.com"},
		{"/admin/x", "Host: open.example.com@" + app},
		{"/admin/x", "Host: " + app + "@open.example.com"},
		{"/admin/x", "Host: " + app + "/open.example.com"},
		{"/admin/x", "Host:"},
		{"https://open.example.com@" + app + "/admin/x", "Host: " + app},
	} {
		if status, body := e.exchange(test[0], test[1:]...); strings.Contains(body, mirrorMark) {
			t.Errorf("%q: %d\n%s", test, status, body)
		}
	}
	// In capitals, with a dot at the end, it is still the application.
	for _, host := range []string{strings.ToUpper(app), strings.Replace(app, ".com", ".com.", 1)} {
		if status, body := e.exchange("/admin/x", "Host: "+host); strings.Contains(body, mirrorMark) {
			t.Errorf("Host: %s: %d\n%s", host, status, body)
		}
	}
}

// Threat 89: whatever is written for a path, if the application is asked for something then every server would serve
// a page for it that a guest may see, or that somebody who is no administrator may see.
func seeSpellings(t *testing.T, e *estate) {
	list := spellings(t)
	linus := e.browser()
	e.signIn(linus, e.site+"/", "linus")
	for who, visitor := range map[string]struct {
		field string
		may   func(page string) bool
	}{
		"a guest": {"X-Nothing: 1", func(page string) bool { return page == "/public" || strings.HasPrefix(page, "/public/") }},
		"linus":   {e.cookies(linus), func(page string) bool { return !strings.HasPrefix(page, "/admin/") }},
	} {
		open := 0
		for _, spelling := range list {
			_, body := e.exchange(spelling, visitor.field)
			if !strings.Contains(body, mirrorMark) {
				continue
			}
			open++
			var r reflection
			if err := json.Unmarshal([]byte(body), &r); err != nil {
				t.Error(err)
			}
			for _, page := range append(readings(spelling), readings(r.URI)...) {
				if !visitor.may(page) {
					t.Errorf("%q opens %s to %s, which some server reads as %s", spelling, r.URI, who, page)
				}
			}
		}
		if open < 3 {
			t.Errorf("%d of %d spellings opened a page to %s; want at least 3", open, len(list), who)
		}
	}
}

// spellings are those of testdata/spellings.txt.
func spellings(t *testing.T) []string {
	t.Helper()
	file := filepath.Join("testdata", "spellings.txt")
	var list []string
	for written := range strings.SplitSeq(strings.TrimSpace(fileText(t, file)), "\n") {
		if strings.HasPrefix(written, "# ") || written == "" {
			continue
		}
		spelling, err := strconv.Unquote(`"` + written + `"`)
		if err != nil {
			t.Fatalf("%s: %s: %v", file, written, err)
		}
		list = append(list, spelling)
	}
	if len(list) < 40 {
		t.Fatalf("%s has %d spellings, want at least 40", file, len(list))
	}
	return list
}

// readings are the pages that servers of all kinds may serve for a request target: they decode it once, twice or as
// overlong UTF-8; take a backslash for a slash; drop what follows a semicolon; stop at NUL, "#" or "?"; resolve dots.
func readings(target string) []string {
	if at, err := url.Parse(target); err == nil && at.Host != "" {
		target = at.RequestURI()
	}
	raw, _, _ := strings.Cut(target, "?")
	once := unescape(raw)
	var all []string
	for _, p := range []string{once, unescape(once)} {
		p = strings.NewReplacer("\xc0\xaf", "/", "\xc0\xae", ".", "\xe0\x80\xaf", "/").Replace(p)
		for _, q := range []string{p, strings.ReplaceAll(p, `\`, "/")} {
			for _, r := range []string{q, withoutParameters(q)} {
				cut := r
				if i := strings.IndexAny(r, "\x00#?"); i >= 0 {
					cut = r[:i]
				}
				all = append(all, path.Clean("/"+r), path.Clean("/"+cut), path.Clean("/"+strings.TrimSpace(r)))
			}
		}
	}
	return all
}

// unescape decodes what is an escape and leaves the rest.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// withoutParameters drops the parameters of each segment of a path, as Java's servers do.
func withoutParameters(p string) string {
	segments := strings.Split(p, "/")
	for i, segment := range segments {
		segments[i], _, _ = strings.Cut(segment, ";")
	}
	return strings.Join(segments, "/")
}

// ends waits for the other side to close the connection.
func (l line) ends() error {
	if n, err := l.in.ReadByte(); err == nil {
		return fmt.Errorf("heard %#x", n)
	} else if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return nil
}

// Threat 95: a WebSocket that nothing is said on ends, and HAProxy's can be ended at any time, so that a session which
// is over does not live on in them for ever.
func TestProxiesEndWebSockets(t *testing.T) {
	silent := map[string][]string{
		nginx.name: {"proxy_read_timeout 5m;", "proxy_read_timeout 1s;"}, haproxy.name: {"timeout tunnel 5m ", "timeout tunnel 1s "},
		apache.name: {"ProxyTimeout 300", "ProxyTimeout 2", "\tTimeout 300", "\tTimeout 2"},
	}
	for _, kind := range []proxy{nginx, haproxy, apache} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			kind.changes = silent[kind.name]
			e := newEstateBehind(t, kind, siteRules)
			b := e.browser()
			e.signIn(b, e.site+"/", "ada")
			socket, status := e.openSocket(e.cookies(b))
			if status != http.StatusSwitchingProtocols {
				t.Fatalf("status %d, want 101", status)
			}
			if err := socket.ends(); err != nil {
				t.Errorf("a silent WebSocket: %v", err)
			}
		})
	}
}

// What docs/proxies.md says of HAProxy: its admin socket ends the WebSockets of an application.
func TestHAProxyEndsWebSockets(t *testing.T) {
	t.Parallel()
	e := newEstateBehind(t, haproxy, siteRules)
	b := e.browser()
	e.signIn(b, e.site+"/", "ada")
	socket, status := e.openSocket(e.cookies(b))
	if status != http.StatusSwitchingProtocols {
		t.Fatalf("status %d, want 101", status)
	}
	if err := socket.repeats(); err != nil {
		t.Fatal(err)
	}
	admin, err := net.Dial("unix", filepath.Join(e.proxy.Dir, "admin.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if _, err := io.WriteString(admin, "shutdown sessions server app/app\n"); err != nil {
		t.Fatal(err)
	}
	if err := socket.ends(); err != nil {
		t.Error(err)
	}
}
