package devidp

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// githubDocs is where GitHub's own errors point.
const githubDocs = "https://docs.github.com/apps/managing-oauth-apps/troubleshooting-oauth-app-access-token-request-errors/"

// githubToken is GitHub's token endpoint: errors come under status 200, the
// answer is a form unless JSON was asked for, the redirect_uri need not be
// repeated, scopes are joined with commas, and tokens do not expire.
func (s *Server) githubToken(w http.ResponseWriter, c *call) {
	if !c.method(w, http.MethodPost) {
		return
	}
	params := c.anyParams()
	client, known := s.people.client(params.Get("client_id"))
	if !known || !client.hasSecret(params.Get("client_secret")) {
		s.githubAnswer(w, c, githubError("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect.",
			"#incorrect-client-credentials"))
		return
	}
	if params.Get("grant_type") != "" && params.Get("grant_type") != "authorization_code" {
		s.githubAnswer(w, c, githubError("unsupported_grant_type", "The grant_type is not supported.", ""))
		return
	}
	gr, err := s.redeem(c, client, false)
	if err != nil {
		code, text, at := "bad_verification_code", "The code passed is incorrect or expired.", "#bad-verification-code"
		if strings.Contains(err.description, "redirect_uri") {
			code, at = "redirect_uri_mismatch", "#redirect-uri-mismatch2"
			text = "The redirect_uri MUST match the registered callback URL for this application."
		}
		s.githubAnswer(w, c, githubError(code, text, at))
		return
	}
	token := "gho_" + randomID()
	s.grants.addAccess(token, gr, s.opt.RefreshTokenLife)
	s.grants.count(func(st *Stats) { st.Tokens++ })
	body := map[string]any{"access_token": token, "scope": strings.Join(gr.scopes, ","), "token_type": "bearer"}
	s.bendBody(c.fault, body)
	s.githubAnswer(w, c, body)
}

func githubError(code, description, anchor string) map[string]any {
	return map[string]any{"error": code, "error_description": description, "error_uri": githubDocs + anchor}
}

// githubAnswer writes JSON where the client asked for it, else a form.
func (s *Server) githubAnswer(w http.ResponseWriter, c *call, body map[string]any) {
	if strings.Contains(c.r.Header.Get("Accept"), "application/json") {
		s.writeObject(w, c, http.StatusOK, body)
		return
	}
	if c.fault.EditBody != nil {
		c.fault.EditBody(body)
	}
	form := url.Values{}
	for name, value := range body {
		form.Set(name, formText(value))
	}
	w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write([]byte(form.Encode())) // a client that left needs no answer
}

// formText writes a JSON value as a form would.
func formText(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return string(raw)
}

// anyParams are the parameters from wherever GitHub reads them: query, form or JSON body.
func (c *call) anyParams() url.Values {
	out := cloneValues(c.query)
	for name, values := range c.form {
		out[name] = values
	}
	if mediaType, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err == nil && mediaType == "application/json" {
		members := map[string]any{}
		if json.Unmarshal(c.body, &members) == nil {
			for name, value := range members {
				out.Set(name, formText(value))
			}
		}
	}
	return out
}

// githubRevoke is DELETE /applications/{client_id}/token: the client, by Basic,
// ends one of its tokens.
func (s *Server) githubRevoke(w http.ResponseWriter, c *call) {
	if !c.method(w, http.MethodDelete) {
		return
	}
	id, secret, _ := c.r.BasicAuth()
	client, known := s.people.client(id)
	if !known || !client.hasSecret(secret) || client.ID != c.r.PathValue("client_id") {
		githubProblem(w, http.StatusNotFound, "Not Found")
		return
	}
	token := c.anyParams().Get("access_token")
	if gr, live := s.grants.accessGrant(token); !live || gr.clientID != client.ID {
		githubProblem(w, http.StatusUnprocessableEntity, "Validation Failed")
		return
	}
	s.grants.revokeToken(token, client.ID)
	w.WriteHeader(http.StatusNoContent)
}
