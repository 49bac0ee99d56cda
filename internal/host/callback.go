package host

import (
	"context"
	"fmt"
	"mime"
	"net/url"

	"github.com/gofiber/fiber/v2"

	"github.com/authd/authd/internal/audit"
	"github.com/authd/authd/internal/login"
	"github.com/authd/authd/internal/session"
)

// callback is GET|POST /auth/oauth/{id}/callback and its aliases.
func (s *Server) callback(c *fiber.Ctx) error {
	ctx, cancel := context.WithTimeout(c.UserContext(), s.within(finishTimeout))
	defer cancel()
	params, err := callbackParams(c)
	if err != nil {
		return s.loginFailed(c, c.Params("id"), err, "/auth/login")
	}
	done, err := s.flow.Finish(ctx, login.Callback{
		Path: c.Path(), FormPost: c.Method() == fiber.MethodPost, Params: params, Cookies: s.flowCookies(c),
	})
	s.dropFlowCookies(c, done.Cookie)
	return s.finish(ctx, c, done, err)
}

// callbackParams reads the query of a GET, or the form of a POST (OAuth 2.0 Form Post Response Mode); never both.
func callbackParams(c *fiber.Ctx) (url.Values, error) {
	raw := string(c.Request().URI().QueryString())
	if c.Method() == fiber.MethodPost {
		kind, _, err := mime.ParseMediaType(c.Get(fiber.HeaderContentType))
		if err != nil || kind != fiber.MIMEApplicationForm || raw != "" {
			return nil, fmt.Errorf("%w: a posted callback must be a form without a query", login.ErrInvalidRequest)
		}
		raw = string(c.Body())
	}
	params, err := url.ParseQuery(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: the parameters are malformed", login.ErrInvalidRequest)
	}
	return params, nil
}

// finish turns a login that has ended into a session, or into a page that says why not.
func (s *Server) finish(ctx context.Context, c *fiber.Ctx, done *login.Finished, err error) error {
	retry := loginPath(done.ReturnTo)
	if err == nil {
		err = s.live().admission.Admit(ctx, done.User)
	}
	if err != nil {
		return s.loginFailed(c, done.ProviderID, err, retry)
	}
	id, created, err := s.sessions.Create(ctx, session.Login{
		User: done.User, Token: done.Token, Browser: browser(c.Get(fiber.HeaderUserAgent)), Address: s.clientAddress(c), Previous: s.sessionID(c),
	})
	if err != nil {
		return s.loginFailed(c, done.ProviderID, err, retry)
	}
	s.metrics.Login(done.User.Provider, "ok")
	s.audit.Write(audit.Event{
		Kind: audit.Login, Provider: done.User.Provider, Subject: done.User.Subject, Session: created.Handle, Address: created.Address,
	})
	s.setSessionCookie(c, id, s.cfg.Session.Lifetime)
	return s.redirect(c, done.ReturnTo)
}
