package host

import (
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/authd/authd/internal/login"
)

// hostPrefix makes browsers keep a cookie to this very host, over https (RFC 6265bis section 4.1.3.2).
const hostPrefix = "__Host-"

// prefixed is the name under which a cookie of this host alone goes.
func (s *Server) prefixed(name string) string {
	if s.https {
		return hostPrefix + name
	}
	return name
}

// sessionCookie is the name of the session cookie; one that subdomains share can't have the prefix.
func (s *Server) sessionCookie() string {
	if s.cfg.Session.CookieDomain != "" {
		return s.cfg.Session.CookieName
	}
	return s.prefixed(s.cfg.Session.CookieName)
}

// sessionID returns a copy of the session id that the browser sent. Two cookies of the name are none: a sibling
// domain may have set the other one.
func (s *Server) sessionID(c *fiber.Ctx) string {
	var id []byte
	found := 0
	for name, value := range c.Request().Header.Cookies() {
		if string(name) == s.cookieName {
			id = value
			found++
		}
	}
	if found != 1 {
		return ""
	}
	return string(id)
}

// flowCookies returns copies of the flow cookies by the name that login knows them by.
func (s *Server) flowCookies(c *fiber.Ctx) map[string]string {
	cookies := map[string]string{}
	for rawName, value := range c.Request().Header.Cookies() {
		name, ok := strings.CutPrefix(string(rawName), s.prefixed(""))
		if ok && strings.HasPrefix(name, login.CookiePrefix) {
			cookies[name] = string(value)
		}
	}
	return cookies
}

// setCookie sets an HttpOnly cookie; a life of zero or less deletes it.
func (s *Server) setCookie(c *fiber.Ctx, name, value string, life time.Duration) *fasthttp.Cookie {
	cookie := &fasthttp.Cookie{}
	cookie.SetKey(name)
	cookie.SetValue(value)
	cookie.SetPath("/")
	cookie.SetHTTPOnly(true)
	cookie.SetSecure(s.https)
	cookie.SetSameSite(fasthttp.CookieSameSiteLaxMode)
	if life > 0 {
		cookie.SetMaxAge(int(life.Seconds()))
	} else {
		cookie.SetExpire(fasthttp.CookieExpireDelete)
	}
	c.Response().Header.SetCookie(cookie)
	return cookie
}

func (s *Server) setSessionCookie(c *fiber.Ctx, id string, life time.Duration) {
	cookie := s.setCookie(c, s.cookieName, id, life)
	if domain := s.cfg.Session.CookieDomain; domain != "" {
		cookie.SetDomain(strings.TrimPrefix(domain, "."))
		c.Response().Header.SetCookie(cookie)
	}
}

func (s *Server) setFlowCookie(c *fiber.Ctx, f login.Cookie) {
	cookie := s.setCookie(c, s.prefixed(f.Name), f.Value, f.MaxAge)
	if f.CrossSite {
		// A form that the identity provider posts is a cross-site request; browsers ask for Secure then.
		cookie.SetSameSite(fasthttp.CookieSameSiteNoneMode)
		cookie.SetSecure(true)
		c.Response().Header.SetCookie(cookie)
	}
}

func (s *Server) dropFlowCookies(c *fiber.Ctx, names ...string) {
	for _, name := range names {
		if name != "" {
			s.setCookie(c, s.prefixed(name), "", 0)
		}
	}
}
