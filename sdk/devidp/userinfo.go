package devidp

import (
	"net/http"
	"strings"
)

// userInfo is the userinfo endpoint (OpenID Connect Core 5.3). It also serves
// plain OAuth 2.0 grants, which get every claim.
func (s *Server) userInfo(w http.ResponseWriter, c *call) {
	if !c.method(w, http.MethodGet, http.MethodPost) {
		return
	}
	token, err := bearerToken(c)
	if err != nil {
		err.write(w)
		return
	}
	gr, ok := s.grants.accessGrant(token)
	if ok {
		// A token of one realm says nothing in another.
		ok = gr.mount == c.mount && gr.issuer == s.issuerOf(c.mount, c.r, gr.clientID)
	}
	var u User
	if ok {
		u, ok = s.people.bySub(gr.sub)
	}
	if !ok {
		challenge := `Bearer realm="devidp"`
		if token != "" {
			challenge += `, error="invalid_token", error_description="the access token is not known, has expired or was revoked"`
		}
		w.Header().Set("WWW-Authenticate", challenge)
		oauthError{http.StatusUnauthorized, "invalid_token", "the access token is missing, not known, expired or revoked"}.write(w)
		return
	}
	client, _ := s.people.client(gr.clientID)
	s.writeClaims(w, c, s.newDraft("", s.userClaims(gr, u, PlaceUserInfo), client, u))
}

// writeClaims answers with claims after the fault has been at them.
func (s *Server) writeClaims(w http.ResponseWriter, c *call, d *draft) {
	err := s.bend(d, c.fault)
	if err == nil && c.fault.EditBody != nil {
		c.fault.EditBody(d.claims)
	}
	var raw []byte
	if err == nil {
		raw, err = d.payload()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeRawJSON(w, http.StatusOK, raw)
}

// bearerToken reads an access token from the header or the form (RFC 6750
// section 2); from the query it is not taken, as RFC 9700 section 4.3.2 asks.
func bearerToken(c *call) (string, *oauthError) {
	scheme, token, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	inForm := c.form.Get("access_token")
	switch {
	case strings.EqualFold(scheme, "Bearer") && inForm != "":
		return "", badRequest("invalid_request", "the access token came in two ways at once")
	case strings.EqualFold(scheme, "Bearer"):
		return strings.TrimSpace(token), nil
	}
	return inForm, nil
}
