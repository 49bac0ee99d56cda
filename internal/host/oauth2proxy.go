package host

import (
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/authd/authd/internal/policy"
	"github.com/authd/authd/internal/session"
)

// The routes of oauth2-proxy, with its codes, headers and parameters, so that whoever ran it changes an address and
// nothing else. docs/migrate/oauth2-proxy.md lists every difference.

// gapAuth is the header in which oauth2-proxy names who is signed in.
const gapAuth = "GAP-Auth"

// oauth2Auth is ANY /oauth2/auth[?allowed_groups=&allowed_emails=&allowed_email_domains=]: 202, 401 or 403.
func (s *Server) oauth2Auth(c *fiber.Ctx) error {
	t := s.originalTarget(c)
	v := s.judge(c, t)
	if v.Verdict == policy.Allow && !v.failed && v.grant != nil {
		if err := s.constrained(c, v.grant); err != nil {
			v.Verdict, v.reason = policy.Deny, err
		}
	}
	if err := s.checked(c, t, v, fiber.StatusAccepted); err != nil {
		return err
	}
	// nginx may be told to cache a refusal, and oauth2-proxy names no login page in it.
	c.Response().Header.Del(fiber.HeaderLocation)
	c.Response().Header.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	who := ""
	if c.Response().StatusCode() == fiber.StatusAccepted && v.grant != nil {
		who = headerValue(firstOf(v.grant.user.VerifiedEmail(), v.grant.user.Identifier), "")
	}
	c.Response().Header.Set(gapAuth, who)
	return nil
}

// constrained holds who is signed in against what the query asks of this one request.
func (s *Server) constrained(c *fiber.Ctx, g *grant) error {
	raw := string(c.Request().URI().QueryString())
	if raw == "" {
		return nil
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return err
	}
	return policy.ParseConstraints(query).Allow(g.user)
}

// oauth2SignIn is GET /oauth2/sign_in?rd=: the login page.
func (s *Server) oauth2SignIn(c *fiber.Ctx) error {
	returnTo := s.redirectTarget(c)
	if to := s.atHome(c, returnTo); to != "" {
		return s.redirect(c, to)
	}
	return s.chooseLogin(c, returnTo)
}

// oauth2Start is GET /oauth2/start?rd=: straight to the identity provider, when there is only one.
func (s *Server) oauth2Start(c *fiber.Ctx) error {
	returnTo := s.redirectTarget(c)
	if to := s.atHome(c, returnTo); to != "" {
		return s.redirect(c, to)
	}
	if page := s.choices(returnTo); page.Only() && len(page.Out) == 0 {
		return s.begin(c, page.Providers[0].ID, returnTo)
	}
	return s.redirect(c, loginPath(returnTo))
}

// oauth2SignOut is GET|POST /oauth2/sign_out?rd=. A link on a page of one's own site signs out at once; a link from
// anywhere else, or in a browser that does not say from where, is asked about first.
func (s *Server) oauth2SignOut(c *fiber.Ctx) error {
	returnTo := s.redirectTarget(c)
	if to := s.atHome(c, returnTo); to != "" {
		return s.redirect(c, to)
	}
	switch c.Get("Sec-Fetch-Site") {
	case "same-origin", "same-site", "none":
	default:
		if c.Method() == fiber.MethodGet { // a POST has passed sameOrigin
			return s.redirect(c, "/auth/logout?"+url.Values{"return_to": {returnTo}}.Encode())
		}
	}
	return s.signOut(c, returnTo)
}

// oauth2Userinfo is GET /oauth2/userinfo.
func (s *Server) oauth2Userinfo(c *fiber.Ctx) error {
	type userinfoJSON struct {
		User              string   `json:"user"`
		Email             string   `json:"email"`
		Groups            []string `json:"groups,omitempty"`
		PreferredUsername string   `json:"preferredUsername,omitempty"`
	}
	return s.withSession(c, func(current *session.Session) error {
		u := current.User
		return s.json(c, fiber.StatusOK, userinfoJSON{u.Identifier, u.VerifiedEmail(), u.Groups, u.PreferredUsername})
	})
}

// atHome is the same route on authd's own address, for a browser that came through the address of an app, where these
// routes of oauth2-proxy often are: authd's pages and cookies are at home. It is "" for a browser that is there.
func (s *Server) atHome(c *fiber.Ctx, returnTo string) string {
	port := ":80"
	if s.https {
		port = ":443"
	}
	host, err := hostName(string(c.Request().Header.Host()))
	app := s.publicURL.Scheme + "://" + host
	// Any other name may be what a proxy calls authd.
	if _, ours := s.live().returnTo.Check(app); err != nil || !ours {
		return ""
	}
	if strings.TrimSuffix(host, port) == strings.TrimSuffix(strings.ToLower(s.publicURL.Host), port) {
		return ""
	}
	if strings.HasPrefix(returnTo, "/") {
		returnTo = app + returnTo
	}
	return s.publicURL.String() + c.Path() + "?" + url.Values{"rd": {returnTo}}.Encode()
}

// redirectTarget is where a login or logout is to lead, from the places that oauth2-proxy looks at, in its order; the
// first that is one of ours wins.
func (s *Server) redirectTarget(c *fiber.Ctx) string {
	places := []string{firstOf(c.Query("rd"), c.FormValue("rd")), c.Get("X-Auth-Request-Redirect")}
	if s.trusted(c) {
		places = append(places, s.forwardedTarget(c).url(), c.Get("X-Forwarded-Uri"))
	}
	for _, place := range places {
		if place == "" || ownPath(place) {
			continue
		}
		if to, ok := s.live().returnTo.Check(place); ok {
			return to
		}
	}
	return "/"
}

// ownPath reports whether a target is one of the routes of this file: leading there after a login would go round.
func ownPath(target string) bool {
	u, err := url.Parse(target)
	return err != nil || strings.HasPrefix(u.Path, "/oauth2/")
}
