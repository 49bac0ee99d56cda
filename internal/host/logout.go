package host

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/authd/authd/internal/audit"
	"github.com/authd/authd/internal/session"
	"github.com/authd/authd/internal/web"
	"github.com/authd/authd/sdk"
)

const (
	logoutTimeout = 5 * time.Second
	// statePurpose binds the state of a logout at the identity provider, which carries where to go after it.
	statePurpose = "logout state"
)

// logoutPage is GET /auth/logout: it asks first, since a link on any page can lead here. It is also where the
// identity provider sends the browser after its own logout.
func (s *Server) logoutPage(c *fiber.Ctx) error {
	current, err := s.current(c)
	if errors.Is(err, session.ErrNoSession) {
		return s.signedOut(c)
	}
	if err != nil {
		return s.fail(c, classify(err), err, "/auth/logout")
	}
	returnTo, _ := s.live().returnTo.Check(c.Query("return_to"))
	return s.page(c, fiber.StatusOK, web.LogoutConfirm{
		Name: current.User.Name, Provider: s.label(current.User.Provider), Action: "/auth/logout", ReturnTo: returnTo,
	}, s.endSessionOrigin(c.UserContext(), current.User.Provider), returnTo)
}

func (s *Server) signedOut(c *fiber.Ctx) error {
	target, atProvider := c.Query("return_to"), false
	if state, err := s.ring.Open(statePurpose, c.Query("state")); err == nil {
		target, atProvider = string(state), true
	}
	if to, ok := s.live().returnTo.Check(target); ok && to != "/" {
		return s.redirect(c, to)
	}
	return s.page(c, fiber.StatusOK, web.SignedOut{LoginHref: "/auth/login", AtProvider: atProvider})
}

// logout is POST /auth/logout: the session here ends first, whatever the identity provider does then.
func (s *Server) logout(c *fiber.Ctx) error {
	returnTo, ok := s.live().returnTo.Check(firstOf(c.FormValue("return_to"), c.Query("return_to")))
	if !ok {
		s.warnReturnTo(c)
	}
	return s.signOut(c, returnTo)
}

// signOut ends the session of the request, then sends the browser on.
func (s *Server) signOut(c *fiber.Ctx, returnTo string) error {
	ctx, cancel := context.WithTimeout(c.UserContext(), s.within(logoutTimeout))
	defer cancel()
	ended, token, err := s.sessions.End(ctx, s.sessionID(c))
	if err != nil && !errors.Is(err, session.ErrNoSession) && ended == nil {
		return s.fail(c, classify(err), err, "/auth/logout")
	}
	s.setSessionCookie(c, "", 0)
	if ended == nil {
		return s.redirect(c, afterLogout(returnTo))
	}
	s.audit.Write(audit.Event{
		Kind: audit.Logout, Provider: ended.User.Provider, Subject: ended.User.Subject, Session: ended.Handle, Address: s.clientAddress(c),
	})
	if to := s.logoutUpstream(ctx, ended, token, returnTo); to != "" {
		return s.redirect(c, to)
	}
	return s.redirect(c, afterLogout(returnTo))
}

// afterLogout is a page that does not log in again by itself.
func afterLogout(returnTo string) string {
	if returnTo == "/" {
		return "/auth/logout"
	}
	return returnTo
}

// logoutUpstream returns the URL that ends the session at the identity provider (RP-Initiated Logout 1.0), which ends
// its tokens too. Where there is none it revokes the tokens (RFC 7009) and returns "". What fails here is logged: the
// person is signed out already.
func (s *Server) logoutUpstream(ctx context.Context, ended *session.Session, token *sdk.Token, returnTo string) string {
	p, ok := s.live().byID[ended.User.Provider]
	if !ok || token == nil {
		return ""
	}
	if !p.can(sdk.CapabilityEndSession) {
		s.revokeUpstream(ctx, p, token)
		return ""
	}
	to, err := p.runtime.EndSession(ctx, sdk.EndSessionRequest{
		IDTokenHint: token.IDToken, PostLogoutRedirectURI: s.publicURL.String() + "/auth/logout",
		State: s.ring.Seal(statePurpose, []byte(returnTo)),
	})
	if err != nil {
		s.log.Warn("no logout at the identity provider", "provider", p.ID, "cause", err.Error())
	}
	return to
}

func (s *Server) revokeUpstream(ctx context.Context, p *provider, token *sdk.Token) {
	if !p.can(sdk.CapabilityRevocation) || (token.RefreshToken == "" && token.AccessToken == "") {
		return
	}
	if err := p.runtime.RevokeToken(ctx, token); err != nil {
		s.log.Warn("the identity provider did not revoke the token", "provider", p.ID, "cause", err.Error())
	}
}

// endSessionOrigin is where the sign-out form of a provider's users leads in the end: browsers apply the page's
// policy to the redirects after a form, too.
func (s *Server) endSessionOrigin(ctx context.Context, providerID string) string {
	p, ok := s.live().byID[providerID]
	if !ok || !p.can(sdk.CapabilityEndSession) {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	to, err := p.runtime.EndSession(ctx, sdk.EndSessionRequest{PostLogoutRedirectURI: s.publicURL.String() + "/auth/logout"})
	if err != nil {
		return ""
	}
	u, err := url.Parse(to)
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
}

func (p *provider) can(c sdk.Capability) bool {
	declared, ok := p.runtime.Configured()
	return ok && slices.Contains(declared.Capabilities, c)
}

func (p *provider) takesPassword() bool { return p.can(sdk.CapabilityPassword) }

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
