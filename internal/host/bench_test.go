package host

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/valyala/fasthttp"
)

// feed is a connection over which one client sends the same request again and again. It stands between fasthttp and
// nothing: what is measured is the parser, Fiber and authd, not the kernel.
type feed struct {
	request []byte
	left    int
	answer  []byte // the last one
}

func (f *feed) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, io.EOF
	}
	f.left--
	return copy(p, f.request), nil
}

func (f *feed) Write(p []byte) (int, error) {
	f.answer = append(f.answer[:0], p...)
	return len(p), nil
}

// Close and the rest make feed a net.Conn.
func (*feed) Close() error { return nil }

func (*feed) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4180} }

func (*feed) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 50000} }
func (*feed) SetDeadline(time.Time) error      { return nil }
func (*feed) SetReadDeadline(time.Time) error  { return nil }
func (*feed) SetWriteDeadline(time.Time) error { return nil }

// serve lets the server answer n requests, and returns the header of the last answer.
func (f *feed) serve(tb testing.TB, s *fasthttp.Server, n int) http.Header {
	tb.Helper()
	f.left = n
	if err := s.ServeConn(f); err != nil {
		tb.Fatal(err)
	}
	if f.left != 0 || !bytes.HasPrefix(f.answer, []byte("HTTP/1.1 200 OK\r\n")) {
		tb.Fatalf("%d requests are left, the last answer is %q", f.left, f.answer)
	}
	header := http.Header{}
	for _, line := range strings.Split(strings.TrimSpace(string(f.answer)), "\r\n")[1:] {
		name, value, _ := strings.Cut(line, ":")
		header.Add(name, strings.TrimSpace(value))
	}
	return header
}

// checkFeed is what nginx sends as a subrequest of a browser that is signed in.
func checkFeed(session string) *feed {
	return &feed{request: []byte("GET /auth/check HTTP/1.1\r\n" +
		"Host: auth.example.com\r\n" +
		"X-Original-URL: https://app.example.com/static/js/main.4f2a.js\r\n" +
		"X-Original-Method: GET\r\n" +
		"X-Forwarded-For: 192.0.2.17\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
		"Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n" +
		"Accept-Encoding: gzip, deflate, br\r\n" +
		"Referer: https://app.example.com/\r\n" +
		"Cookie: theme=dark; authd=" + session + "; _ga=GA1.2.1234567890.1234567890\r\n\r\n")}
}

// bare is a Fiber server whose one handler sets headers and does nothing else.
func bare(header http.Header) *fasthttp.Server {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	var fields [][2]string
	for name := range header {
		if strings.HasPrefix(name, "X-") || name == "Cache-Control" {
			fields = append(fields, [2]string{name, header.Get(name)})
		}
	}
	app.Get("/auth/check", func(c *fiber.Ctx) error {
		for _, f := range fields {
			c.Set(f[0], f[1])
		}
		return nil
	})
	app.Handler()
	return app.Server()
}

// signedIn is a site with somebody signed in, and the requests of that browser.
func signedIn(tb testing.TB, opt siteOptions) (*fasthttp.Server, *feed) {
	tb.Helper()
	s := newSite(tb, opt)
	c := s.browser()
	s.login(c, "ada", "/auth/oauth/idp")
	return s.server.app.Server(), checkFeed(s.sessionCookie(c).Value)
}

// tenRules are an app whose last rule is the one for the request of checkFeed.
func tenRules() string {
	app := "\n[[apps]]\nhost = \"app.example.com\"\npass_access_token = true\n"
	for i := range 9 {
		app += fmt.Sprintf("[[apps.rules]]\npath = \"/part%d/*\"\nmethods = [\"GET\"]\nallow = '\"admins\" in user.groups'\n", i)
	}
	return app + "[[apps.rules]]\npath = \"/static/*\"\nmethods = [\"GET\"]\nallow = 'user.email.endsWith(\"@example.org\") && request.method == \"GET\"'\n"
}

// checkKinds are what a check can have to do.
var checkKinds = []struct {
	name   string
	opt    siteOptions
	budget float64 // of allocations
}{
	{"authd", siteOptions{}, maxCheckAllocs},
	{"authd, signed identity", siteOptions{keys: trustLoopback}, maxCheckAllocs},
	{"authd, signed identity and ten rules", siteOptions{keys: trustLoopback, toml: tenRules()}, maxCheckAllocs + celAllocs},
}

// maxCheckAllocs is the budget of the whole check: parser, Fiber and authd together.
const maxCheckAllocs = 12

// celAllocs is what the CEL library may take beside that for the one rule that it is asked (12, more where the race
// detector empties its pools); what is ours is in the budget.
const celAllocs = 20

// A check is asked for each request to each app. That it makes little garbage is no matter of time, so it is a test.
func TestCheckAllocates(t *testing.T) {
	for _, kind := range checkKinds {
		server, f := signedIn(t, kind.opt)
		header := f.serve(t, server, 1)
		if signed := header.Get("X-Auth-Request-Jwt") != ""; signed != (kind.opt.keys != "") {
			t.Errorf("%s: signed: %v", kind.name, signed)
		}
		const batch = 200
		once := testing.AllocsPerRun(20, func() { f.serve(t, server, 1) })
		allocs := (testing.AllocsPerRun(20, func() { f.serve(t, server, 1+batch) }) - once) / batch
		if allocs > kind.budget {
			t.Errorf("%s: a check allocates %.1f times, the budget is %.0f", kind.name, allocs, kind.budget)
		}
	}
}

// The reference sets the same headers, or a comparison with it would mean nothing.
func TestReferenceAnswersTheSame(t *testing.T) {
	server, f := signedIn(t, siteOptions{})
	check := f.serve(t, server, 1)
	reference := f.serve(t, bare(check), 1)
	for _, header := range []http.Header{check, reference} {
		if header.Get("Date") == "" || header.Get("X-Auth-Request-User") != "ada" {
			t.Errorf("the headers are %v", header)
		}
		header.Del("Date")
		header.Del("Server")
	}
	if diff := cmp.Diff(check, reference); diff != "" {
		t.Errorf("headers of the check and of the reference (-check +reference):\n%s", diff)
	}
}

// BenchmarkCheck puts the check beside a bare Fiber handler that sets the same headers. The kernel's part, which is
// the greater one, is in neither; package test/bench has that.
func BenchmarkCheck(b *testing.B) {
	for _, kind := range checkKinds {
		server, f := signedIn(b, kind.opt)
		reference := bare(f.serve(b, server, 1))
		for name, one := range map[string]*fasthttp.Server{kind.name: server, strings.Replace(kind.name, "authd", "bare", 1): reference} {
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				f.left = b.N
				if err := one.ServeConn(f); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
