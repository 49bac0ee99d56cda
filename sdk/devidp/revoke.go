package devidp

import "net/http"

// revoke is RFC 7009: it answers 200 to whatever a proven client sends.
func (s *Server) revoke(w http.ResponseWriter, c *call) {
	client, token, ok := s.clientAndToken(w, c)
	if !ok {
		return
	}
	s.grants.revokeToken(token, client.ID)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

// introspect is RFC 7662, for confidential clients. A token of another client
// or issuer is not active for this one.
func (s *Server) introspect(w http.ResponseWriter, c *call) {
	client, token, ok := s.clientAndToken(w, c)
	if !ok {
		return
	}
	if client.Secret == "" {
		oauthError{http.StatusUnauthorized, "invalid_client", "a public client may not introspect"}.write(w)
		return
	}
	b, isRefresh, ok := s.grants.lookup(token)
	if !ok || b.clientID != client.ID || b.issuer != s.issuerOf(c.mount, c.r, client.ID) {
		s.writeObject(w, c, http.StatusOK, map[string]any{"active": false})
		return
	}
	u, _ := s.people.bySub(b.sub)
	body := map[string]any{
		"active": true, "iss": b.issuer, "sub": b.sub, "username": u.Username, "client_id": b.clientID,
		"scope": joinScope(b.scopes), "iat": b.issued.Unix(), "exp": b.expires.Unix(), "token_type": "Bearer",
	}
	if isRefresh {
		body["token_type"] = "refresh_token"
	}
	s.writeObject(w, c, http.StatusOK, body)
}

// clientAndToken reads what revocation and introspection have in common.
func (s *Server) clientAndToken(w http.ResponseWriter, c *call) (Client, string, bool) {
	if !c.method(w, http.MethodPost) {
		return Client{}, "", false
	}
	client, err := s.authenticate(w, c)
	if err == nil && c.form.Get("token") == "" {
		err = badRequest("invalid_request", "token is missing")
	}
	if err == nil && repeated(c.form) != "" {
		err = badRequest("invalid_request", "parameter %s was sent twice", repeated(c.form))
	}
	if err != nil {
		err.write(w)
		return Client{}, "", false
	}
	return client, c.form.Get("token"), true
}
