package host

import (
	"errors"
	"net/netip"
	"net/url"

	"github.com/gofiber/fiber/v2"

	"github.com/authd/authd/internal/session"
)

// check is ANY /auth/check, the forward-auth question of nginx's auth_request: may this request pass, and who is it?
// The answer is 200 with the identity headers, 401, or 403; when authd can't tell it is 503, which nginx turns into
// a refusal. The body is always empty: nginx drops an answer with a body together with its connection. A 401 names the
// login page in Location, for proxies that lead page loads there.
func (s *Server) check(c *fiber.Ctx) error {
	id := s.sessionID(c)
	if id == "" {
		return s.unauthenticated(c)
	}
	// A look-up from the cache needs no deadline; one that goes to the store brings its own.
	found, err := s.sessions.Lookup(c.UserContext(), id)
	switch {
	case errors.Is(err, session.ErrNoSession):
		return s.unauthenticated(c)
	case err != nil:
		s.log.Error("check can't be answered", "cause", err.Error())
		return s.checked(c, fiber.StatusServiceUnavailable, anonymous)
	}
	grant := s.grantOf(found)
	if grant.denied != nil {
		return s.checked(c, fiber.StatusForbidden, anonymous)
	}
	return s.checked(c, fiber.StatusOK, grant.headers)
}

// unauthenticated is the 401. nginx can't escape a URL, so the address at which a login leads back to the page that was
// asked for is made here.
func (s *Server) unauthenticated(c *fiber.Ctx) error {
	to := s.publicURL.String() + "/auth/login"
	if target, ok := s.live().returnTo.Check(s.originalURL(c)); ok && target != "/" {
		to += "?" + url.Values{"return_to": {target}}.Encode()
	}
	c.Response().Header.Set(fiber.HeaderLocation, to)
	return s.checked(c, fiber.StatusUnauthorized, anonymous)
}

// originalURL is what the browser asked the proxy for, if the proxy is one whose word counts.
func (s *Server) originalURL(c *fiber.Ctx) string {
	peer, ok := netip.AddrFromSlice(c.Context().RemoteIP())
	if !s.onSocket() && (!ok || !s.live().proxies.contain(peer)) {
		return ""
	}
	return c.Get("X-Original-URL")
}

// checked answers with every identity header, empty ones too: what a client sent under these names must not survive.
func (s *Server) checked(c *fiber.Ctx, status int, headers [][]byte) error {
	s.metrics.Check(status)
	h := &c.Response().Header
	for i, value := range headers {
		h.SetCanonical(identityFields[i].name, value)
	}
	h.SetCanonical(cacheControl, noStore)
	c.Status(status)
	return nil
}

var (
	cacheControl = []byte("Cache-Control")
	noStore      = []byte("no-store")
)
