package host

import (
	"errors"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/authd/authd/internal/policy"
	"github.com/authd/authd/internal/session"
)

// check is ANY /auth/check, the forward-auth question of nginx's auth_request: may this request pass, and who is it?
// The answer is 200 with the identity headers, 401, or 403; when authd can't tell it is 503, which nginx turns into
// a refusal. The body is always empty: nginx drops an answer with a body together with its connection. A 401 names the
// login page in Location, for proxies that lead page loads there.
func (s *Server) check(c *fiber.Ctx) error {
	t := s.originalTarget(c)
	return s.checked(c, t, s.judge(c, t), fiber.StatusOK)
}

// checked answers in the manner of /auth/check.
func (s *Server) checked(c *fiber.Ctx, t target, v verdict, allowed int) error {
	switch {
	case v.failed:
		return s.answer(c, fiber.StatusServiceUnavailable, t, v)
	case v.Verdict == policy.Allow:
		return s.answer(c, allowed, t, v)
	case v.Verdict == policy.NeedLogin:
		c.Response().Header.Set(fiber.HeaderLocation, s.loginURL(t))
		return s.answer(c, fiber.StatusUnauthorized, t, v)
	}
	return s.answer(c, fiber.StatusForbidden, t, v)
}

// forward is ANY /auth/forward and /auth/forward/*, the forward-auth question of Traefik, Caddy and Envoy, which hand
// every answer but 2xx to the browser: page loads are led to the login page, programs get JSON. Envoy puts the path
// that was asked for behind the route.
func (s *Server) forward(c *fiber.Ctx) error {
	t := s.forwardedTarget(c)
	if c.Path() != forwardRoute {
		t = s.suffixTarget(c, forwardRoute)
	}
	toLogin := 0
	// A proxy that is not trusted asks with GET for whatever it was asked; the way to the login page gives nothing away.
	if m := firstOf(t.method, c.Method()); m == fiber.MethodGet || m == fiber.MethodHead {
		toLogin = fiber.StatusFound
	}
	return s.forwardedAnswer(c, t, s.judge(c, t), toLogin)
}

const forwardRoute = "/auth/forward"

// forwardedAnswer answers in the manner of /auth/forward; toLogin is the status that leads a page load to
// the login page; zero: none does.
func (s *Server) forwardedAnswer(c *fiber.Ctx, t target, v verdict, toLogin int) error {
	switch {
	case v.failed:
		s.metrics.Check(fiber.StatusServiceUnavailable)
		return s.appFailure(c, t, failStore, v.reason)
	case v.Verdict == policy.Allow:
		return s.answer(c, fiber.StatusOK, t, v)
	case v.Verdict == policy.NeedLogin && toLogin != 0 && wantsPage(c):
		c.Response().Header.Set(fiber.HeaderLocation, s.loginURL(t))
		return s.answer(c, toLogin, t, v)
	case v.Verdict == policy.NeedLogin:
		s.metrics.Check(fiber.StatusUnauthorized)
		return s.appFailure(c, t, failUnauthenticated, session.ErrNoSession)
	}
	s.metrics.Check(fiber.StatusForbidden)
	return s.appFailure(c, t, failAppDenied, v.reason)
}

// wantsPage tells a person who opens a page from a program: only a person can be led to the login page.
func wantsPage(c *fiber.Ctx) bool {
	if c.Get("Sec-WebSocket-Key") != "" || strings.EqualFold(c.Get(fiber.HeaderUpgrade), "websocket") || c.Get("X-Requested-With") == "XMLHttpRequest" {
		return false
	}
	if mode := c.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(strings.ToLower(c.Get(fiber.HeaderAccept)), "text/html")
}

// appFailure answers on the address of an app: what it shows comes from authd's own.
func (s *Server) appFailure(c *fiber.Ctx, t target, tell failure, cause error) error {
	s.writeIdentity(c, verdict{}, "")
	if !wantsPage(c) {
		c.Request().Header.Set(fiber.HeaderAccept, fiber.MIMEApplicationJSON)
	}
	return s.failOn(c, s.live().appPages, tell, cause, s.loginURL(t), s.publicURL.String()+"/")
}

