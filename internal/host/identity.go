package host

import (
	"context"
	"strings"

	"github.com/authd/authd/internal/identity"
	"github.com/authd/authd/internal/session"
)

// header is one identity header, ready to be written.
type header struct {
	name, value []byte
}

// maxGroupsHeader bounds the groups header; with more, it is empty and X-Auth-Request-Groups-Omitted says so.
const maxGroupsHeader = 4 << 10

// anonymous are the identity headers of nobody.
var anonymous = identityHeaders(&identity.User{})

// identityHeaders are all identity headers of a user, always the same ones; empty when unknown.
func identityHeaders(u *identity.User) []header {
	groups, omitted := groupsHeader(u)
	fields := [][2]string{
		{"X-Auth-Request-User", u.Identifier},
		{"X-Auth-Request-Subject", u.Subject},
		{"X-Auth-Request-Email", u.VerifiedEmail()},
		{"X-Auth-Request-Preferred-Username", u.PreferredUsername},
		{"X-Auth-Request-Name", u.Name},
		{"X-Auth-Request-Provider", u.Provider},
	}
	headers := make([]header, 0, len(fields)+4)
	for _, f := range fields {
		headers = append(headers, header{[]byte(f[0]), []byte(headerValue(f[1], ""))})
	}
	return append(headers,
		header{[]byte("X-Auth-Request-Groups"), []byte(groups)},
		header{[]byte("X-Auth-Request-Groups-Omitted"), []byte(omitted)},
		// Empty until apps can ask for them; a client's own must not survive meanwhile.
		header{[]byte("X-Auth-Request-Jwt"), nil},
		header{[]byte("X-Auth-Request-Access-Token"), nil},
	)
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
		if plain(s[i]) {
			b.WriteByte(s[i])
			continue
		}
		const hex = "0123456789ABCDEF"
		b.Write([]byte{'%', hex[s[i]>>4], hex[s[i]&15]})
	}
	return b.String()
}

// grant is what a session may do, worked out once while it is in memory.
type grant struct {
	// denied is why the person may no longer come in: the rules can have changed since the login.
	denied  error
	headers []header
}

func (s *Server) grantOf(found *session.Session) *grant {
	return found.Memo(func(found *session.Session) any {
		g := &grant{headers: identityHeaders(found.User), denied: s.admission.Admit(context.Background(), found.User)}
		if g.denied == nil {
			if _, ok := s.byID[found.User.Provider]; !ok {
				g.denied = errProviderGone
			}
		}
		return g
	}).(*grant)
}
