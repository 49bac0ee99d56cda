package devidp

import (
	"net/http"
	"slices"
)

// token is the token endpoint: grants authorization_code, refresh_token and
// password (RFC 6749 section 3.2, OpenID Connect Core 3.1.3).
func (s *Server) token(w http.ResponseWriter, c *call) {
	if !c.method(w, http.MethodPost) {
		return
	}
	gr, err := s.tokenGrant(w, c)
	if err != nil {
		err.write(w)
		return
	}
	body, err := s.tokenAnswer(gr, c.fault)
	if err != nil {
		err.write(w)
		return
	}
	s.grants.count(func(st *Stats) {
		st.Tokens++
		if gr.refreshed != nil {
			st.RefreshAnswers++
		}
	})
	s.bendBody(c.fault, body)
	s.writeObject(w, c, http.StatusOK, body)
}

// granted is what a token request was found to be entitled to.
type granted struct {
	*grant
	refreshed   *grant // of the refresh token that was shown: the next one keeps its scopes (RFC 6749 section 6)
	keepRefresh string // the refresh token that stays; "" = a new one, if any
}

func (s *Server) tokenGrant(w http.ResponseWriter, c *call) (granted, *oauthError) {
	if !isForm(c.r) {
		return granted{}, badRequest("invalid_request", "the body must be application/x-www-form-urlencoded")
	}
	if name := repeated(c.form); name != "" {
		return granted{}, badRequest("invalid_request", "parameter %s was sent twice", name)
	}
	client, err := s.authenticate(w, c)
	if err != nil {
		return granted{}, err
	}
	switch grantType := c.form.Get("grant_type"); grantType {
	case "authorization_code":
		gr, err := s.redeem(c, client, true)
		return granted{grant: gr}, err
	case "refresh_token":
		return s.refreshGrant(c, client)
	case "password":
		gr, err := s.passwordGrant(c, client)
		return granted{grant: gr}, err
	case "":
		return granted{}, badRequest("invalid_request", "grant_type is missing")
	default:
		return granted{}, badRequest("unsupported_grant_type", "grant_type %q; use authorization_code, refresh_token or password", grantType)
	}
}

// redeem turns a code into its grant. strict asks for the redirect_uri of the
// authorization request again (RFC 6749 section 4.1.3); GitHub does not.
func (s *Server) redeem(c *call, client Client, strict bool) (*grant, *oauthError) {
	params := c.form
	if !strict {
		params = c.anyParams()
	}
	if params.Get("code") == "" {
		return nil, badRequest("invalid_request", "code is missing")
	}
	issuer := s.issuerOf(c.mount, c.r, client.ID)
	found, err := s.grants.spendCode(params.Get("code"), func(found *code) *oauthError {
		if found.clientID != client.ID || found.issuer != issuer {
			return badRequest("invalid_grant", "the code was given to another client or by another issuer")
		}
		uri, sent := params.Get("redirect_uri"), params.Has("redirect_uri")
		if (sent && uri != found.redirectURI) || (strict && found.redirectGiven && !sent) {
			return badRequest("invalid_grant", "redirect_uri is not the one the code was asked with")
		}
		return checkPKCE(found.challenge, params.Get("code_verifier"))
	})
	if err != nil {
		return nil, err
	}
	if !s.people.has(found.sub) {
		return nil, badRequest("invalid_grant", "the user is gone")
	}
	return found.grant, nil
}

func (s *Server) refreshGrant(c *call, client Client) (granted, *oauthError) {
	old := c.form.Get("refresh_token")
	if old == "" {
		return granted{}, badRequest("invalid_request", "refresh_token is missing")
	}
	issuer := s.issuerOf(c.mount, c.r, client.ID)
	narrowed := splitScope(c.form.Get("scope"))
	rotate := !c.fault.has(FlawNoNewRefreshToken)
	found, err := s.grants.spendRefresh(old, rotate, func(gr *grant) *oauthError {
		if gr.clientID != client.ID || gr.issuer != issuer {
			return badRequest("invalid_grant", "the refresh token was given to another client or by another issuer")
		}
		if !s.people.has(gr.sub) {
			return badRequest("invalid_grant", "the user is gone")
		}
		for _, scope := range narrowed {
			if !hasScope(gr.scopes, scope) {
				return badRequest("invalid_scope", "scope %s was not granted before", scope)
			}
		}
		return nil
	})
	if err != nil {
		return granted{}, err
	}
	again := *found
	again.nonce = ""
	out := granted{grant: &again, refreshed: found}
	if len(narrowed) > 0 {
		again.scopes = narrowed
	}
	if !rotate {
		out.keepRefresh = old
	}
	return out, nil
}

// passwordGrant is RFC 6749 section 4.3. It makes no session.
func (s *Server) passwordGrant(c *call, client Client) (*grant, *oauthError) {
	u, ok := s.people.checkPassword(c.form.Get("username"), c.form.Get("password"))
	if !ok {
		return nil, badRequest("invalid_grant", "the username or the password is wrong")
	}
	s.grants.count(func(st *Stats) { st.Logins++ })
	scopes := splitScope(c.form.Get("scope"))
	return &grant{
		family: &family{}, mount: c.mount, issuer: s.issuerOf(c.mount, c.r, client.ID), clientID: client.ID,
		sub: u.Sub, scopes: scopes, authTime: s.opt.Now(), offline: hasScope(scopes, "offline_access"),
	}, nil
}

// tokenAnswer is the successful answer (RFC 6749 section 5.1, OpenID Connect Core 3.1.3.3).
func (s *Server) tokenAnswer(gr granted, f Fault) (map[string]any, *oauthError) {
	access, err := s.accessToken(gr.grant)
	if err != nil {
		return nil, &oauthError{http.StatusInternalServerError, "server_error", err.Error()}
	}
	s.grants.addAccess(access, gr.grant, s.opt.AccessTokenLife)
	body := map[string]any{
		"access_token": access, "token_type": "Bearer",
		"expires_in": int64(s.opt.AccessTokenLife.Seconds()), "scope": joinScope(gr.scopes),
	}
	if gr.offline || s.opt.RefreshAlways || gr.mount.RefreshAlways {
		body["refresh_token"] = s.nextRefresh(gr)
	}
	if slices.Contains(gr.scopes, "openid") {
		if body["id_token"], err = s.idToken(gr.grant, access, "", f); err != nil {
			return nil, &oauthError{http.StatusInternalServerError, "server_error", err.Error()}
		}
	}
	return body, nil
}

// nextRefresh is the refresh token of an answer: the old one where it stays.
func (s *Server) nextRefresh(gr granted) string {
	switch {
	case gr.keepRefresh != "":
		return gr.keepRefresh
	case gr.refreshed != nil:
		return s.grants.addRefresh(gr.refreshed, s.opt.RefreshTokenLife)
	}
	return s.grants.addRefresh(gr.grant, s.opt.RefreshTokenLife)
}
