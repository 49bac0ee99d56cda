package devidp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// logoutRequest is an RP-Initiated Logout 1.0 request that was found to be in order.
type logoutRequest struct {
	client   Client // zero = not named
	returnTo string // "" = stay here
	hint     *hintClaims
}

// hintClaims are the claims of an ID token that this provider once made.
type hintClaims struct {
	Issuer   string          `json:"iss"`
	Subject  string          `json:"sub"`
	SID      string          `json:"sid"`
	Azp      string          `json:"azp"`
	Audience json.RawMessage `json:"aud"`
}

// clientID is whom the ID token was made for.
func (h *hintClaims) clientID() string {
	var one string
	if json.Unmarshal(h.Audience, &one) == nil {
		return one
	}
	return h.Azp
}

// readHint accepts expired ID tokens and ones of retired keys (RP-Initiated Logout 1.0 section 2).
func (s *Server) readHint(token string) (*hintClaims, error) {
	payload, err := s.keys.verify(token)
	if err != nil {
		return nil, err
	}
	claims := &hintClaims{}
	if err := json.Unmarshal(payload, claims); err != nil {
		return nil, fmt.Errorf("devidp: hint: %w", err)
	}
	return claims, nil
}

// endSession is the end_session_endpoint (RP-Initiated Logout 1.0). With an ID
// token of the person who is signed in the session ends at once, else the person is asked.
func (s *Server) endSession(w http.ResponseWriter, c *call) {
	if !c.method(w, http.MethodGet, http.MethodPost) {
		return
	}
	req, problem := s.readLogout(c)
	if problem != "" {
		s.errorPage(w, http.StatusBadRequest, problem)
		return
	}
	current, signedIn := s.currentSession(c, c.mount.realmOf(c.r))
	_, auto := s.people.auto()
	hinted := req.hint != nil && (!signedIn || req.hint.Subject == current.sub)
	if signedIn && !hinted && !auto {
		waiting := &pending{logout: req, call: c, session: current, expires: s.opt.Now().Add(pendingLife)}
		s.logoutPage(w, s.grants.addPending(waiting), waiting)
		return
	}
	sid := current.sid
	if req.hint != nil && hinted {
		sid = req.hint.SID
	}
	s.finishLogout(w, c, req, sid, current.sid)
}

// readLogout checks a logout request. What is wrong ends on a page: no redirect
// goes to an address that nobody registered.
func (s *Server) readLogout(c *call) (*logoutRequest, string) {
	params := c.params()
	if name := repeated(params); name != "" {
		return nil, "The parameter " + name + " was sent twice."
	}
	req := &logoutRequest{}
	clientID := params.Get("client_id")
	if token := params.Get("id_token_hint"); token != "" {
		hint, err := s.readHint(token)
		if err != nil || hint.Issuer != s.issuerOf(c.mount, c.r, hint.clientID()) {
			return nil, "The id_token_hint was not issued here."
		}
		if clientID != "" && clientID != hint.clientID() {
			return nil, "The client_id is not the one the id_token_hint was made for."
		}
		clientID, req.hint = hint.clientID(), hint
	}
	known := false
	if req.client, known = s.people.client(clientID); clientID != "" && !known {
		return nil, "No client has this client_id."
	}
	uri := params.Get("post_logout_redirect_uri")
	if uri == "" {
		return req, ""
	}
	if !known || !allowsURI(req.client.PostLogoutRedirectURIs, uri) {
		return nil, "The post_logout_redirect_uri is not registered for this client, or no client was named."
	}
	req.returnTo = uri
	if params.Has("state") {
		req.returnTo = addQuery(uri, url.Values{"state": {params.Get("state")}})
	}
	return req, ""
}

func (s *Server) decideLogout(w http.ResponseWriter, c *call, waiting *pending) {
	if c.form.Get("action") == "cancel" {
		s.messagePage(w, "You are still signed in", "Nothing has changed.")
		return
	}
	s.finishLogout(w, c, waiting.logout, waiting.session.sid, waiting.session.sid)
}

