package host

import "github.com/gofiber/fiber/v2"

// routes is every route of the public listener on one screen.
func (s *Server) routes(app *fiber.App) {
	app.Use(s.guard)

	// Forward auth comes first: it is asked for every request to every app.
	app.All("/auth/check", s.check)

	app.Get("/", s.account)
	app.Get("/auth/login", s.loginPage)
	app.Get("/auth/assets/:name", s.asset)

	app.Get("/auth/oauth/:id", s.limited, s.startLogin)
	app.Get("/auth/oauth/:id/callback", s.callback)
	app.Post("/auth/oauth/:id/callback", s.callback)
	app.Post("/auth/password/:id", s.sameOrigin, s.limited, s.passwordLogin)

	app.Get("/auth/logout", s.logoutPage)
	app.Post("/auth/logout", s.sameOrigin, s.logout)

	app.Get("/auth/session", s.showSession)
	app.Get("/auth/sessions", s.listSessions)
	app.Delete("/auth/sessions/:handle", s.sameOrigin, s.endSession)
	app.Post("/auth/sessions/:handle", s.sameOrigin, s.endSession)
	app.Get("/auth/providers", s.listProviders)

	app.Get("/healthz", s.healthz)
	app.Get("/readyz", s.readyz)

	// The callback paths of the systems that authd takes over from; the flow cookie says which provider is meant.
	app.Get("/auth/providers/:id", s.limited, s.startLogin)
	for _, alias := range []string{"/auth/providers/:id/callback", "/auth/oidc/callback", "/oauth2callback", "/oauth2/callback"} {
		app.Get(alias, s.callback)
		app.Post(alias, s.callback)
	}
}
