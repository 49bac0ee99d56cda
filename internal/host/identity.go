package host

import (
	"context"
	"strings"

	"github.com/authd/authd/internal/identity"
	"github.com/authd/authd/internal/policy"
	"github.com/authd/authd/internal/session"
)

// identityFields are the identity headers, with what each says of a user; empty when unknown. Two more are written
// beside them: see writeIdentity.
var identityFields = []struct {
	name  []byte
	value func(*identity.User) string
}{
	{[]byte("X-Auth-Request-User"), func(u *identity.User) string { return headerValue(u.Identifier, "") }},
	{[]byte("X-Auth-Request-Subject"), func(u *identity.User) string { return headerValue(u.Subject, "") }},
	{[]byte("X-Auth-Request-Email"), func(u *identity.User) string { return headerValue(u.VerifiedEmail(), "") }},
	{[]byte("X-Auth-Request-Preferred-Username"), func(u *identity.User) string { return headerValue(u.PreferredUsername, "") }},
	{[]byte("X-Auth-Request-Name"), func(u *identity.User) string { return headerValue(u.Name, "") }},
	{[]byte("X-Auth-Request-Provider"), func(u *identity.User) string { return headerValue(u.Provider, "") }},
	{[]byte("X-Auth-Request-Groups"), func(u *identity.User) string { groups, _ := groupsHeader(u); return groups }},
	{[]byte("X-Auth-Request-Groups-Omitted"), func(u *identity.User) string { _, omitted := groupsHeader(u); return omitted }},
}

// maxGroupsHeader bounds the groups header; with more, it is empty and X-Auth-Request-Groups-Omitted says so.
const maxGroupsHeader = 4 << 10

// anonymous are the identity headers of nobody.
var anonymous = identityHeaders(&identity.User{})

// identityHeaders are the values of all identityFields for a user, ready to be written. They share one piece of memory,
// since every session that is in use keeps its own.
func identityHeaders(u *identity.User) [][]byte {
	values := make([]string, len(identityFields))
	for i, field := range identityFields {
		values[i] = field.value(u)
	}
	text := []byte(strings.Join(values, ""))
	headers := make([][]byte, len(values))
	for i, value := range values {
		headers[i], text = text[:len(value):len(value)], text[len(value):]
	}
	return headers
}

func groupsHeader(u *identity.User) (groups, omitted string) {
	var b strings.Builder
	for i, group := range u.Groups {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(headerValue(group, ","))
	}
	if u.GroupsOmitted || b.Len() > maxGroupsHeader {
		return "", "true"
	}
	return b.String(), ""
}

// headerValue keeps printable ASCII and percent-encodes every other byte, "%" itself and the characters of also:
// every proxy and every application reads such a value in the same way.
func headerValue(s, also string) string {
	plain := func(b byte) bool { return b >= ' ' && b < 0x7f && b != '%' && strings.IndexByte(also, b) < 0 }
	var b strings.Builder
	for i := range len(s) {
		// HTTP drops blanks at both ends of a value: " ada" must not arrive as "ada".
		outer := s[i] == ' ' && (i == 0 || i == len(s)-1)
		if plain(s[i]) && !outer {
			b.WriteByte(s[i])
			continue
		}
		const hex = "0123456789ABCDEF"
		b.Write([]byte{'%', hex[s[i]>>4], hex[s[i]&15]})
	}
	return b.String()
}

// grant is what a session may do, worked out once while it is in memory and the rules are the same.
type grant struct {
	// denied is why the person may no longer come in: the rules can have changed since the login.
	denied  error
	headers [][]byte // as identityHeaders makes them
	session *session.Session
	user    *identity.User
	person  *policy.Person
	tokens  tokens
}

func (s *Server) grantOf(found *session.Session) *grant {
	now := s.live()
	return found.Memo(now, func(found *session.Session) any {
		g := &grant{session: found, user: found.User, headers: identityHeaders(found.User), person: policy.NewPerson(found.User)}
		g.denied = now.admission.AdmitPerson(context.Background(), g.person)
		if g.denied == nil {
			_, known := now.byID[found.User.Provider]
			if _, dormant := now.dormant[found.User.Provider]; !known && !dormant {
				g.denied = errProviderGone
			}
		}
		return g
	}).(*grant)
}
