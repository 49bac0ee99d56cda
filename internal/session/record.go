package session

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/authd/authd/internal/identity"
	"github.com/authd/authd/internal/store"
)

// The keys that this package writes:
//
//	session/HANDLE                → record
//	session-token/HANDLE          → the upstream token, sealed
//	session-renewal/HANDLE        → held by the instance that renews
//	user-session/SUBJECT/HANDLE   → empty; the sessions of one user
//
// The token stands apart since a check never needs it.
const (
	sessionPrefix = "session/"
	tokenPrefix   = "session-token/"
	renewalPrefix = "session-renewal/"
	userPrefix    = "user-session/"
)

// record is a Session in the store.
type record struct {
	User        *identity.User `json:"user"`
	CreatedAt   time.Time      `json:"created_at"`
	Expires     time.Time      `json:"expires"`
	LastSeen    time.Time      `json:"last_seen"`
	UserAgent   string         `json:"user_agent,omitempty"`
	Address     string         `json:"address,omitempty"`
	TokenExpiry time.Time      `json:"token_expiry,omitzero"`
	Renewable   bool           `json:"renewable,omitempty"`
}

func (s *Session) encode(lastSeen time.Time) ([]byte, error) {
	return json.Marshal(record{
		User: s.User, CreatedAt: s.CreatedAt, Expires: s.Expires, LastSeen: lastSeen, UserAgent: s.UserAgent,
		Address: s.Address, TokenExpiry: s.TokenExpiry, Renewable: s.Renewable,
	})
}

func decode(handle string, item store.Item) (*Session, error) {
	var r record
	if err := json.Unmarshal(item.Value, &r); err != nil {
		return nil, fmt.Errorf("session %s: the stored record can't be read: %w", handle, err)
	}
	if r.User == nil || r.User.Subject == "" || r.Expires.IsZero() {
		return nil, fmt.Errorf("session %s: the stored record is incomplete", handle)
	}
	s := &Session{
		Handle: handle, User: r.User, CreatedAt: r.CreatedAt, Expires: r.Expires, UserAgent: r.UserAgent,
		Address: r.Address, TokenExpiry: r.TokenExpiry, Renewable: r.Renewable, version: item.Version, savedSeen: r.LastSeen,
	}
	s.lastSeen.Store(r.LastSeen.UnixNano())
	return s, nil
}

func userKey(subject, handle string) string { return userPrefix + subject + "/" + handle }
