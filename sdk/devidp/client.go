package devidp

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// authenticate finds and proves the client of a back-channel request:
// client_secret_basic, client_secret_post or, for a public client, none
// (RFC 6749 section 2.3.1, OpenID Connect Core 9).
func (s *Server) authenticate(w http.ResponseWriter, c *call) (Client, *oauthError) {
	id, secret, basic, err := credentials(c)
	if err != nil {
		return Client{}, err
	}
	client, known := s.people.client(id)
	if !known || !client.hasSecret(secret) {
		if basic {
			w.Header().Set("WWW-Authenticate", `Basic realm="devidp"`)
		}
		return Client{}, &oauthError{http.StatusUnauthorized, "invalid_client", "the client is not known or its secret is wrong"}
	}
	return client, nil
}

func (c Client) hasSecret(secret string) bool {
	return subtle.ConstantTimeCompare([]byte(c.Secret), []byte(secret)) == 1
}

// credentials reads a client's name and secret from the one place they may be in.
func credentials(c *call) (id, secret string, basic bool, oauthErr *oauthError) {
	user, password, basic := c.r.BasicAuth()
	if !basic {
		if c.r.Header.Get("Authorization") != "" {
			return "", "", false, &oauthError{http.StatusUnauthorized, "invalid_client", "only Basic is understood in Authorization"}
		}
		return c.form.Get("client_id"), c.form.Get("client_secret"), false, nil
	}
	if c.form.Has("client_secret") {
		return "", "", true, badRequest("invalid_request", "the client authenticated in two ways at once")
	}
	id, err := url.QueryUnescape(user)
	if err == nil {
		secret, err = url.QueryUnescape(password)
	}
	if err != nil {
		return "", "", true, badRequest("invalid_request", "client id and secret are not form-encoded inside Basic")
	}
	if named := c.form.Get("client_id"); named != "" && named != id {
		return "", "", true, badRequest("invalid_request", "client_id differs between header and body")
	}
	return id, secret, true, nil
}

// verifierSyntax is a code_verifier, challengeSyntax an S256 code_challenge (RFC 7636 section 4.1, 4.2).
var (
	verifierSyntax  = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)
	challengeSyntax = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)
)

// checkPKCE compares a verifier with the challenge the code was asked with. A
// verifier without a challenge is refused too: somebody stripped the challenge
// (RFC 9700 section 2.1.1).
func checkPKCE(challenge, verifier string) *oauthError {
	switch {
	case challenge == "" && verifier == "":
		return nil
	case challenge == "":
		return badRequest("invalid_grant", "a code_verifier came, but the code was asked without a code_challenge")
	case !verifierSyntax.MatchString(verifier):
		return badRequest("invalid_grant", "code_verifier is missing or not 43 to 128 unreserved characters")
	}
	sum := sha256.Sum256([]byte(verifier))
	want := base64.RawURLEncoding.EncodeToString(sum[:])
	if subtle.ConstantTimeCompare([]byte(want), []byte(challenge)) != 1 {
		return badRequest("invalid_grant", "code_verifier does not fit the code_challenge")
	}
	return nil
}

func joinScope(scopes []string) string { return strings.Join(scopes, " ") }