// finishLogout ends sessions, tells the clients and goes back. sids may be
// twice the same; an empty one names nothing.
func (s *Server) finishLogout(w http.ResponseWriter, c *call, req *logoutRequest, sids ...string) {
	ended := s.grants.endSessions(func(one session) bool { return slices.Contains(sids, one.sid) && one.sid != "" })
	// A client that does not listen is its own loss: the person is signed out here.
	_ = s.notify(c.r.Context(), ended)
	for _, cookie := range c.r.Cookies() {
		if strings.HasPrefix(cookie.Name, "devidp_") && len(ended) > 0 && cookie.Name == s.cookieName(ended[0].realm) {
			http.SetCookie(w, &http.Cookie{Name: cookie.Name, Path: "/", MaxAge: -1, HttpOnly: true, Secure: s.secure()})
		}
	}
	if req.returnTo == "" {
		s.messagePage(w, "You are signed out", "The session at this identity provider has ended.")
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", req.returnTo)
	w.WriteHeader(http.StatusSeeOther)
}

// Logout ends all sessions of a user here, as an administrator would, and sends
// a logout token to every client that took part and has a BackchannelLogoutURI.
// It returns what went wrong with those.
func (s *Server) Logout(ctx context.Context, sub string) error {
	return s.notify(ctx, s.grants.endSessions(func(one session) bool { return one.sub == sub }))
}

// SessionIDs are the sids of a user's sessions here.
func (s *Server) SessionIDs(sub string) []string {
	s.grants.mu.Lock()
	defer s.grants.mu.Unlock()
	var sids []string
	for _, one := range s.grants.sessions {
		if one.sub == sub && !s.grants.now().After(one.expires) {
			sids = append(sids, one.sid)
		}
	}
	slices.Sort(sids)
	return sids
}

// notify is OpenID Connect Back-Channel Logout 1.0 section 2.5.
func (s *Server) notify(ctx context.Context, ended []session) error {
	var all []error
	for _, one := range ended {
		for _, id := range slices.Sorted(maps.Keys(one.clients)) {
			client, ok := s.people.client(id)
			if !ok || client.BackchannelLogoutURI == "" {
				continue
			}
			token := s.LogoutTokenFor(one.clients[id], one.sub, one.sid, id, Fault{})
			if status, err := s.SendLogoutToken(ctx, client.BackchannelLogoutURI, token); err != nil {
				all = append(all, err)
			} else if status/100 != 2 {
				all = append(all, fmt.Errorf("devidp: back-channel logout at %s: status %d", client.BackchannelLogoutURI, status))
			}
		}
	}
	return errors.Join(all...)
}

// SendLogoutToken posts a logout token to a client's back-channel logout URI and
// returns the status of the answer. It waits at most 5 seconds.
func (s *Server) SendLogoutToken(ctx context.Context, uri, token string) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	body := url.Values{"logout_token": {token}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, uri, strings.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("devidp: back-channel logout: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("devidp: back-channel logout: %w", err)
	}
	return res.StatusCode, res.Body.Close()
}

// LogoutToken makes a logout token of the main provider for a client (OpenID
// Connect Back-Channel Logout 1.0 section 2.4). sub or sid may be empty, but not
// both in a valid one. Flaws make it wrong; all of ID tokens' and of logout
// tokens' own may be used. It panics when the token cannot be signed.
func (s *Server) LogoutToken(sub, sid, clientID string, flaws ...Flaw) string {
	return s.LogoutTokenFor(s.issuer, sub, sid, clientID, Fault{Flaws: flaws})
}

// LogoutTokenFor is LogoutToken for another issuer (a Keycloak realm, say), with
// the Flaws and EditClaims of a fault.
func (s *Server) LogoutTokenFor(issuer, sub, sid, clientID string, f Fault) string {
	u, _ := s.people.bySub(sub)
	client, _ := s.people.client(clientID)
	now := s.opt.Now()
	d := s.newDraft("logout+jwt", map[string]any{
		"iss": issuer, "aud": clientID, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": randomID(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}, client, u)
	addText(d.claims, map[string]string{"sub": sub, "sid": sid})
	token, err := s.seal(d, f)
	if err != nil {
		panic(err)
	}
	return token
}
