package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/userfile"
)

// accessLife is how long a login counts until the file is asked again.
const accessLife = 10 * time.Minute

// What a ticket is good for.
const (
	purposeAccess  byte = 'a'
	purposeRefresh byte = 'r'
)

// A ticket is a token of this type: purpose, end (Unix seconds), nonce, code, id. The code is an HMAC under a key that
// is made of the person's password hash. So nothing is kept, a ticket outlives a restart, and it ends with the password
// and with the person. The hash holds a random salt that leaves the file nowhere else: a ticket helps nobody to guess.
const (
	endAt   = 1
	nonceAt = endAt + 8
	codeAt  = nonceAt + 16
	idAt    = codeAt + sha256.Size
)

// token makes the tokens of a person.
func (u *users) token(person userfile.User) *sdk.Token {
	end := u.now().Add(accessLife).Truncate(time.Second)
	return &sdk.Token{
		AccessToken: ticket(purposeAccess, end, person), RefreshToken: ticket(purposeRefresh, time.Time{}, person),
		TokenType: "Bearer", Expiry: end,
	}
}

// ticket makes one; a zero end is none.
func ticket(purpose byte, end time.Time, person userfile.User) string {
	raw := make([]byte, idAt, idAt+len(person.ID))
	raw[0] = purpose
	if !end.IsZero() {
		binary.BigEndian.PutUint64(raw[endAt:], uint64(end.Unix()))
	}
	_, _ = rand.Read(raw[nonceAt:codeAt]) // it never fails
	copy(raw[codeAt:], code(raw, person))
	return base64.RawURLEncoding.EncodeToString(append(raw, person.ID...))
}

// code signs everything before the code, and the id.
func code(raw []byte, person userfile.User) []byte {
	key := sha256.Sum256([]byte("authd users ticket v1\x00" + person.Password.String()))
	mac := hmac.New(sha256.New, key[:])
	mac.Write(raw[:codeAt])
	mac.Write([]byte(person.ID))
	return mac.Sum(nil)
}

// redeem returns whose ticket it is, as the file has them now.
func (u *users) redeem(purpose byte, text string) (userfile.User, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) <= idAt || raw[0] != purpose {
		return userfile.User{}, sdk.UserErrorf("invalid_grant", "the token is none of this provider's")
	}
	person, ok := u.file.users().ByID(string(raw[idAt:]))
	if !ok || person.Disabled {
		return userfile.User{}, sdk.UserErrorf("invalid_grant", "the user is gone or disabled")
	}
	if !hmac.Equal(raw[codeAt:idAt], code(raw, person)) {
		return userfile.User{}, sdk.UserErrorf("invalid_grant", "the user has a new password, or the token is forged")
	}
	if end := binary.BigEndian.Uint64(raw[endAt:]); end != 0 && uint64(u.now().Unix()) >= end {
		return userfile.User{}, sdk.UserErrorf("invalid_grant", "the token has expired")
	}
	return person, nil
}
