package devidp

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

// pendingLife is how long a page waits for a click.
const pendingLife = 10 * time.Minute

// pending is a page that waits for a click: a sign-in, a consent or a logout.
type pending struct {
	*authRequest                // nil for a logout
	logout       *logoutRequest // nil for all else
	call         *call          // the request that asked for the page: its endpoint and its path
	session      session        // of a consent or a logout: whose
	expires      time.Time
}

// interact decides whether somebody has to be asked (OpenID Connect Core 3.1.2.3).
func (s *Server) interact(w http.ResponseWriter, c *call, req *authRequest) {
	current, signedIn := s.currentSession(c, req.realm)
	if signedIn && req.hintedSub != "" && current.sub != req.hintedSub {
		signedIn = false
	}
	fresh := signedIn && (req.maxAge < 0 || (req.maxAge > 0 && s.opt.Now().Sub(current.authTime) <= req.maxAge))
	if req.asks("none") {
		if !fresh {
			s.answerError(w, c, req, "login_required", "nobody is signed in, or not recently enough")
			return
		}
		s.answerCode(w, c, req, current)
		return
	}
	askWho := !fresh || req.asks("login") || req.asks("select_account")
	if !askWho && !req.asks("consent") {
		s.answerCode(w, c, req, current)
		return
	}
	if u, ok := s.people.auto(); ok {
		if askWho {
			current = s.signIn(w, c, req, u)
		}
		s.answerCode(w, c, req, current)
		return
	}
	waiting := &pending{authRequest: req, call: c, expires: s.opt.Now().Add(pendingLife)}
	if !askWho {
		waiting.session = current
	}
	s.loginPage(w, s.grants.addPending(waiting), waiting)
}

// decide takes the click: which user, or "no". A page counts once.
func (s *Server) decide(w http.ResponseWriter, c *call) {
	if !c.method(w, http.MethodPost) {
		return
	}
	// Another site must not click for the person (login CSRF).
	if err := http.NewCrossOriginProtection().Check(c.r); err != nil {
		s.errorPage(w, http.StatusForbidden, "This click came from another site.")
		return
	}
	waiting, ok := s.grants.takePending(c.form.Get("interaction"))
	if !ok {
		s.errorPage(w, http.StatusBadRequest, "This page was used before or is too old. Go back to the application and begin again.")
		return
	}
	if waiting.session.sub != "" {
		current, ok := s.currentSession(c, waiting.session.realm)
		if !ok || current.sid != waiting.session.sid {
			s.errorPage(w, http.StatusBadRequest, "Somebody else is signed in by now. Go back to the application and begin again.")
			return
		}
	}
	if waiting.logout != nil {
		s.decideLogout(w, c, waiting)
		return
	}
	// From here on it is the authorization endpoint that answers, so its faults apply.
	c.mount, c.endpoint, c.r = waiting.call.mount, waiting.call.endpoint, c.r.WithContext(c.r.Context())
	c.r.URL = waiting.call.r.URL
	s.decideLogin(w, c, waiting)
}

func (s *Server) decideLogin(w http.ResponseWriter, c *call, waiting *pending) {
	if c.form.Get("action") == "cancel" {
		s.answerError(w, c, waiting.authRequest, "access_denied", "the user said no")
		return
	}
	who := waiting.session
	if who.sub == "" {
		u, known := s.people.find(c.form.Get("user"))
		if !known {
			s.errorPage(w, http.StatusBadRequest, "Nobody of that name lives here.")
			return
		}
		who = s.signIn(w, c, waiting.authRequest, u)
	}
	s.answerCode(w, c, waiting.authRequest, who)
}

// signIn begins a session. Signing in again as the same person keeps the sid,
// so that a logout still reaches all clients of the session.
func (s *Server) signIn(w http.ResponseWriter, c *call, req *authRequest, u User) session {
	now := s.opt.Now()
	fresh := session{
		sid: randomID(), realm: req.realm, sub: u.Sub, authTime: now,
		expires: now.Add(s.opt.SessionLife), clients: map[string]string{},
	}
	if old, ok := s.currentSession(c, req.realm); ok && old.sub == u.Sub {
		fresh.sid, fresh.clients = old.sid, old.clients
	}
	for _, cookie := range c.r.CookiesNamed(s.cookieName(req.realm)) {
		s.grants.dropSession(cookie.Value)
	}
	http.SetCookie(w, &http.Cookie{
		Name: s.cookieName(req.realm), Value: s.grants.addSession(fresh), Path: "/",
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.secure(),
	})
	return fresh
}

// currentSession is who is signed in with this browser. A user who was removed is not.
func (s *Server) currentSession(c *call, realm string) (session, bool) {
	cookies := c.r.CookiesNamed(s.cookieName(realm))
	at := slices.IndexFunc(cookies, func(one *http.Cookie) bool {
		_, ok := s.grants.sessionOf(one.Value, realm)
		return ok
	})
	if at < 0 {
		return session{}, false
	}
	found, ok := s.grants.sessionOf(cookies[at].Value, realm)
	return found, ok && s.people.has(found.sub)
}

// cookieName differs per provider and realm: cookies know no ports, and several
// providers run on one loopback address.
func (s *Server) cookieName(realm string) string {
	sum := sha256.Sum256([]byte(s.base + "|" + realm))
	return "devidp_" + hex.EncodeToString(sum[:6])
}

func (s *Server) secure() bool { return strings.HasPrefix(s.base, "https:") }
