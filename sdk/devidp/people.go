package devidp

import (
	"crypto/subtle"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// User is one made-up person.
type User struct {
	Sub      string // stable subject identifier, at most 255 characters
	Username string // preferred_username; GitHub's login
	Password string // for the password grant only; the page asks for none

	Name, GivenName, FamilyName string
	Email                       string
	EmailVerified               bool
	Picture                     string
	Groups                      []string

	Roles       []string            // Keycloak's realm_access.roles
	ClientRoles map[string][]string // Keycloak's resource_access.{client}.roles

	GitHubID     int64 // numeric id; 0 = one is given
	GitHubOrgs   []string
	GitHubTeams  []GitHubTeam
	GitHubEmails []GitHubEmail // nil = Email alone, primary, verified as EmailVerified
	EmailPrivate bool          // GitHub's /user says "email": null

	Claims map[string]any // extra claims, in ID token and userinfo; they win over the fields above
}

// GitHubTeam is one team as GitHub's /user/teams lists it.
type GitHubTeam struct{ Org, Slug, Name string }

// GitHubEmail is one address as GitHub's /user/emails lists it.
type GitHubEmail struct {
	Email             string
	Primary, Verified bool
}

// Client is one application that may use the provider.
type Client struct {
	ID     string
	Secret string // "" = a public client, which must use PKCE

	RedirectURIs           []string // compared exactly; empty = any http(s) URL on loopback
	PostLogoutRedirectURIs []string // compared exactly; empty = any http(s) URL on loopback
	BackchannelLogoutURI   string   // receives a logout token when a session ends here; "" = none
}

// DefaultUsers are the three made-up people of a provider without Options.Users:
// ada (admins, staff), grace (staff) and linus, whose address is neither verified
// nor public. The passwords are NAME-password.
func DefaultUsers() []User {
	return []User{
		{
			Sub: "dev-7f3a91c0-ada", Username: "ada", Password: "ada-password",
			Name: "Ada Quillfeather", GivenName: "Ada", FamilyName: "Quillfeather",
			Email: "ada@example.org", EmailVerified: true, Groups: []string{"admins", "staff"},
			Roles: []string{"admin", "user"}, ClientRoles: map[string][]string{"demo": {"editor"}},
			GitHubID: 1001, GitHubOrgs: []string{"example-org"},
			GitHubTeams: []GitHubTeam{{Org: "example-org", Slug: "admins", Name: "Admins"}},
		},
		{
			Sub: "dev-2b58e4d7-grace", Username: "grace", Password: "grace-password",
			Name: "Grace Marlowind", GivenName: "Grace", FamilyName: "Marlowind",
			Email: "grace@example.org", EmailVerified: true, Groups: []string{"staff"},
			Roles: []string{"user"}, GitHubID: 1002, GitHubOrgs: []string{"example-org"},
		},
		{
			Sub: "dev-c4961fa2-linus", Username: "linus", Password: "linus-password",
			Name: "Linus Fjordgren", GivenName: "Linus", FamilyName: "Fjordgren",
			Email: "linus@example.net", Groups: []string{"guests"},
			GitHubID: 1003, EmailPrivate: true,
		},
	}
}

// DefaultClients is the one confidential client of a provider without
// Options.Clients: id "demo", secret "demo-secret", any redirect URI on loopback.
func DefaultClients() []Client {
	return []Client{{ID: "demo", Secret: "demo-secret"}}
}

// directory holds who may sign in and who may ask.
type directory struct {
	mu        sync.RWMutex
	users     []User // in the order of the page
	clients   map[string]Client
	autoLogin string
	nextID    int64
}

func newDirectory(opt Options, base string) (*directory, error) {
	users, clients := opt.Users, opt.Clients
	if users == nil {
		users = DefaultUsers()
		for i := range users {
			users[i].Picture = base + "/-/avatar/" + users[i].Username
		}
	}
	if clients == nil {
		clients = DefaultClients()
	}
	d := &directory{clients: map[string]Client{}, nextID: 9000}
	for _, u := range users {
		if d.has(u.Sub) {
			return nil, fmt.Errorf("devidp: two users share the sub %q; make it unique", u.Sub)
		}
		if err := d.setUser(u); err != nil {
			return nil, err
		}
	}
	for _, c := range clients {
		if _, taken := d.clients[c.ID]; taken {
			return nil, fmt.Errorf("devidp: two clients share the id %q; make it unique", c.ID)
		}
		if err := d.setClient(c); err != nil {
			return nil, err
		}
	}
	return d, d.setAutoLogin(opt.AutoLogin)
}

func (d *directory) setUser(u User) error {
	if u.Sub == "" || len(u.Sub) > 255 || u.Username == "" {
		return fmt.Errorf("devidp: user %q (sub %q): a username and a sub of 1 to 255 characters are needed", u.Username, u.Sub)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if slices.ContainsFunc(d.users, func(old User) bool { return old.Username == u.Username && old.Sub != u.Sub }) {
		return fmt.Errorf("devidp: two users share the username %q; make it unique", u.Username)
	}
	u.Groups, u.Roles, u.Claims = slices.Clone(u.Groups), slices.Clone(u.Roles), maps.Clone(u.Claims)
	at := slices.IndexFunc(d.users, func(old User) bool { return old.Sub == u.Sub })
	if u.GitHubID == 0 && at >= 0 {
		u.GitHubID = d.users[at].GitHubID
	}
	if u.GitHubID == 0 {
		d.nextID++
		u.GitHubID = d.nextID
	}
	if at >= 0 {
		d.users[at] = u
	} else {
		d.users = append(d.users, u)
	}
	return nil
}

func (d *directory) setClient(c Client) error {
	if c.ID == "" {
		return fmt.Errorf("devidp: a client has no id; set Client.ID")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clients[c.ID] = c
	return nil
}

func (d *directory) setAutoLogin(who string) error {
	if _, ok := d.find(who); who != "" && !ok {
		return fmt.Errorf("devidp: auto-login: no user has the sub or username %q; name one of the users", who)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.autoLogin = who
	return nil
}

func (d *directory) remove(sub string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.users = slices.DeleteFunc(d.users, func(u User) bool { return u.Sub == sub })
}

// find looks a user up by sub or username.
func (d *directory) find(who string) (User, bool) {
	return d.search(func(u User) bool { return who != "" && (u.Sub == who || u.Username == who) })
}

func (d *directory) has(sub string) bool {
	_, ok := d.bySub(sub)
	return ok
}

func (d *directory) bySub(sub string) (User, bool) {
	return d.search(func(u User) bool { return u.Sub == sub })
}

// hinted finds whom a login_hint means: a sub, a username or an e-mail address.
func (d *directory) hinted(hint string) (User, bool) {
	return d.search(func(u User) bool {
		return hint != "" && (u.Sub == hint || u.Username == hint || strings.EqualFold(u.Email, hint))
	})
}

// other is some user who is not sub: the victim of the flaws that swap people.
// With one user alone it is a person nobody knows.
func (d *directory) other(sub string) User {
	if u, ok := d.search(func(u User) bool { return u.Sub != sub }); ok {
		return u
	}
	return User{
		Sub: "dev-somebody-else", Username: "somebody-else", Name: "Somebody Else", GitHubID: 8999,
		Email: "somebody-else@example.org", EmailVerified: true,
	}
}

func (d *directory) search(match func(User) bool) (User, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	i := slices.IndexFunc(d.users, match)
	if i < 0 {
		return User{}, false
	}
	return d.users[i], true
}

func (d *directory) all() []User {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.Clone(d.users)
}

func (d *directory) client(id string) (Client, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	c, ok := d.clients[id]
	return c, ok
}

func (d *directory) auto() (User, bool) {
	d.mu.RLock()
	who := d.autoLogin
	d.mu.RUnlock()
	return d.find(who)
}

// checkPassword compares in constant time; a user without a password has none that fits.
func (d *directory) checkPassword(username, password string) (User, bool) {
	u, ok := d.search(func(u User) bool { return u.Username == username || u.Sub == username })
	same := subtle.ConstantTimeCompare([]byte(u.Password), []byte(password)) == 1
	return u, ok && same && u.Password != ""
}

// SetUser adds a user or replaces the one of the same sub, from the next token
// and the next userinfo answer on.
func (s *Server) SetUser(u User) error { return s.people.setUser(u) }

// RemoveUser takes a user away; their sessions and tokens end with them.
func (s *Server) RemoveUser(sub string) {
	s.people.remove(sub)
	s.RevokeUser(sub)
}

// User finds a user by sub or username.
func (s *Server) User(who string) (User, bool) { return s.people.find(who) }

// SetClient adds a client or replaces the one of the same id.
func (s *Server) SetClient(c Client) error { return s.people.setClient(c) }

// SetAutoLogin changes Options.AutoLogin on a running server; "" shows the page again.
func (s *Server) SetAutoLogin(who string) error { return s.people.setAutoLogin(who) }

// allowsURI compares exactly, as RFC 9700 section 2.1 asks; an empty list allows
// any URL on loopback, because a test's port is not known beforehand.
func allowsURI(registered []string, uri string) bool {
	if len(registered) > 0 {
		return slices.Contains(registered, uri)
	}
	u, err := url.Parse(uri)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && loopbackHost(u.Hostname()) &&
		u.User == nil && u.Fragment == "" && !strings.Contains(uri, "#")
}
