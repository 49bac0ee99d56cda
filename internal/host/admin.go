package host

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/gofiber/fiber/v2/middleware/recover"

	"github.com/authd/authd/internal/session"
)

// adminRoutes is every route of the admin listener, which the public one never has.
func (s *Server) adminRoutes(app *fiber.App) {
	app.Use(recover.New(), s.guard)
	app.Get("/metrics", adaptor.HTTPHandler(s.metrics.Handler()))

	admin := app.Group("/", s.adminOnly)
	admin.Get("/admin/plugins", s.adminPlugins)
	admin.Get("/admin/providers", s.adminProviders)
	admin.Post("/admin/providers/:id/restart", s.adminRestart)
	admin.Get("/admin/sessions", s.adminSessions)
	admin.Delete("/admin/sessions", s.adminRevokeMany)
	admin.Delete("/admin/sessions/:handle", s.adminRevokeOne)
	if s.cfg.Admin.Pprof {
		for name, handler := range map[string]http.HandlerFunc{"cmdline": pprof.Cmdline, "profile": pprof.Profile, "symbol": pprof.Symbol, "trace": pprof.Trace} {
			admin.Get("/debug/pprof/"+name, adaptor.HTTPHandlerFunc(handler))
		}
		admin.Get("/debug/pprof/*", adaptor.HTTPHandlerFunc(pprof.Index))
	}
}

// startAdmin opens the admin listener, if there is to be one.
func (s *Server) startAdmin() error {
	if s.cfg.Server.AdminListen == "" && s.manager.AdminListener == nil {
		return nil
	}
	listener, err := s.socket(s.manager.AdminListener, "server.admin_listen", s.cfg.Server.AdminListen)
	if err != nil {
		return err
	}
	app := fiber.New(s.fiberConfig())
	s.adminRoutes(app)
	s.adminListener = listener
	s.serve(app, listener)
	s.log.Info("the admin listener is open", "address", listener.Addr().String())
	return nil
}

// adminOnly lets in whoever may use the unix socket, or bears the token (RFC 6750 section 2.1).
func (s *Server) adminOnly(c *fiber.Ctx) error {
	if onUnix(s.adminListener) && s.cfg.Admin.Token == "" {
		return c.Next()
	}
	token, bearer := strings.CutPrefix(c.Get(fiber.HeaderAuthorization), "Bearer ")
	want := s.cfg.Admin.Token
	if !bearer || want == "" || subtle.ConstantTimeCompare([]byte(token), []byte(want)) != 1 {
		c.Set(fiber.HeaderWWWAuthenticate, `Bearer realm="authd admin"`)
		c.Request().Header.Set(fiber.HeaderAccept, fiber.MIMEApplicationJSON)
		tell := failUnauthenticated
		tell.message = "Set admin.token and send it as a bearer token, or let server.admin_listen be a unix socket."
		return s.fail(c, tell, errors.New("no admin token"), "")
	}
	return c.Next()
}

// adminSession is a session as an operator sees it.
type adminSession struct {
	Handle     string    `json:"handle"`
	Subject    string    `json:"sub"`
	Identifier string    `json:"identifier"`
	Provider   string    `json:"provider"`
	Address    string    `json:"address"`
	CreatedAt  time.Time `json:"created_at"`
	LastSeen   time.Time `json:"last_seen"`
	ExpiresAt  time.Time `json:"expires_at"`
}

// adminSessions is GET /admin/sessions[?user=]: user is a subject, an identifier or a verified address.
func (s *Server) adminSessions(c *fiber.Ctx) error {
	list := []adminSession{}
	err := s.eachSession(c.UserContext(), c.Query("user"), func(one *session.Session) error {
		list = append(list, adminSession{
			Handle: one.Handle, Subject: one.User.Subject, Identifier: one.User.Identifier, Provider: one.User.Provider, Address: one.Address,
			CreatedAt: one.CreatedAt.UTC(), LastSeen: one.LastSeen().UTC(), ExpiresAt: one.Expires.UTC(),
		})
		return nil
	})
	if err != nil {
		return s.fail(c, classify(err), err, "")
	}
	return s.json(c, fiber.StatusOK, list)
}

// eachSession visits the live sessions of a user, or all when user is empty.
func (s *Server) eachSession(ctx context.Context, user string, visit func(*session.Session) error) error {
	for one, err := range s.sessions.All(ctx) {
		if err != nil {
			return err
		}
		if u := one.User; user != "" && user != u.Subject && user != u.Identifier && user != u.VerifiedEmail() {
			continue
		}
		if err := visit(one); err != nil {
			return err
		}
	}
	return nil
}

// adminRevokeMany is DELETE /admin/sessions?user= or ?all=true.
func (s *Server) adminRevokeMany(c *fiber.Ctx) error {
	user := c.Query("user")
	if user == "" && c.Query("all") != "true" {
		tell := failInvalidRequest
		tell.message = "Say whose: ?user=SUBJECT or ?all=true."
		return s.fail(c, tell, errors.New("neither user nor all"), "")
	}
	revoked := 0
	err := s.eachSession(c.UserContext(), user, func(one *session.Session) error {
		if err := s.revoke(c.UserContext(), one.Handle, "", "admin"); err != nil && !errors.Is(err, session.ErrNoSession) {
			return err
		}
		revoked++
		return nil
	})
	if err != nil {
		return s.fail(c, classify(err), err, "")
	}
	return s.json(c, fiber.StatusOK, map[string]int{"revoked": revoked})
}

// adminRevokeOne is DELETE /admin/sessions/{handle}.
func (s *Server) adminRevokeOne(c *fiber.Ctx) error {
	err := s.revoke(c.UserContext(), c.Params("handle"), "", "admin")
	if errors.Is(err, session.ErrNoSession) {
		return s.fail(c, failNotFound, err, "")
	}
	if err != nil {
		return s.fail(c, classify(err), err, "")
	}
	return s.json(c, fiber.StatusOK, map[string]int{"revoked": 1})
}
