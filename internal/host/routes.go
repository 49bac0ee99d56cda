package host

import "github.com/gofiber/fiber/v2"

// routes is every route of the public listener on one screen.
func (s *Server) routes(app *fiber.App) {
	app.Use(s.guard)

	// Forward auth comes first: it is asked for every request to every app.
	app.All("/auth/check", s.check)
	app.All(forwardRoute, s.forward)
	app.All(forwardRoute+"/*", s.forward)

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
	app.Get("/auth/sessions", s.sameOrigin, s.listSessions)
	app.Delete("/auth/sessions/:handle", s.sameOrigin, s.endSession)
	app.Post("/auth/sessions/:handle", s.sameOrigin, s.endSession)
	app.Get("/auth/providers", s.listProviders)

	app.Get("/.well-known/jwks.json", s.jwks)

	app.Get("/healthz", s.healthz)
	app.Get("/readyz", s.readyz)

	// The callback paths of the systems that authd takes over from; the flow cookie says which provider is meant.
	app.Get("/auth/providers/:id", s.limited, s.startAlias)
	app.Get("/auth/oidc", s.limited, s.startOIDC)
	for _, alias := range []string{"/auth/providers/:id/callback", "/auth/oidc/callback", "/oauth2callback", "/oauth2/callback"} {
		app.Get(alias, s.callback)
		app.Post(alias, s.callback)
	}

	// oauth2-proxy's routes and Authelia's.
	app.All(oauth2Prefix+"auth", s.oauth2Auth)
	app.Get(oauth2Prefix+"sign_in", s.oauth2SignIn)
	app.Get(oauth2Prefix+"start", s.limited, s.oauth2Start)
	app.Get(oauth2Prefix+"sign_out", s.oauth2SignOut)
	app.Post(oauth2Prefix+"sign_out", s.sameOrigin, s.oauth2SignOut)
	app.Get(oauth2Prefix+"userinfo", s.oauth2Userinfo)
	app.All(authzAuthRequest, s.authzNginx)
	app.All(authzForwardAuth, s.authzForward)
	app.All(authzExtAuthz+"/*", s.authzEnvoy)
}

// oauth2Prefix is where the routes of oauth2-proxy are.
const oauth2Prefix = "/oauth2/"
