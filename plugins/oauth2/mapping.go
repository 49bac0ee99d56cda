package main

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

// pathSettings say where userinfo has what. A path is a member's name, or names joined by dots.
func pathSettings(prefix string) []sdk.Setting {
	path := func(name, standard, help string) sdk.Setting {
		return sdk.Setting{Name: name, Env: prefix + "_" + strings.ToUpper(name), Default: standard, Pattern: `[^\s,]+`, Help: help}
	}
	id := path("id_path", "sub,id", "Where userinfo has the id that a person keeps for good, as a path such as data.id; of several, parted by commas, the first that is there.")
	id.Pattern = `[^\s,]+(,[^\s,]+)*`
	return []sdk.Setting{
		id,
		path("name_path", "name", "Where userinfo has the full name."),
		path("email_path", "email", "Where userinfo has the e-mail address."),
		path("email_verified_path", "email_verified", "Where userinfo says, as true or false, whether the address is verified; an address counts as verified only by that."),
		path("groups_path", "groups", "Where userinfo has the groups: a list of texts, or one text."),
	}
}

// mapping makes a user from userinfo as the path settings say; identifier is the path of preferred_username.
type mapping struct {
	settings   map[string]string
	identifier string
}

// Only whole numbers above zero are ids: 0 and below stand for "nobody" in too many systems.
var wholeNumber = regexp.MustCompile(`\A[1-9][0-9]*\z`)

func (m mapping) user(_ context.Context, _ *oauth2.Client, raw json.RawMessage, _ *sdk.Token) (*sdk.User, error) {
	o, err := oauth2.ParseObject(raw)
	if err != nil {
		return nil, sdk.UpstreamErrorf("userinfo: %w", err)
	}
	u := &sdk.User{
		Sub: m.id(o), PreferredUsername: text(o, m.identifier), Name: text(o, m.settings["name_path"]),
		Email: text(o, m.settings["email_path"]), Groups: o.Find(m.settings["groups_path"]), Picture: o.String("picture"), Claims: raw,
	}
	if !oauth2.IsSubject(u.Sub) {
		return nil, sdk.UpstreamErrorf("userinfo has no usable id at id_path = %q; set id_path to where it is, among the members %.20q", m.settings["id_path"], slices.Sorted(maps.Keys(o)))
	}
	if strings.EqualFold(u.Sub, u.Email) {
		return nil, sdk.UpstreamErrorf("userinfo has an e-mail address at id_path = %q; addresses are given to other people, so set id_path to an id that stays", m.settings["id_path"])
	}
	if holder, name := find(o, m.settings["email_verified_path"]); u.Email != "" {
		u.EmailVerified = holder.Bool(name)
	}
	if vouched := u.EmailVerified != nil && *u.EmailVerified; !vouched && strings.EqualFold(u.PreferredUsername, u.Email) {
		u.PreferredUsername = "" // an address that nobody vouches for would let one person pass for another
	}
	return u, nil
}

// id is at the first path where something is. If that is neither a text nor a whole number there is no id: another
// path might lead to another person's.
func (m mapping) id(o oauth2.Object) string {
	for path := range strings.SplitSeq(m.settings["id_path"], ",") {
		if holder, name := find(o, path); holder.Has(name) && string(holder[name]) != "null" {
			return text(o, path)
		}
	}
	return ""
}

// text returns a text, or a whole number with all of its digits, which above 2^53 a float64 would not keep.
func text(o oauth2.Object, path string) string {
	holder, name := find(o, path)
	if number := string(holder[name]); wholeNumber.MatchString(number) {
		return number
	}
	return holder.String(name)
}

// find returns the object at the end of a path, and the last name. A member that has the whole name, dots and all,
// goes first: names such as https://example.com/id are in use.
func find(o oauth2.Object, path string) (oauth2.Object, string) {
	for !o.Has(path) {
		head, tail, more := strings.Cut(path, ".")
		if !more {
			break
		}
		o, path = o.Object(head), tail
	}
	return o, path
}
