package devidp

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// authRequest is an authorization request that was found to be in order
// (RFC 6749 section 4.1.1, OpenID Connect Core 3.1.2.1 and 3.3.2.1).
type authRequest struct {
	mount  *Mount
	issuer string
	realm  string
	client Client

	redirectURI   string
	redirectGiven bool
	responseType  string
	responseMode  string // query, fragment or form_post

	scopes    []string
	state     string
	hasState  bool
	nonce     string
	challenge string
	prompt    []string
	maxAge    time.Duration // negative = not asked
	loginHint string
	hintedSub string // of id_token_hint; "" = none
	acr       string
}

func (a *authRequest) asks(prompt string) bool { return slices.Contains(a.prompt, prompt) }

// authorize is the authorization endpoint. What is wrong with the client or the
// redirect URI ends on a page, everything else goes back to the client.
func (s *Server) authorize(w http.ResponseWriter, c *call) {
	if !c.method(w, http.MethodGet, http.MethodPost) {
		return
	}
	params := c.params()
	req, problem := s.readClient(c, params)
	if problem != "" {
		s.errorPage(w, http.StatusBadRequest, problem)
		return
	}
	if err := s.readRequest(req, params); err != nil {
		s.answerError(w, c, req, err.code, err.description)
		return
	}
	s.interact(w, c, req)
}

// readClient reads what decides whether there is anybody to redirect to.
func (s *Server) readClient(c *call, params url.Values) (*authRequest, string) {
	for _, name := range []string{"client_id", "redirect_uri"} {
		if len(params[name]) > 1 {
			return nil, "The parameter " + name + " was sent twice."
		}
	}
	client, ok := s.people.client(params.Get("client_id"))
	if !ok {
		return nil, "No client has the client_id " + strconv.Quote(params.Get("client_id")) + "."
	}
	req := &authRequest{
		mount: c.mount, issuer: s.issuerOf(c.mount, c.r, client.ID), realm: c.mount.realmOf(c.r), client: client,
		redirectURI: params.Get("redirect_uri"), redirectGiven: params.Has("redirect_uri"),
		responseMode: params.Get("response_mode"), responseType: params.Get("response_type"),
		hasState: params.Has("state"), state: params.Get("state"), maxAge: -1,
	}
	if !req.redirectGiven {
		if len(client.RedirectURIs) != 1 || hasScope(splitScope(params.Get("scope")), "openid") {
			return nil, "The parameter redirect_uri is missing."
		}
		req.redirectURI = client.RedirectURIs[0]
	} else if !allowsURI(client.RedirectURIs, req.redirectURI) {
		return nil, "The redirect_uri " + strconv.Quote(req.redirectURI) + " is not registered for this client."
	}
	return req, ""
}

// readRequest reads the rest. Until response_mode is understood, errors go by query.
func (s *Server) readRequest(req *authRequest, params url.Values) *oauthError {
	if err := readResponse(req); err != nil {
		return err
	}
	if name := repeated(params); name != "" {
		return badRequest("invalid_request", "parameter %s was sent twice", name)
	}
	for name, code := range map[string]string{"request": "request_not_supported", "request_uri": "request_uri_not_supported"} {
		if params.Has(name) {
			return badRequest(code, "parameter %s is not supported", name)
		}
	}
	req.scopes = splitScope(params.Get("scope"))
	req.nonce, req.loginHint = params.Get("nonce"), params.Get("login_hint")
	req.acr, _, _ = strings.Cut(params.Get("acr_values"), " ")
	if req.responseType == "code id_token" && (!hasScope(req.scopes, "openid") || req.nonce == "") {
		return badRequest("invalid_request", "response_type code id_token needs the scope openid and a nonce")
	}
	if err := readPKCE(req, params); err != nil {
		return err
	}
	return s.readPrompt(req, params)
}

// readResponse settles response_type and response_mode (OAuth 2.0 Multiple
// Response Type Encoding Practices). GitHub's clients need not name the type.
func readResponse(req *authRequest) *oauthError {
	mode := req.responseMode
	req.responseMode = "query"
	if req.responseType == "" && req.mount.Paths[EndpointGitHubAuthorize] != "" {
		req.responseType = "code"
	}
	hybrid := false
	switch req.responseType {
	case "code":
	case "code id_token", "id_token code":
		hybrid, req.responseType, req.responseMode = true, "code id_token", "fragment"
	case "":
		return badRequest("invalid_request", "response_type is missing")
	default:
		return badRequest("unsupported_response_type", "response_type %q; use code or code id_token", req.responseType)
	}
	switch {
	case mode == "":
	case mode == "query" && hybrid:
		return badRequest("invalid_request", "response_mode query would put an ID token into a URL")
	case mode == "query" || mode == "fragment" || mode == "form_post":
		req.responseMode = mode
	default:
		return badRequest("invalid_request", "response_mode %q; use query, fragment or form_post", mode)
	}
	return nil
}

// readPKCE takes S256 alone; plain protects nothing (RFC 9700 section 2.1.1).
func readPKCE(req *authRequest, params url.Values) *oauthError {
	req.challenge = params.Get("code_challenge")
	method := params.Get("code_challenge_method")
	switch {
	case req.challenge == "" && method != "":
		return badRequest("invalid_request", "code_challenge_method came without code_challenge")
	case req.challenge == "" && req.client.Secret == "":
		return badRequest("invalid_request", "a public client must use PKCE: send code_challenge with S256")
	case req.challenge == "":
		return nil
	case method != "S256":
		return badRequest("invalid_request", "code_challenge_method must be S256")
	case !challengeSyntax.MatchString(req.challenge):
		return badRequest("invalid_request", "code_challenge is not 43 characters of base64url")
	}
	return nil
}

// readPrompt reads what bears on whether somebody sees a page.
func (s *Server) readPrompt(req *authRequest, params url.Values) *oauthError {
	req.prompt = strings.Fields(params.Get("prompt"))
	for _, one := range req.prompt {
		if !slices.Contains([]string{"none", "login", "consent", "select_account"}, one) {
			return badRequest("invalid_request", "prompt %q; use none, login, consent or select_account", one)
		}
	}
	if req.asks("none") && len(req.prompt) > 1 {
		return badRequest("invalid_request", "prompt none goes with no other")
	}
	if age := params.Get("max_age"); age != "" {
		seconds, err := strconv.Atoi(age)
		if err != nil || seconds < 0 || seconds > 1<<30 {
			return badRequest("invalid_request", "max_age is not a number of seconds")
		}
		req.maxAge = time.Duration(seconds) * time.Second
	}
	if hint := params.Get("id_token_hint"); hint != "" {
		claims, err := s.readHint(hint)
		if err != nil {
			return badRequest("invalid_request", "id_token_hint was not issued here")
		}
		req.hintedSub = claims.Subject
	}
	return nil
}
