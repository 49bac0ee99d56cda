package devidp

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// draft is a JWT before it is signed: where flaws get at it.
type draft struct {
	header map[string]any // beside alg and kid
	claims map[string]any
	suffix string // members put raw before the payload's closing brace
	key    *signingKey
	embed  bool // the public key goes into the header

	alg    string // "none" and "HS256" leave the key aside
	secret []byte // of HS256
	mangle func(token string) string

	// What flaws may need to know.
	client Client
	user   User
	victim User // somebody else
	now    time.Time
}

// payload is the JSON of the claims, with whatever was put behind them raw.
func (d *draft) payload() ([]byte, error) {
	raw, err := json.Marshal(d.claims)
	if err != nil {
		return nil, fmt.Errorf("devidp: claims of a token are no JSON: %w", err)
	}
	if d.suffix == "" {
		return raw, nil
	}
	inner := strings.TrimSuffix(string(raw), "}")
	if inner != "{" {
		inner += ","
	}
	return []byte(inner + d.suffix + "}"), nil
}

// newDraft begins a token of this provider.
func (s *Server) newDraft(typ string, claims map[string]any, client Client, user User) *draft {
	return &draft{
		header: map[string]any{"typ": typ}, claims: claims, key: s.keys.signer(),
		client: client, user: user, victim: s.people.other(user.Sub), now: s.opt.Now(),
	}
}

// seal applies a fault to a draft and signs what is left of it.
func (s *Server) seal(d *draft, f Fault) (string, error) {
	if err := s.bend(d, f); err != nil {
		return "", err
	}
	payload, err := d.payload()
	if err != nil {
		return "", err
	}
	token, err := d.sign(payload)
	if err != nil {
		return "", err
	}
	if d.mangle != nil {
		token = d.mangle(token)
	}
	return token, nil
}

// bend runs the edits of a fault over a draft, the caller's own last.
func (s *Server) bend(d *draft, f Fault) error {
	for _, flaw := range f.Flaws {
		if edit := flawTable()[flaw].draft; edit != nil {
			if err := edit(s, d); err != nil {
				return err
			}
		}
	}
	if f.EditClaims != nil {
		f.EditClaims(d.claims)
	}
	return nil
}

func (d *draft) sign(payload []byte) (string, error) {
	switch d.alg {
	case "none":
		return compact(map[string]any{"alg": "none", "typ": "JWT"}, payload, func([]byte) []byte { return nil })
	case "HS256":
		return compact(map[string]any{"alg": "HS256", "typ": "JWT", "kid": d.key.kid}, payload, func(in []byte) []byte {
			mac := hmac.New(sha256.New, d.secret)
			mac.Write(in)
			return mac.Sum(nil)
		})
	}
	return d.key.sign(payload, d.header, d.embed)
}

// compact builds a JWS by hand, for what no decent library would sign.
func compact(header map[string]any, payload []byte, sign func([]byte) []byte) (string, error) {
	raw, err := json.Marshal(header)
	if err != nil {
		return "", fmt.Errorf("devidp: header of a token is no JSON: %w", err)
	}
	input := base64.RawURLEncoding.EncodeToString(raw) + "." + base64.RawURLEncoding.EncodeToString(payload)
	return input + "." + base64.RawURLEncoding.EncodeToString(sign([]byte(input))), nil
}

// halfHash is at_hash and c_hash: the left half of the hash that belongs to the
// signing algorithm (OpenID Connect Core 3.1.3.6, 3.3.2.11).
func halfHash(alg jose.SignatureAlgorithm, value string) string {
	if alg == jose.EdDSA {
		sum := sha512.Sum512([]byte(value))
		return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	}
	sum := sha256.Sum256([]byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}
