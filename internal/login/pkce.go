package login

import (
	"golang.org/x/oauth2"

	"github.com/authd/authd/internal/keys"
)

// secrets are the three values that bind a callback to the browser that began the login: state (RFC 6749 section
// 10.12), nonce (OpenID Connect Core section 15.5.2) and the PKCE verifier (RFC 7636), each fresh, 256 bits.
type secrets struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"`
}

func newSecrets() secrets {
	return secrets{State: keys.RandomID(), Nonce: keys.RandomID(), Verifier: oauth2.GenerateVerifier()}
}

// challenge is the S256 code challenge; "plain" is never used.
func (s secrets) challenge() string { return oauth2.S256ChallengeFromVerifier(s.Verifier) }
