package host

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/authd/authd/internal/audit"
	"github.com/authd/authd/internal/login"
	"github.com/authd/authd/internal/web"
	"github.com/authd/authd/sdk"
)

const (
	// startTimeout bounds the way to the identity provider, finishTimeout the way back with its several calls.
	startTimeout  = 5 * time.Second
	finishTimeout = 15 * time.Second
	// autoPause is how long the login page is shown after it was skipped once: an app that still says no must not
	// send its user round and round.
	autoPause  = 10 * time.Second
	autoCookie = "authd_auto"
)

// loginPage is GET /auth/login?return_to=.
func (s *Server) loginPage(c *fiber.Ctx) error {
	returnTo, ok := s.live().returnTo.Check(c.Query("return_to"))
	if !ok {
		s.warnReturnTo(c)
	}
	return s.chooseLogin(c, returnTo)
}

// chooseLogin shows the login page, or skips it where there is nothing to choose.
func (s *Server) chooseLogin(c *fiber.Ctx, returnTo string) error {
	page := s.choices(returnTo)
	if s.live().cfg.Login.Auto && page.Only() && len(page.Out) == 0 && c.Cookies(autoCookie) == "" {
		s.setCookie(c, autoCookie, "1", autoPause)
		return s.redirect(c, page.Providers[0].Href)
	}
	return s.page(c, fiber.StatusOK, page)
}

// choices are the ways to sign in.
func (s *Server) choices(returnTo string) web.Login {
	page := web.Login{ReturnTo: returnTo}
	for _, p := range s.live().providers {
		switch {
		case !p.runtime.Ready():
			page.Out = append(page.Out, web.OutProvider{ID: p.ID, Label: p.Label, Icon: p.icon})
		case p.takesPassword():
			page.Passwords = append(page.Passwords, web.PasswordForm{
				ID: p.ID, Label: p.Label, Action: "/auth/password/" + p.ID, ReturnTo: returnTo, Development: p.Development,
			})
		default:
			page.Providers = append(page.Providers, web.LoginButton{ID: p.ID, Label: p.Label, Href: startPath(p.ID, returnTo), Icon: p.icon})
		}
	}
	return page
}

// startPath is where a login through a provider begins.
func startPath(id, returnTo string) string {
	return withReturnTo("/auth/oauth/"+id, returnTo)
}

// loginPath is the login page.
func loginPath(returnTo string) string { return withReturnTo("/auth/login", returnTo) }

func withReturnTo(path, returnTo string) string {
	if returnTo == "" || returnTo == "/" {
		return path
	}
	return path + "?" + url.Values{"return_to": {returnTo}}.Encode()
}

func (s *Server) warnReturnTo(c *fiber.Ctx) {
	s.log.Warn("return_to is not allowed; the login leads to the home page",
		"return_to", loggable(c.Query("return_to")), "mend", "add its origin to login.return_to_allow")
}

// loggable cuts what a stranger sent to a length that a log line bears; the logger escapes the rest. A query may
// hold secrets of an app, so only what stands before it is kept.
func loggable(s string) string {
	const most = 100
	s, _, _ = strings.Cut(s, "?")
	return s[:min(len(s), most)]
}

// startLogin is GET /auth/oauth/{id}?return_to=&login_hint=.
func (s *Server) startLogin(c *fiber.Ctx) error {
	return s.begin(c, c.Params("id"), c.Query("return_to"))
}

// startAlias is GET /auth/providers/{id}?redirect=, Chatto's name for the same.
func (s *Server) startAlias(c *fiber.Ctx) error {
	return s.begin(c, c.Params("id"), firstOf(c.Query("return_to"), c.Query("redirect")))
}

// startOIDC is GET /auth/oidc?redirect=, Chatto's way to its OpenID provider: the one whose callback is below it, else
// the one of that id, else the first.
func (s *Server) startOIDC(c *fiber.Ctx) error {
	now := s.live()
	id := now.firstWhere(func(p *provider) bool { return p.CallbackPath == "/auth/oidc/callback" })
	if id == "" && now.byID["oidc"] == nil {
		id = now.firstWhere(func(p *provider) bool { return p.can(sdk.CapabilityOpenID) })
	}
	return s.begin(c, firstOf(id, "oidc"), firstOf(c.Query("return_to"), c.Query("redirect")))
}

// begin sends the browser to the identity provider.
func (s *Server) begin(c *fiber.Ctx, id, returnTo string) error {
	ctx, cancel := context.WithTimeout(c.UserContext(), s.within(startTimeout))
	defer cancel()
	started, err := s.flow.Start(ctx, login.StartRequest{
		ProviderID: id, ReturnTo: returnTo, LoginHint: c.Query("login_hint"), Cookies: s.flowCookies(c),
	})
	if err != nil {
		return s.loginFailed(c, id, err, "/auth/login")
	}
	if started.ReturnToRefused {
		s.warnReturnTo(c)
	}
	s.dropFlowCookies(c, started.Gone...)
	s.setFlowCookie(c, started.Cookie)
	return s.redirect(c, started.URL)
}

// loginFailed answers a login that came to nothing, and says so in the audit log.
func (s *Server) loginFailed(c *fiber.Ctx, providerID string, cause error, retry string) error {
	tell := classify(cause)
	incident := s.logFailure(c, tell, cause)
	kind := audit.LoginFailed
	if tell.code == failAccessDenied.code {
		kind = audit.Denied
	}
	s.metrics.Login(s.knownID(providerID), tell.code)
	s.audit.Write(audit.Event{Kind: kind, Incident: incident, Provider: s.knownID(providerID), Address: s.clientAddress(c), Cause: tell.code})
	if tell == failPassword && !prefersJSON(c) {
		return s.page(c, tell.status, s.formAgain(c, providerID, tell.message))
	}
	return s.tellFailure(c, s.live().pages, tell, incident, retry, "/")
}

// formAgain is the login page for somebody who has mistyped: it says so, and keeps what need not be typed again.
func (s *Server) formAgain(c *fiber.Ctx, providerID, message string) web.Login {
	returnTo, _ := s.live().returnTo.Check(c.FormValue("return_to"))
	page := s.choices(returnTo)
	page.Error = message
	for i := range page.Passwords {
		if page.Passwords[i].ID == providerID {
			page.Passwords[i].UsernameHint = c.FormValue("username")
		}
	}
	return page
}

// knownID keeps ids that strangers made up out of the audit log.
func (s *Server) knownID(id string) string {
	if p, ok := s.live().byID[id]; ok {
		return p.ID
	}
	return ""
}

// passwordLogin is POST /auth/password/{id}.
func (s *Server) passwordLogin(c *fiber.Ctx) error {
	ctx, cancel := context.WithTimeout(c.UserContext(), s.within(finishTimeout))
	defer cancel()
	credentials := sdk.Credentials{Username: c.FormValue("username"), Password: c.FormValue("password")}
	done, err := s.flow.Password(ctx, c.Params("id"), credentials, c.FormValue("return_to"))
	return s.finish(ctx, c, done, err)
}
