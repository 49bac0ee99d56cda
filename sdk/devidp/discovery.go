package devidp

import "net/http"

// discovery is the provider's metadata (OpenID Connect Discovery 1.0 section 3
// and 4, RFC 8414, RFC 9207, RP-Initiated and Back-Channel Logout 1.0).
func (s *Server) discovery(w http.ResponseWriter, c *call) {
	if !c.method(w, http.MethodGet, http.MethodHead) {
		return
	}
	if id := c.r.PathValue("client_id"); id != "" {
		if _, known := s.people.client(id); !known {
			oauthError{http.StatusNotFound, "invalid_request", "no such project"}.write(w)
			return
		}
	}
	body := map[string]any{
		"issuer":                                         s.issuerOf(c.mount, c.r, ""),
		"scopes_supported":                               []string{"openid", "profile", "email", "groups", "offline_access"},
		"response_types_supported":                       []string{"code", "code id_token"},
		"response_modes_supported":                       []string{"query", "fragment", "form_post"},
		"grant_types_supported":                          []string{"authorization_code", "refresh_token", "password"},
		"subject_types_supported":                        []string{"public"},
		"id_token_signing_alg_values_supported":          []string{s.opt.SigningAlg},
		"token_endpoint_auth_methods_supported":          []string{"client_secret_basic", "client_secret_post", "none"},
		"code_challenge_methods_supported":               []string{"S256"},
		"prompt_values_supported":                        []string{"none", "login", "consent", "select_account"},
		"authorization_response_iss_parameter_supported": true,
		"backchannel_logout_supported":                   true,
		"backchannel_logout_session_supported":           true,
		"claims_parameter_supported":                     false,
		"request_parameter_supported":                    false,
		"request_uri_parameter_supported":                false,
		"claims_supported": []string{
			"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "c_hash", "azp", "acr", "sid", "name", "given_name",
			"family_name", "preferred_username", "picture", "email", "email_verified", "groups",
		},
	}
	for member, endpoint := range map[string]string{
		"authorization_endpoint": EndpointAuthorize,
		"token_endpoint":         EndpointToken,
		"userinfo_endpoint":      EndpointUserInfo,
		"jwks_uri":               EndpointJWKS,
		"revocation_endpoint":    EndpointRevoke,
		"introspection_endpoint": EndpointIntrospect,
		"end_session_endpoint":   EndpointEndSession,
	} {
		if at := s.urlOf(c.mount, endpoint, c.r, ""); at != "" {
			body[member] = at
		}
	}
	s.bendBody(c.fault, body)
	w.Header().Set("Cache-Control", "public, max-age=60")
	s.writeObject(w, c, http.StatusOK, body)
}
