package main

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

// mapping makes a user from userinfo, with the names of OpenID Connect Core section 5.1.
type mapping struct{ userKey string }

// Only whole numbers above zero are ids: 0 and below stand for "nobody" in too many systems.
var wholeNumber = regexp.MustCompile(`\A[1-9][0-9]*\z`)

func (m mapping) user(_ context.Context, _ *oauth2.Client, raw json.RawMessage, _ *sdk.Token) (*sdk.User, error) {
	o, err := oauth2.ParseObject(raw)
	if err != nil {
		return nil, sdk.UpstreamErrorf("userinfo: %w", err)
	}
	id := "sub"
	if !o.Has(id) {
		id = "id"
	}
	u := &sdk.User{
		Sub: text(o, id), PreferredUsername: text(o, m.userKey), Name: o.String("name"), Email: o.String("email"),
		Groups: o.Strings("groups"), Picture: o.String("picture"), Claims: raw,
	}
	if !oauth2.IsSubject(u.Sub) || strings.EqualFold(u.Sub, u.Email) {
		return nil, sdk.UpstreamErrorf("userinfo has no usable id in sub or id: it must be a text or a whole number, and no e-mail address; set user_info_url to an address that has one")
	}
	if u.Email != "" {
		u.EmailVerified = o.Bool("email_verified")
	}
	if vouched := u.EmailVerified != nil && *u.EmailVerified; !vouched && strings.EqualFold(u.PreferredUsername, u.Email) {
		u.PreferredUsername = "" // an address that nobody vouches for would let one person pass for another
	}
	return u, nil
}

// text returns a text, or a whole number with all of its digits, which above 2^53 a float64 would not keep.
func text(o oauth2.Object, name string) string {
	if number := string(o[name]); wholeNumber.MatchString(number) {
		return number
	}
	return o.String(name)
}
