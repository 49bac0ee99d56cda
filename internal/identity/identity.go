// Package identity turns what a provider says about a person into who that person is to authd: one bounded,
// checked value that rules, sessions, headers and pages share.
package identity

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/authd/authd/sdk"
)

// Bounds of an identity. What is longer is no name that a person or an application could use.
const (
	maxSub    = 255
	maxText   = 512
	maxGroups = 1000
	// maxGroupBytes bounds all group names together.
	maxGroupBytes = 64 << 10
	maxClaims     = 256 << 10
)

// ErrUnusable is returned for a user whom authd can't tell from others.
var ErrUnusable = errors.New("identity is unusable")

// User is who signed in.
type User struct {
	// Subject is authd's own name for the person: 26 characters of [a-z2-7], stable and opaque.
	Subject string
	// Identifier is what applications call the person; the provider's configuration says which field it is.
	Identifier string
	// PreferredUsername, Name and Picture are as the provider says.
	PreferredUsername string
	Name              string
	Picture           string
	// Email is well formed or empty. Only a verified one says anything about the person.
	Email         string
	EmailVerified bool
	// Groups are whole names, in the provider's order, without repeats.
	Groups []string
	// GroupsOmitted means that there were more groups than authd keeps; then Groups is empty, so that no rule is
	// decided on a part of them.
	GroupsOmitted bool
	// Provider is the id of the provider that the person came through.
	Provider string
	// SID is the identity provider's own session id; empty: not said.
	SID string
	// Claims is all that the provider said, a JSON object.
	Claims json.RawMessage
}

// VerifiedEmail returns the e-mail address if the provider vouches for it, else "".
func (u *User) VerifiedEmail() string {
	if !u.EmailVerified {
		return ""
	}
	return u.Email
}

// Source is where a user came from.
type Source struct {
	// Provider is the provider's id; Plugin the name of the executable that serves it.
	Provider, Plugin string
	// Issuer is the verified issuer of an OpenID provider; empty otherwise.
	Issuer string
	// Identifier is the user field that becomes User.Identifier: "sub", "preferred_username", "email" or "name".
	Identifier string
}

// Subject derives authd's stable name for the user sub of this source.
//
// An OpenID user is (issuer, sub), so that renaming the provider changes nothing; any other is (provider id, user
// id). The plugin's name is part of both: a plugin can claim any issuer, but never another plugin's users.
func (s Source) Subject(sub string) string {
	space, name := "provider", s.Provider
	if s.Issuer != "" {
		space, name = "issuer", s.Issuer
	}
	h := sha256.New()
	for _, part := range []string{"authd subject v1", space, s.Plugin, name, sub} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil)))[:26]
}

// User checks and bounds what the provider said. A user without a usable sub is ErrUnusable; any other field that
// is malformed is dropped, never repaired.
func (s Source) User(said *sdk.User) (*User, error) {
	if said.Sub == "" || len(said.Sub) > maxSub || text(said.Sub) != said.Sub {
		return nil, fmt.Errorf("%w: provider %s gave a sub that is empty, longer than %d bytes or not printable", ErrUnusable, s.Provider, maxSub)
	}
	u := &User{
		Subject:           s.Subject(said.Sub),
		PreferredUsername: text(said.PreferredUsername),
		Name:              text(said.Name),
		Picture:           text(said.Picture),
		Email:             email(said.Email),
		Provider:          s.Provider,
		SID:               text(said.SID),
		Claims:            claims(said.Claims),
	}
	u.EmailVerified = u.Email != "" && said.EmailVerified != nil && *said.EmailVerified
	if u.Name == "" {
		u.Name = strings.TrimSpace(text(said.GivenName) + " " + text(said.FamilyName))
	}
	u.Groups, u.GroupsOmitted = groups(said.Groups)
	u.Identifier = s.identifier(u, said.Sub)
	return u, nil
}

// identifier picks the configured field. Where it is empty, or an address that nobody vouches for, the opaque
// subject stands in: an application must not take one person for another.
func (s Source) identifier(u *User, sub string) string {
	var chosen string
	switch s.Identifier {
	case "sub":
		chosen = sub
	case "email":
		chosen = u.VerifiedEmail()
	case "name":
		chosen = u.Name
	default:
		chosen = u.PreferredUsername
	}
	if chosen == "" {
		return u.Subject
	}
	return chosen
}

// text returns s if it is short, valid and printable, else "".
func text(s string) string {
	if len(s) > maxText || !utf8.ValidString(s) || strings.ContainsFunc(s, unprintable) {
		return ""
	}
	return s
}

func unprintable(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

// email returns a well-formed address or "": one "@", a local part without white space or quotes, an ASCII domain,
// which is put in lower case since rules compare it.
func email(s string) string {
	local, domain, found := strings.Cut(text(s), "@")
	if !found || local == "" || domain == "" || len(s) > 254 {
		return ""
	}
	if strings.ContainsAny(local, " \t\"(),:;<>[\\]") {
		return ""
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
			return ""
		}
	}
	return local + "@" + strings.ToLower(domain)
}

func groups(said []string) (kept []string, omitted bool) {
	total := 0
	for _, name := range said {
		if name = text(name); name == "" || slices.Contains(kept, name) {
			continue
		}
		kept = append(kept, name)
		if total += len(name); len(kept) > maxGroups || total > maxGroupBytes {
			return nil, true
		}
	}
	return kept, false
}

func claims(said json.RawMessage) json.RawMessage {
	if len(said) == 0 || len(said) > maxClaims {
		return nil
	}
	if !json.Valid(said) || !bytes.HasPrefix(bytes.TrimSpace(said), []byte("{")) {
		return nil
	}
	return said
}
