package host

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/authd/authd/internal/web"
)

// page answers with an HTML page. formAction are origins that a form on it leads to in the end.
func (s *Server) page(c *fiber.Ctx, status int, p web.Page, formAction ...string) error {
	return s.pageOf(c, s.live().pages, status, p, formAction...)
}

func (s *Server) pageOf(c *fiber.Ctx, pages *web.Pages, status int, p web.Page, formAction ...string) error {
	var body bytes.Buffer
	if err := pages.Render(&body, p); err != nil {
		return err
	}
	s.secure(c)
	c.Set(fiber.HeaderContentSecurityPolicy, pages.ContentSecurityPolicy(formAction...))
	c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	return c.Status(status).Send(body.Bytes())
}

// json answers with JSON that no cache keeps.
func (s *Server) json(c *fiber.Ctx, status int, v any) error {
	s.secure(c)
	return c.Status(status).JSON(v)
}

// redirect sends the browser on with 303, so that a POST becomes a GET. On the routes of oauth2-proxy it is the 302
// that its users know.
func (s *Server) redirect(c *fiber.Ctx, to string) error {
	s.secure(c)
	if strings.HasPrefix(c.Path(), oauth2Prefix) {
		return c.Redirect(to, fiber.StatusFound)
	}
	return c.Redirect(to, fiber.StatusSeeOther)
}

// secure sets what every answer to a browser carries.
func (s *Server) secure(c *fiber.Ctx) {
	h := &c.Response().Header
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Add("Vary", "Cookie")
	if s.https {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// fail answers a failure, as a page or as JSON. The cause goes to the log.
func (s *Server) fail(c *fiber.Ctx, tell failure, cause error, retry string) error {
	return s.failOn(c, s.live().pages, tell, cause, retry, "/")
}

// failOn is fail with pages that may stand on another address, where home is not "/".
func (s *Server) failOn(c *fiber.Ctx, pages *web.Pages, tell failure, cause error, retry, home string) error {
	return s.tellFailure(c, pages, tell, s.logFailure(c, tell, cause), retry, home)
}

// logFailure writes a failure to the log and returns its incident id.
func (s *Server) logFailure(c *fiber.Ctx, tell failure, cause error) (incident string) {
	incident = newIncident()
	log := s.log.Warn
	switch {
	case tell.status >= fiber.StatusInternalServerError:
		log = s.log.Error
	case tell.status == fiber.StatusUnauthorized:
		log = s.log.Debug // a tab that was left open asks again and again
	}
	log("request failed", "incident", incident, "code", tell.code, "method", c.Method(), "path", c.Path(), "cause", text(cause))
	return incident
}

// tellFailure answers a failure that has an incident id.
func (s *Server) tellFailure(c *fiber.Ctx, pages *web.Pages, tell failure, incident, retry, home string) error {
	if tell.retryAfter > 0 {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(max(1, int(tell.retryAfter.Seconds()))))
	}
	if tell.status == fiber.StatusUnauthorized && len(c.Response().Header.Peek(fiber.HeaderWWWAuthenticate)) == 0 { // it must say what is missing (RFC 9110 section 15.5.2)
		c.Set(fiber.HeaderWWWAuthenticate, `Cookie realm="`+s.publicURL.Host+`"`)
	}
	if prefersJSON(c) {
		return s.json(c, tell.status, map[string]string{"error": tell.code, "message": tell.message, "incident": incident})
	}
	return s.pageOf(c, pages, tell.status, web.Error{
		Status: tell.status, Heading: tell.heading, Message: tell.message, Incident: incident, RetryHref: retry, RetryLabel: tell.again, Home: home,
	})
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// unhandled is Fiber's last resort: errors of its own router and parser, panics, and handlers that gave up.
func (s *Server) unhandled(c *fiber.Ctx, err error) error {
	tell := failInternal
	var routing *fiber.Error
	if errors.As(err, &routing) {
		switch routing.Code {
		case fiber.StatusNotFound:
			tell = failNotFound
		case fiber.StatusMethodNotAllowed:
			tell = failMethod
			// Fiber names the methods of the route; who asks for none that it knows gets those that authd uses.
			if len(c.Response().Header.Peek(fiber.HeaderAllow)) == 0 {
				c.Set(fiber.HeaderAllow, "GET, HEAD, POST, DELETE")
			}
		case fiber.StatusRequestEntityTooLarge, fiber.StatusRequestHeaderFieldsTooLarge, fiber.StatusBadRequest, fiber.StatusRequestTimeout:
			tell = failInvalidRequest
			tell.status = routing.Code
		}
	}
	c.Response().ResetBody()
	return s.fail(c, tell, err, "")
}

// prefersJSON tells programs from people: a fetch or XHR, or whoever accepts JSON and not HTML.
func prefersJSON(c *fiber.Ctx) bool {
	accept := strings.ToLower(c.Get(fiber.HeaderAccept))
	if strings.Contains(accept, "text/html") {
		return false
	}
	return strings.Contains(accept, "json") || c.Get("X-Requested-With") == "XMLHttpRequest" || c.Get("Sec-Fetch-Dest") == "empty"
}
