package devidp

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
)

// answerCode ends an authorization well: a code, and an ID token for the hybrid flow.
func (s *Server) answerCode(w http.ResponseWriter, c *call, req *authRequest, who session) {
	s.answerBack(w, c, req, func(f Fault) (url.Values, error) {
		gr := &grant{
			family: &family{}, mount: req.mount, issuer: req.issuer, clientID: req.client.ID, sub: who.sub,
			scopes: req.scopes, nonce: req.nonce, acr: req.acr, authTime: who.authTime, sid: who.sid,
			offline: hasScope(req.scopes, "offline_access"),
		}
		s.grants.joinSession(who.sid, req.client.ID, req.issuer)
		id := s.grants.addCode(&code{
			grant: gr, redirectURI: req.redirectURI, redirectGiven: req.redirectGiven,
			challenge: req.challenge, expires: s.opt.Now().Add(s.opt.CodeLife),
		})
		params := url.Values{"code": {id}}
		if req.responseType == "code id_token" {
			idToken, err := s.idToken(gr, "", id, f)
			if err != nil {
				return nil, err
			}
			params.Set("id_token", idToken)
		}
		return params, nil
	})
}

// answerError ends an authorization with an error (RFC 6749 section 4.1.2.1).
func (s *Server) answerError(w http.ResponseWriter, c *call, req *authRequest, code, description string) {
	s.answerBack(w, c, req, func(Fault) (url.Values, error) {
		return url.Values{"error": {code}, "error_description": {description}}, nil
	})
}

// answerBack sends parameters to the redirect URI: with state and iss, and
// after the faults of the authorization endpoint that were kept for this moment.
func (s *Server) answerBack(w http.ResponseWriter, c *call, req *authRequest, build func(Fault) (url.Values, error)) {
	send := func(w http.ResponseWriter, f Fault) {
		if f.Error != "" {
			build = func(Fault) (url.Values, error) {
				return url.Values{"error": {f.Error}, "error_description": {f.Description}}, nil
			}
		}
		params, err := build(f)
		if err != nil {
			s.errorPage(w, http.StatusInternalServerError, err.Error())
			return
		}
		if req.hasState {
			params.Set("state", req.state)
		}
		if req.mount.Paths[EndpointGitHubAuthorize] == "" { // GitHub sends no iss
			params.Set("iss", req.issuer)
		}
		s.bendParams(f, params)
		s.deliver(w, req, params)
	}
	f, found := s.faults.take(c, atAnswer)
	if !found {
		send(w, Fault{})
		return
	}
	c.fault = f // from here on the route spoils the answer in its way
	a := s.run(c, func(w http.ResponseWriter) { send(w, f) })
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes()) // held back by the route: cannot fail
}

// bendParams runs the flaws and the edit of a fault over a redirect's parameters.
func (s *Server) bendParams(f Fault, params url.Values) {
	for _, flaw := range f.Flaws {
		if edit := flawTable()[flaw].params; edit != nil {
			edit(s, params)
		}
	}
	if f.EditCallback != nil {
		f.EditCallback(params)
	}
}

// deliver brings parameters to the client in the response mode it asked for.
func (s *Server) deliver(w http.ResponseWriter, req *authRequest, params url.Values) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	switch req.responseMode {
	case "form_post":
		s.formPostPage(w, req.redirectURI, params)
		return
	case "fragment":
		h.Set("Location", req.redirectURI+"#"+params.Encode())
	default:
		h.Set("Location", addQuery(req.redirectURI, params))
	}
	// 303: the browser must not repeat a POST at the client (RFC 9700 section 4.12).
	w.WriteHeader(http.StatusSeeOther)
}

// addQuery adds parameters and leaves the query that is there as it is.
func addQuery(uri string, params url.Values) string {
	switch {
	case !strings.Contains(uri, "?"):
		return uri + "?" + params.Encode()
	case strings.HasSuffix(uri, "?") || strings.HasSuffix(uri, "&"):
		return uri + params.Encode()
	}
	return uri + "&" + params.Encode()
}
