package host

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/authd/authd/internal/audit"
	"github.com/authd/authd/internal/identity"
	"github.com/authd/authd/internal/session"
	"github.com/authd/authd/internal/web"
)

// lookupTimeout bounds a look-up that misses the cache.
const lookupTimeout = time.Second

// current returns the session of the request, session.ErrNoSession, or an error that must deny.
func (s *Server) current(c *fiber.Ctx) (*session.Session, error) {
	id := s.sessionID(c)
	if id == "" {
		return nil, session.ErrNoSession
	}
	ctx, cancel := context.WithTimeout(c.UserContext(), lookupTimeout+session.Patience)
	defer cancel()
	found, err := s.sessions.Lookup(ctx, id)
	if err != nil {
		return nil, err
	}
	if s.grantOf(found).denied != nil {
		return nil, session.ErrNoSession
	}
	return found, nil
}

// account is GET /: who am I, and where else am I signed in?
func (s *Server) account(c *fiber.Ctx) error {
	current, err := s.current(c)
	if errors.Is(err, session.ErrNoSession) {
		return s.redirect(c, "/auth/login")
	}
	if err != nil {
		return s.fail(c, classify(err), err, "/")
	}
	list, err := s.sessions.List(c.UserContext(), current.User.Subject)
	if err != nil {
		return s.fail(c, classify(err), err, "/")
	}
	u := current.User
	page := web.Account{
		Name: u.Name, Identifier: u.Identifier, Email: u.Email, EmailVerified: u.EmailVerified, Picture: u.Picture,
		Provider: u.Provider, ProviderLabel: s.label(u.Provider), Groups: u.Groups,
		SignedInAt: current.CreatedAt, ExpiresAt: current.Expires, LogoutAction: "/auth/logout",
	}
	for _, one := range list {
		page.Sessions = append(page.Sessions, web.AccountSession{
			Handle: one.Handle, Browser: one.Browser, Address: one.Address, CreatedAt: one.CreatedAt,
			LastSeen: one.LastSeen(), Current: one.Handle == current.Handle, RevokeAction: "/auth/sessions/" + one.Handle,
		})
	}
	return s.page(c, fiber.StatusOK, page, s.endSessionOrigin(c.UserContext(), u.Provider))
}

// browser tells a person which of their browsers it was; it decides nothing.
func browser(userAgent string) string {
	pick := func(names [][2]string) string {
		for _, n := range names {
			if strings.Contains(userAgent, n[0]) {
				return n[1]
			}
		}
		return ""
	}
	name := pick([][2]string{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"}})
	system := pick([][2]string{{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"}})
	if name != "" && system != "" {
		return name + " on " + system
	}
	return name + system
}

// userJSON is a user as applications see them.
type userJSON struct {
	Sub               string   `json:"sub"`
	Identifier        string   `json:"identifier"`
	PreferredUsername string   `json:"preferred_username"`
	Name              string   `json:"name"`
	Email             string   `json:"email"`
	EmailVerified     bool     `json:"email_verified"`
	Picture           string   `json:"picture"`
	Groups            []string `json:"groups"`
	Provider          string   `json:"provider"`
}

func userOf(u *identity.User) userJSON {
	groups := u.Groups
	if groups == nil {
		groups = []string{}
	}
	return userJSON{
		Sub: u.Subject, Identifier: u.Identifier, PreferredUsername: u.PreferredUsername, Name: u.Name, Email: u.Email,
		EmailVerified: u.EmailVerified, Picture: u.Picture, Groups: groups, Provider: u.Provider,
	}
}

// withSession runs a handler of the JSON API for who is signed in; others get 401.
func (s *Server) withSession(c *fiber.Ctx, do func(*session.Session) error) error {
	c.Request().Header.Set(fiber.HeaderAccept, fiber.MIMEApplicationJSON)
	current, err := s.current(c)
	if errors.Is(err, session.ErrNoSession) {
		return s.fail(c, failUnauthenticated, err, "")
	}
	if err != nil {
		return s.fail(c, classify(err), err, "")
	}
	return do(current)
}

// showSession is GET /auth/session.
func (s *Server) showSession(c *fiber.Ctx) error {
	return s.withSession(c, func(current *session.Session) error {
		return s.json(c, fiber.StatusOK, map[string]any{
			"user": userOf(current.User), "provider": current.User.Provider, "expires_at": current.Expires.UTC().Format(time.RFC3339),
		})
	})
}

// listSessions is GET /auth/sessions.
func (s *Server) listSessions(c *fiber.Ctx) error {
	type sessionJSON struct {
		Handle    string    `json:"handle"`
		Provider  string    `json:"provider"`
		Browser   string    `json:"browser"`
		Address   string    `json:"address"`
		CreatedAt time.Time `json:"created_at"`
		LastSeen  time.Time `json:"last_seen"`
		ExpiresAt time.Time `json:"expires_at"`
		Current   bool      `json:"current"`
	}
	return s.withSession(c, func(current *session.Session) error {
		list, err := s.sessions.List(c.UserContext(), current.User.Subject)
		if err != nil {
			return s.fail(c, classify(err), err, "")
		}
		out := make([]sessionJSON, 0, len(list))
		for _, one := range list {
			out = append(out, sessionJSON{
				Handle: one.Handle, Provider: one.User.Provider, Browser: one.Browser, Address: one.Address,
				CreatedAt: one.CreatedAt.UTC(), LastSeen: one.LastSeen().UTC(), ExpiresAt: one.Expires.UTC(), Current: one.Handle == current.Handle,
			})
		}
		return s.json(c, fiber.StatusOK, out)
	})
}

// endSession is DELETE /auth/sessions/{handle}, and POST from the account page's form: one of the person's own.
func (s *Server) endSession(c *fiber.Ctx) error {
	current, err := s.current(c)
	if errors.Is(err, session.ErrNoSession) {
		return s.fail(c, failUnauthenticated, err, "/auth/login")
	}
	if err != nil {
		return s.fail(c, classify(err), err, "/")
	}
	handle := c.Params("handle")
	list, err := s.sessions.List(c.UserContext(), current.User.Subject)
	if err != nil {
		return s.fail(c, classify(err), err, "/")
	}
	for _, one := range list {
		if one.Handle != handle {
			continue
		}
		if err := s.revoke(c.UserContext(), handle, s.clientAddress(c), ""); err != nil && !errors.Is(err, session.ErrNoSession) {
			return s.fail(c, classify(err), err, "/")
		}
		if c.Method() == fiber.MethodPost {
			return s.redirect(c, "/")
		}
		return c.SendStatus(fiber.StatusNoContent)
	}
	return s.fail(c, failNotFound, errors.New("no such session of this user"), "/")
}

// revoke ends a session and says in the audit log from where and why.
func (s *Server) revoke(ctx context.Context, handle, address, cause string) error {
	ended, _, err := s.sessions.EndHandle(ctx, handle)
	if ended != nil {
		s.audit.Write(audit.Event{
			Kind: audit.Revoked, Provider: ended.User.Provider, Subject: ended.User.Subject, Session: handle, Address: address, Cause: cause,
		})
	}
	return err
}
