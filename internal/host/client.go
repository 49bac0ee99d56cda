package host

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"sync"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/time/rate"
)

// proxies are the addresses whose X-Forwarded-For is believed.
type proxies []netip.Prefix

func parseProxies(list []string) (proxies, error) {
	var trusted proxies
	for _, one := range list {
		prefix, err := netip.ParsePrefix(one)
		if addr, addrErr := netip.ParseAddr(one); err != nil && addrErr == nil {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("server.trusted_proxies: %q is neither an address nor a CIDR range", one)
		}
		trusted = append(trusted, prefix)
	}
	return trusted, nil
}

func (p proxies) contain(a netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}

// client finds who is behind the proxies: the rightmost hop that is not one of ours. What stands further left in
// X-Forwarded-For is the client's own tale.
func (p proxies) client(peer netip.Addr, forwardedFor string) netip.Addr {
	if !p.contain(peer) || forwardedFor == "" {
		return peer
	}
	hops := strings.Split(forwardedFor, ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return peer
		}
		peer = hop.Unmap()
		if !p.contain(peer) {
			return peer
		}
	}
	return peer
}

// clientAddress is the address of the browser.
func (s *Server) clientAddress(c *fiber.Ctx) string {
	peer, ok := netip.AddrFromSlice(c.Context().RemoteIP())
	if !ok {
		return ""
	}
	trusted := s.live().proxies
	if s.onSocket() {
		// Whoever may open the socket is the proxy; it has no address but this one.
		trusted = append(proxies{netip.PrefixFrom(peer.Unmap(), peer.Unmap().BitLen())}, trusted...)
	}
	return trusted.client(peer.Unmap(), forwardedFor(c)).String()
}

// onSocket reports whether the public listener is a unix socket, which only authd's user and group can reach.
func (s *Server) onSocket() bool { return onUnix(s.listener) }

// forwardedFor joins the X-Forwarded-For fields in the order in which the hops wrote them.
func forwardedFor(c *fiber.Ctx) string {
	fields := c.Request().Header.PeekAll(fiber.HeaderXForwardedFor)
	return string(bytes.Join(fields, []byte(",")))
}

// limitKey is what counts as one client: an address, or an IPv6 network, since one person has a whole one.
func limitKey(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Is4() {
		return address
	}
	network, err := a.Prefix(64)
	if err != nil {
		return address
	}
	return network.String()
}

// Limits of login starts and password forms, per client address and provider.
const (
	loginRate  rate.Limit = 10
	loginBurst int        = 50
	// maxLimited bounds the addresses that are remembered. When it is reached the memory starts anew.
	maxLimited = 20_000
)

// limiter counts attempts per key.
type limiter struct {
	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

func (l *limiter) allow(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	bucket, ok := l.buckets[key]
	if !ok {
		if len(l.buckets) >= maxLimited || l.buckets == nil {
			l.buckets = map[string]*rate.Limiter{}
		}
		bucket = rate.NewLimiter(loginRate, loginBurst)
		l.buckets[key] = bucket
	}
	return bucket.Allow()
}

// limited refuses a client that begins logins faster than people do.
func (s *Server) limited(c *fiber.Ctx) error {
	if !s.limiter.allow(limitKey(s.clientAddress(c)) + " " + s.knownID(c.Params("id"))) {
		return s.fail(c, failRateLimited, fmt.Errorf("more than %v logins a second from %s", loginRate, s.clientAddress(c)), "/auth/login")
	}
	return c.Next()
}
