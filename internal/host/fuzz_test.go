package host

import (
	"bufio"
	"bytes"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
)

// Threat 36, 93: a header value is printable ASCII that survives HTTP, and no two texts have the same one.
func FuzzHeaderValue(f *testing.F) {
	for _, s := range []string{"", "ada", " ada ", "  ", "a\r\nSet-Cookie: x=y", "100%", "%41", "a,b", "Zoë", "\x00\xff", "a\tb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, also := range []string{"", ","} {
			got := headerValue(s, also)
			if strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r > '~' }) || strings.ContainsAny(got, also) {
				t.Fatalf("headerValue(%q) = %q", s, got)
			}
			if strings.TrimSpace(got) != got {
				t.Fatalf("headerValue(%q) = %q, whose ends HTTP drops", s, got)
			}
			if back, err := url.PathUnescape(got); err != nil || back != s {
				t.Fatalf("headerValue(%q) = %q, which means %q (%v)", s, got, back, err)
			}
		}
	})
}

// Threat 100: what framing accepts, net/http's strict reader does not read as folded or doubly framed.
func FuzzFraming(f *testing.F) {
	for _, s := range []string{
		"Host: h\r\n\r\n", "Host: h\n\n", "A: b\r\n c\r\n\r\n", " A: b\r\n\r\n", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"transfer-encoding:chunked\r\ncONTENT-lENGTH:0\r\n\r\n", "", "\r\n", "\n", "A: b",
	} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, raw []byte, http11 bool) {
		if framing(raw, http11) != nil {
			return
		}
		names := map[string]bool{}
		lines := bufio.NewScanner(bytes.NewReader(raw))
		lines.Buffer(nil, len(raw)+2)
		for lines.Scan() {
			line := lines.Text()
			if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
				t.Fatalf("a folded line passed: %q", raw)
			}
			if name, _, ok := strings.Cut(line, ":"); ok {
				names[http.CanonicalHeaderKey(name)] = true
			}
		}
		if names["Transfer-Encoding"] && (names["Content-Length"] || !http11) {
			t.Fatalf("accepted: %q (HTTP/1.1: %v)", raw, http11)
		}
		if bytes.Count(raw, []byte("\n")) != bytes.Count(raw, []byte("\r\n")) {
			t.Fatalf("a bare LF passed: %q", raw)
		}
	})
}

// Threat 57, 58: whatever bytes the Cookie fields hold, a session id is the whole value of the one cookie of the name;
// two of the name are none, also in two fields.
func FuzzSessionCookie(f *testing.F) {
	id := strings.Repeat("a", 43)
	for _, s := range []string{
		"", "authd", "authd=", "authd=" + id, "authd=" + id + "; authd=x", "authd=" + id + ";authd=" + id, "a=b; authd=" + id + "; c=d", "authd=\"" + id + "\"",
		"authd =" + id, "authd= " + id, " authd=" + id, "Authd=" + id, "authd=" + id + "; AUTHD=x", "xauthd=" + id, "=authd=" + id, ";;;authd=" + id, "authd=" + id + "=", "a=\"; authd=" + id, "authd=\xff", "authd=a,authd=b",
	} {
		f.Add(s, "")
		f.Add(s, "authd="+id)
		f.Add("x=y", s)
	}
	s := reader(f, "http://auth.example.com")
	s.cookieName = "authd"
	f.Fuzz(func(t *testing.T, one, two string) {
		if strings.ContainsAny(one+two, "\r\n") {
			return // that would be other fields
		}
		raw := lines("GET /auth/check HTTP/1.1", "Host: h", "Cookie: "+one, "Cookie: "+two)
		s.asked(strangerPeer, raw, func(c *fiber.Ctx) {
			got := s.sessionID(c)
			if got == "" {
				return
			}
			// Read again, by another parser: on ";" alone.
			var values []string
			for _, field := range []string{one, two} {
				for pair := range strings.SplitSeq(field, ";") {
					if name, value, ok := strings.Cut(strings.Trim(pair, " \t"), "="); ok && strings.TrimRight(name, " \t") == s.cookieName {
						values = append(values, strings.Trim(value, " \t\""))
					}
				}
			}
			if len(values) != 1 || strings.Trim(got, " \t\"") != values[0] {
				t.Fatalf("the fields %q and %q give the id %q; another parser sees %q", one, two, got, values)
			}
		})
	})
}

// Threat 109: whatever stands in X-Forwarded-For, the client is a valid address, and it is the peer's own unless
// the peer is a trusted proxy.
func FuzzForwardedFor(f *testing.F) {
	trusted, err := parseProxies([]string{"10.0.0.0/8", "::1"})
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"", "1.2.3.4", "1.2.3.4, 10.0.0.9", "x", ",", "::ffff:10.0.0.1, 5.6.7.8", "[::1]:80", "fe80::1%eth0"} {
		f.Add(s)
	}
	stranger, proxy := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("10.0.0.1")
	f.Fuzz(func(t *testing.T, s string) {
		if got := trusted.client(stranger, s); got != stranger {
			t.Fatalf("a stranger with %q became %s", s, got)
		}
		got := trusted.client(proxy, s)
		if !got.IsValid() {
			t.Fatalf("%q gave an invalid address", s)
		}
		last := strings.TrimSpace(s[strings.LastIndex(s, ",")+1:])
		if hop, err := netip.ParseAddr(last); err == nil && !trusted.contain(hop) && got != hop.Unmap() {
			t.Fatalf("%q gave %s, want the last hop %s", s, got, hop)
		}
	})
}

// Threat 109: the client is the rightmost hop that is not ours.
func TestClientAddress(t *testing.T) {
	t.Parallel()
	trusted, err := parseProxies([]string{"10.0.0.0/8", "2001:db8::/32"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ peer, forwarded, want string }{
		{"192.0.2.1", "1.1.1.1", "192.0.2.1"},
		{"10.0.0.1", "", "10.0.0.1"},
		{"10.0.0.1", "1.1.1.1", "1.1.1.1"},
		{"10.0.0.1", "6.6.6.6, 1.1.1.1, 10.0.0.2", "1.1.1.1"},
		{"10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"},
		{"10.0.0.1", "1.1.1.1, garbage", "10.0.0.1"},
		{"10.0.0.1", "2001:db9::7", "2001:db9::7"},
		{"2001:db8::1", "::ffff:1.1.1.1", "1.1.1.1"},
		{"10.0.0.1", "1.1.1.1:4711", "10.0.0.1"},
	} {
		if got := trusted.client(netip.MustParseAddr(c.peer), c.forwarded).String(); got != c.want {
			t.Errorf("peer %s with %q is %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
	if _, err := parseProxies([]string{"everyone"}); err == nil || !strings.Contains(err.Error(), "server.trusted_proxies") {
		t.Errorf("a malformed proxy gave %v", err)
	}
}

// Threat 110: the memory of the limiter is bounded, and one IPv6 network is one client.
func TestLimiterIsBounded(t *testing.T) {
	t.Parallel()
	var l limiter
	addr := netip.MustParseAddr("10.0.0.0")
	for range maxLimited + 100 {
		addr = addr.Next()
		l.allow(addr.String())
	}
	if len(l.buckets) > maxLimited {
		t.Errorf("%d addresses are remembered, more than %d", len(l.buckets), maxLimited)
	}
	if a, b := limitKey("2001:db8::1"), limitKey("2001:db8::ffff:1"); a != b {
		t.Errorf("one network counts as %s and %s", a, b)
	}
	if a, b := limitKey("2001:db8::1"), limitKey("2001:db8:0:1::1"); a == b {
		t.Errorf("two networks count as %s", a)
	}
}
