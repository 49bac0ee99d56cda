package oidc

import (
	"crypto/sha256"
	"sync"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"

	"github.com/authd/authd/sdk/oauth2"
)

const (
	// openedLife is how long after GetToken the GetUserInfo of the same login comes, at the latest.
	openedLife = 30 * time.Second
	// openedMax bounds the logins that are between the two at once; more of them are verified twice.
	openedMax = 256
)

// opened are the ID tokens that GetToken has just verified, for the GetUserInfo that follows. Each is handed out once.
type opened struct {
	mu     sync.Mutex
	tokens map[[sha256.Size]byte]openedToken
}

type openedToken struct {
	claims oauth2.Object
	token  *goidc.IDToken
	until  time.Time
}

// put keeps a verified token, if there is room.
func (o *opened) put(raw string, claims oauth2.Object, token *goidc.IDToken, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.tokens == nil {
		o.tokens = map[[sha256.Size]byte]openedToken{}
	}
	if len(o.tokens) >= openedMax {
		for key, kept := range o.tokens {
			if !now.Before(kept.until) {
				delete(o.tokens, key)
			}
		}
	}
	if len(o.tokens) < openedMax {
		o.tokens[sha256.Sum256([]byte(raw))] = openedToken{claims, token, now.Add(openedLife)}
	}
}

// take returns what was kept of a token, and forgets it.
func (o *opened) take(raw string, now time.Time) (claims oauth2.Object, token *goidc.IDToken, ok bool) {
	key := sha256.Sum256([]byte(raw))
	o.mu.Lock()
	defer o.mu.Unlock()
	kept, ok := o.tokens[key]
	delete(o.tokens, key)
	return kept.claims, kept.token, ok && now.Before(kept.until)
}