// loginURL is the login page, which leads back to the target if that is one of ours. nginx can't escape a URL, so it is
// made here.
func (s *Server) loginURL(t target) string {
	to := s.publicURL.String() + "/auth/login"
	if back, ok := s.live().returnTo.Check(t.url()); ok && back != "/" {
		to += "?" + url.Values{"return_to": {back}}.Encode()
	}
	return to
}

// verdict is what a request comes to.
type verdict struct {
	policy.Verdict
	grant  *grant // :: nil for a guest
	app    *policy.App
	reason error // for the log
	failed bool  // it can't be told; that denies
}

// judge decides on a request. Nothing here answers it.
func (s *Server) judge(c *fiber.Ctx, t target) verdict {
	if t.doubt != nil {
		return verdict{Verdict: policy.Deny, reason: t.doubt}
	}
	now := s.live()
	asked := policy.Request{Host: t.host, Path: t.uri, Method: t.method}
	found, err := s.visitor(c)
	switch {
	case errors.Is(err, session.ErrNoSession):
		return verdictOf(now.apps.Decide(c.UserContext(), asked, nil), nil)
	case err != nil:
		s.log.Error("check can't be answered", "cause", err.Error())
		return verdict{failed: true, reason: err}
	}
	g := s.grantOf(found)
	if g.denied == nil {
		return verdictOf(now.apps.Decide(c.UserContext(), asked, g.person), g)
	}
	// Somebody who may not come in is still a guest.
	v := verdictOf(now.apps.Decide(c.UserContext(), asked, nil), nil)
	if v.Verdict != policy.Allow {
		v.Verdict, v.reason = policy.Deny, g.denied
	}
	return v
}

func verdictOf(d policy.Decision, g *grant) verdict {
	return verdict{Verdict: d.Verdict, grant: g, app: d.App, reason: d.Reason}
}

// visitor returns the session that the request's cookie names, or session.ErrNoSession.
func (s *Server) visitor(c *fiber.Ctx) (*session.Session, error) {
	id := s.sessionID(c)
	if id == "" {
		return nil, session.ErrNoSession
	}
	// A look-up from the cache needs no deadline; one that goes to the store brings its own.
	return s.sessions.Lookup(c.UserContext(), id)
}

// answer ends a check without a body.
func (s *Server) answer(c *fiber.Ctx, status int, t target, v verdict) error {
	s.metrics.Check(status)
	if v.reason != nil && status == fiber.StatusForbidden {
		s.log.Debug("check denied", "host", loggable(t.host), "path", loggable(t.uri), "cause", v.reason.Error())
	}
	s.writeIdentity(c, v, t.host)
	c.Response().Header.SetCanonical(cacheControl, noStore)
	c.Status(status)
	return nil
}

// writeIdentity writes every identity header, empty ones too: what a client sent under these names must not survive.
// Only who is let in has values.
func (s *Server) writeIdentity(c *fiber.Ctx, v verdict, host string) {
	h := &c.Response().Header
	if v.grant == nil || v.Verdict != policy.Allow || v.failed {
		for i, value := range anonymous {
			h.SetCanonical(identityFields[i].name, value)
		}
		h.SetCanonical(jwtHeader, nil)
		h.SetCanonical(accessTokenHeader, nil)
		return
	}
	for i, value := range v.grant.headers {
		h.SetCanonical(identityFields[i].name, value)
	}
	h.SetCanonical(jwtHeader, s.identityToken(c.UserContext(), v.grant, host))
	h.SetCanonical(accessTokenHeader, s.accessToken(c.UserContext(), v))
}

var (
	cacheControl      = []byte("Cache-Control")
	noStore           = []byte("no-store")
	jwtHeader         = []byte("X-Auth-Request-Jwt")
	accessTokenHeader = []byte("X-Auth-Request-Access-Token")
)
