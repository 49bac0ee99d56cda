package login

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/authd/authd/internal/store"
)

// The keys that this package writes:
//
//	flow/HASH OF STATE   → empty; a login that has had its callback, kept until it would have expired
const burntPrefix = "flow/"

// CookiePrefix begins the name of each flow cookie. There is one per login, so that many tabs can log in at once.
const CookiePrefix = "authd_flow_"

const (
	// maxPending is how many logins a browser may have open; the oldest goes first.
	maxPending = 5
	// maxCookieBytes bounds them together: browsers and proxies refuse large headers.
	maxCookieBytes = 4096
	flowPurpose    = "flow cookie"
)

// transaction is a login between start and callback. It lives in a sealed cookie: a flood of starts fills nothing.
type transaction struct {
	secrets
	Provider    string    `json:"p"`
	RedirectURI string    `json:"u"`
	ReturnTo    string    `json:"r"`
	Begun       time.Time `json:"t"`
	// FormPost means that the answer was asked for as a form (OAuth 2.0 Form Post Response Mode).
	FormPost bool `json:"f,omitempty"`
	// Hybrid means that an ID token was asked for beside the code (OpenID Connect Core section 3.3).
	Hybrid bool `json:"h,omitempty"`
}

// cookieName finds the cookie of a state without telling the state.
func cookieName(state string) string {
	return CookiePrefix + hashState(state)[:12]
}

func hashState(state string) string {
	sum := sha256.Sum256([]byte(state))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (f *Flow) seal(tx transaction) (string, error) {
	plain, err := json.Marshal(tx)
	if err != nil {
		return "", fmt.Errorf("encode the flow: %w", err)
	}
	return f.Ring.Seal(flowPurpose, plain), nil
}

func (f *Flow) open(sealed string) (transaction, error) {
	var tx transaction
	plain, err := f.Ring.Open(flowPurpose, sealed)
	if err == nil {
		err = json.Unmarshal(plain, &tx)
	}
	return tx, err
}

// claim finds the transaction of a state among the browser's cookies.
func (f *Flow) claim(state string, cookies map[string]string) (transaction, error) {
	sealed, ok := cookies[cookieName(state)]
	if !ok {
		return transaction{}, fmt.Errorf("%w: this browser holds no login for it", ErrInvalidState)
	}
	tx, err := f.open(sealed)
	if err != nil {
		return transaction{}, fmt.Errorf("%w: the flow cookie can't be opened", ErrInvalidState)
	}
	// An empty state equals an empty state: it is refused before.
	if tx.State == "" || subtle.ConstantTimeCompare([]byte(tx.State), []byte(state)) != 1 {
		return transaction{}, fmt.Errorf("%w: it is not that of the flow cookie", ErrInvalidState)
	}
	return tx, nil
}

// burn ends the transaction for every instance, at its first callback, whatever becomes of it.
func (f *Flow) burn(ctx context.Context, tx transaction) error {
	left := f.Lifetime - f.Now().Sub(tx.Begun)
	if left <= 0 {
		return fmt.Errorf("%w: it was begun %s ago", ErrExpired, f.Now().Sub(tx.Begun).Round(time.Second))
	}
	// A clock that went back must not shorten the memory of what has ended. Lost in a crash of authd at this very moment,
	// the mark is made up for by the identity provider, where a code is good for one exchange (RFC 6749 section 4.1.2).
	_, err := f.Store.Put(ctx, burntPrefix+hashState(tx.State), nil, max(left, f.Lifetime)+time.Minute, store.Absent().Unsynced())
	if errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("%w: this login has had its callback", ErrInvalidState)
	}
	if err != nil {
		return fmt.Errorf("end the flow: %w", err)
	}
	return nil
}

// surplus names the flow cookies that must go so that one more of the given size fits.
func (f *Flow) surplus(cookies map[string]string, size int) []string {
	type pending struct {
		name  string
		size  int
		begun time.Time
	}
	var open []pending
	var gone []string
	for name, sealed := range cookies {
		if !strings.HasPrefix(name, CookiePrefix) {
			continue
		}
		tx, err := f.open(sealed)
		if err != nil || f.Now().Sub(tx.Begun) >= f.Lifetime {
			gone = append(gone, name)
			continue
		}
		open = append(open, pending{name, len(name) + len(sealed), tx.Begun})
	}
	slices.SortFunc(open, func(a, b pending) int { return cmp.Or(b.begun.Compare(a.begun), strings.Compare(a.name, b.name)) })
	for i, p := range open {
		if size += p.size; i+1 >= maxPending || size > maxCookieBytes {
			gone = append(gone, p.name)
		}
	}
	slices.Sort(gone)
	return gone
}
