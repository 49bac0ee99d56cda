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
//	session-renewal/HANDLE        → held by the instance that renews, or "failed" for a while
//	user/SUBJECT/HANDLE           → empty; the sessions of one user
//
// The token stands apart since a check never needs it.
const (
	sessionPrefix = "session/"
	tokenPrefix   = "session-token/"
	renewalPrefix = "session-renewal/"
	userPrefix    = "user/"
)

// record is a Session in the store. Its names are short and its times milliseconds, since there is one for everybody
// who is signed in.
type record struct {
	Handle      string     `json:"h"` // the beginning of it: a record that got under another key is nobody's
	User        userRecord `json:"u"`
	Created     int64      `json:"c"`
	Expires     int64      `json:"e"`
	Seen        int64      `json:"s"`
	Browser     string     `json:"b,omitempty"`
	Address     string     `json:"a,omitempty"`
	TokenExpiry int64      `json:"t,omitempty"` // 0: not said
	TokenFrom   int64      `json:"f,omitempty"`
	Renewable   bool       `json:"r,omitempty"`
}

// userRecord has the fields of identity.User, in their order, so that one converts to the other.
type userRecord struct {
	Subject           string          `json:"s"`
	Identifier        string          `json:"i"`
	PreferredUsername string          `json:"u,omitempty"`
	Name              string          `json:"n,omitempty"`
	Picture           string          `json:"p,omitempty"`
	Email             string          `json:"e,omitempty"`
	EmailVerified     bool            `json:"v,omitempty"`
	Groups            []string        `json:"g,omitempty"`
	GroupsOmitted     bool            `json:"o,omitempty"`
	Provider          string          `json:"r"`
	SID               string          `json:"k,omitempty"`
	Claims            json.RawMessage `json:"c,omitempty"`
}

func (s *Session) encode(lastSeen time.Time) ([]byte, error) {
	return json.Marshal(record{
		Handle: beginning(s.Handle), User: userRecord(*s.User), Created: s.CreatedAt.UnixMilli(), Expires: s.Expires.UnixMilli(), Seen: lastSeen.UnixMilli(),
		Browser: s.Browser, Address: s.Address, TokenExpiry: milli(s.TokenExpiry), TokenFrom: milli(s.tokenFrom), Renewable: s.Renewable,
	})
}

func decode(handle string, item store.Item) (*Session, error) {
	var r record
	if err := json.Unmarshal(item.Value, &r); err != nil {
		return nil, fmt.Errorf("session %s: the stored record can't be read: %w", handle, err)
	}
	if r.Handle != beginning(handle) {
		return nil, fmt.Errorf("session %s: the stored record is that of another session", handle)
	}
	if r.User.Subject == "" || r.Expires == 0 {
		return nil, fmt.Errorf("session %s: the stored record is incomplete", handle)
	}
	user := identity.User(r.User)
	s := &Session{
		Handle: handle, User: &user, CreatedAt: time.UnixMilli(r.Created), Expires: time.UnixMilli(r.Expires), Browser: r.Browser,
		Address: r.Address, Renewable: r.Renewable, version: item.Version, savedSeen: time.UnixMilli(r.Seen),
	}
	if r.TokenExpiry != 0 {
		s.TokenExpiry = time.UnixMilli(r.TokenExpiry)
	}
	if r.TokenFrom != 0 {
		s.tokenFrom = time.UnixMilli(r.TokenFrom)
	}
	s.lastSeen.Store(s.savedSeen.UnixNano())
	return s, nil
}

// beginning is as much of a handle as a record repeats.
func beginning(handle string) string { return handle[:min(len(handle), 8)] }

// milli is 0 for the zero time, which says nothing.
func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func userKey(subject, handle string) string { return userPrefix + subject + "/" + handle }
