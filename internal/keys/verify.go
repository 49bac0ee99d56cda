package keys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// maxToken is far above what authd signs, and bounds what is parsed.
const maxToken = 64 << 10

// ErrToken says that a token is not one that this signer made for this use and time. Errors that wrap it hold no token.
var ErrToken = errors.New("token is not valid")

// Expected is what a token must say. Both are needed.
type Expected struct {
	Issuer   string
	Audience string
}

// Verify checks a token of [Signer.Sign]: the key and its algorithm, typ as it was given to Sign, issuer, audience, and
// the times, to Skew. Then it decodes the claims into the value that claims points to, unless that is nil. What is
// wrong with a token wraps ErrToken; ErrStale says that the keys can't be known.
func (s *Signer) Verify(ctx context.Context, typ, compact string, want Expected, claims any) error {
	if len(compact) > maxToken {
		return fmt.Errorf("%w: it is longer than %d bytes", ErrToken, maxToken)
	}
	// The list keeps "none" and the symmetric algorithms out before anything is looked at.
	jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, jose.RS256})
	if err != nil {
		return fmt.Errorf("%w: it is no signed token", ErrToken)
	}
	header := jws.Signatures[0].Protected
	key, err := s.find(ctx, header.KeyID)
	if err != nil {
		return err
	}
	if header.Algorithm != string(key.Algorithm) {
		return fmt.Errorf("%w: its algorithm is not that of its key", ErrToken)
	}
	// Threat 96: a token for one use is none for another.
	if got, _ := header.ExtraHeaders[jose.HeaderType].(string); typ == "" || got != typ {
		return fmt.Errorf("%w: its typ is not %q", ErrToken, typ)
	}
	payload, err := jws.Verify(key.private.Public())
	if err != nil {
		return fmt.Errorf("%w: the signature does not fit", ErrToken)
	}
	return s.checkClaims(payload, want, claims)
}

func (s *Signer) checkClaims(payload []byte, want Expected, claims any) error {
	var c jwt.Claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return fmt.Errorf("%w: its claims can't be read", ErrToken)
	}
	if want.Issuer == "" || want.Audience == "" || c.Expiry == nil {
		return fmt.Errorf("%w: issuer, audience and exp are needed", ErrToken)
	}
	expected := jwt.Expected{Issuer: want.Issuer, AnyAudience: jwt.Audience{want.Audience}, Time: s.now()}
	if err := c.ValidateWithLeeway(expected, Skew); err != nil {
		return fmt.Errorf("%w: %w", ErrToken, err)
	}
	if claims == nil {
		return nil
	}
	if err := json.Unmarshal(payload, claims); err != nil {
		return fmt.Errorf("%w: its claims can't be read", ErrToken)
	}
	return nil
}

// find returns the key of an id. One that is not known may be new on another instance, so the store is asked, but at
// most once a second: ids come from outside.
func (s *Signer) find(ctx context.Context, id string) (*signingKey, error) {
	v, err := s.fresh(ctx)
	if err != nil {
		return nil, err
	}
	k := v.key(id)
	if k == nil && !v.within(time.Second, s.now()) && s.renew(ctx, v) == nil {
		k = s.view.Load().key(id)
	}
	if k == nil {
		return nil, fmt.Errorf("%w: it names no key of this server", ErrToken)
	}
	return k, nil
}

func (v *view) key(id string) *signingKey {
	i := slices.IndexFunc(v.keys, func(k *signingKey) bool { return k.ID == id })
	if i < 0 {
		return nil
	}
	return v.keys[i]
}
