//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/realtest"
)

// atKeycloak are two ways to the same realm: through the plugin for Keycloak, and through the one for OpenID Connect.
func atKeycloak(k *realtest.Keycloak, client string) string {
	shared := []string{"client_id", client, "client_secret", "authd-secret"}
	return table("staff", "keycloak", append(shared, "base_url", k.URL, "realm", k.Realm)...) +
		table("plain", "oidc", append(shared, "issuer", k.Issuer)...)
}

func TestKeycloakLogin(t *testing.T) {
	t.Parallel()
	s := serve(t, options{tables: atKeycloak(keycloak.Get(t), "authd"), offers: []string{"staff", "plain"}})
	for _, test := range []struct{ provider, user string }{
		{"staff", "alice@example.com"}, // the type's identifier is the address, as Chainlit has it
		{"plain", "alice"},
	} {
		t.Run(test.provider, func(t *testing.T) {
			b := newBrowser(t)
			home := b.password(b.get(s.url+"/auth/oauth/"+test.provider), realtest.Alice)
			wantWhere(t, home, s.url+"/")
			wantText(t, home, "Alice Anders")
			got := s.check(b)
			wantStatus(t, got, http.StatusOK)
			wantHeaders(t, got, map[string]string{
				"X-Auth-Request-User": test.user, "X-Auth-Request-Preferred-Username": "alice", "X-Auth-Request-Name": "Alice Anders",
				"X-Auth-Request-Email": "alice@example.com", "X-Auth-Request-Provider": test.provider,
			})
			if diff := cmp.Diff(s.groups(b), realtest.Alice.Groups); diff != "" {
				t.Errorf("groups (got -, want +):\n%s", diff)
			}
		})
	}
}

// Threat 34: an address that Keycloak does not vouch for reaches nobody.
func TestKeycloakUnverifiedEmail(t *testing.T) {
	t.Parallel()
	s := serve(t, options{tables: atKeycloak(keycloak.Get(t), "authd"), offers: []string{"staff"}})
	b := newBrowser(t)
	b.password(b.get(s.url+"/auth/oauth/staff"), realtest.Bob)
	wantHeaders(t, s.check(b), map[string]string{"X-Auth-Request-Email": "", "X-Auth-Request-Preferred-Username": "bob", "X-Auth-Request-Groups": "staff"})
}

func TestKeycloakWrongPassword(t *testing.T) {
	t.Parallel()
	s := serve(t, options{tables: atKeycloak(keycloak.Get(t), "authd"), offers: []string{"staff"}})
	b := newBrowser(t)
	wrong := realtest.Alice
	wrong.Password = "not-" + wrong.Password
	again := b.password(b.get(s.url+"/auth/oauth/staff?return_to=/auth/session"), wrong)
	if !asksPassword(again) || !strings.HasPrefix(again.where(), keycloak.Get(t).URL) {
		t.Errorf("after a wrong password the browser is at %s, want Keycloak's form again", again.where())
	}
	wantStatus(t, s.check(b), http.StatusUnauthorized)

	// The right one goes on where it was.
	in := b.password(again, realtest.Alice)
	wantWhere(t, in, s.url+"/auth/session")
	wantStatus(t, s.check(b), http.StatusOK)
}

// Threat 39: what Keycloak says at a renewal counts: other groups, and a person who is shut out.
func TestKeycloakRenewal(t *testing.T) {
	t.Parallel()
	k := admin{t, keycloak.Get(t)}
	s := serve(t, options{tables: atKeycloak(k.Keycloak, shortClient), offers: []string{"staff", "plain"}})
	promoted, moved, banned := k.addUser("carol", "staff"), k.addUser("dave", "staff"), k.addUser("erin", "staff")

	type login struct {
		who      user
		provider string
		browser  *browser
	}
	logins := []login{{promoted, "staff", nil}, {moved, "plain", nil}, {banned, "staff", nil}, {banned, "plain", nil}}
	for i := range logins {
		logins[i].browser = newBrowser(t)
		logins[i].browser.password(logins[i].browser.get(s.url+"/auth/oauth/"+logins[i].provider), logins[i].who.Person)
		if diff := cmp.Diff(s.groups(logins[i].browser), []string{"staff"}); diff != "" {
			t.Errorf("%s before (got -, want +):\n%s", logins[i].who.Username, diff)
		}
	}
	k.join(promoted, "admins")
	k.join(moved, "admins")
	k.leave(moved, "staff")
	k.disable(banned)

	// The tokens last half a minute; the checks after that bring the news.
	awaitGroups(t, s, logins[0].browser, "admins", "staff")
	awaitGroups(t, s, logins[1].browser, "admins")
	for _, l := range logins[2:] {
		await(t, 2*time.Minute, "a disabled user loses the session", func() error {
			if got := s.check(l.browser); got.StatusCode != http.StatusUnauthorized {
				return fmt.Errorf("the check says %s", got.Status)
			}
			return nil
		})
		if !strings.Contains(s.Log(), `"refresh_refused"`) {
			t.Error("the audit log does not tell of the refused renewal")
		}
	}
}

func awaitGroups(t *testing.T, s *server, b *browser, want ...string) {
	t.Helper()
	await(t, 2*time.Minute, "the new groups arrive", func() error {
		if got := s.groups(b); !slices.Equal(got, want) {
			return fmt.Errorf("they are %v, want %v", got, want)
		}
		return nil
	})
}

// Threat 73: whoever signs out here is signed out at Keycloak too, for all its applications, and comes back.
func TestKeycloakLogout(t *testing.T) {
	t.Parallel()
	k := keycloak.Get(t)
	other := table("other", "keycloak", "client_id", shortClient, "client_secret", "authd-secret", "base_url", k.URL, "realm", k.Realm)
	s := serve(t, options{tables: atKeycloak(k, "authd") + other, offers: []string{"staff", "plain", "other"}})
	for _, provider := range []string{"staff", "plain"} {
		t.Run(provider, func(t *testing.T) {
			b := newBrowser(t)
			start := s.url + "/auth/oauth/" + provider
			b.password(b.get(s.url+"/auth/oauth/other"), realtest.Alice)
			// While Keycloak's own session lives nobody is asked.
			wantWhere(t, b.get(start), s.url+"/")

			out := b.signOut(s)
			wantText(t, out, "You are signed out")
			if !strings.HasPrefix(out.where(), s.url+"/auth/logout?") {
				t.Errorf("the browser is at %s, want authd again, with the state that went to Keycloak", out.where())
			}
			wantStatus(t, s.check(b), http.StatusUnauthorized)
			for _, again := range []string{provider, "other"} {
				if next := b.get(s.url + "/auth/oauth/" + again); !asksPassword(next) {
					t.Errorf("the next login through %s ends at %s without a password being asked", again, next.where())
				}
			}
		})
	}
}

// The environment alone is a whole configuration, and a name of the operator's own makes the id.
func TestKeycloakFromEnvironment(t *testing.T) {
	t.Parallel()
	k := keycloak.Get(t)
	s := serve(t, options{noFile: true, offers: []string{"head-office"}, environ: []string{
		"OAUTH_KEYCLOAK_CLIENT_ID=authd", "OAUTH_KEYCLOAK_CLIENT_SECRET=authd-secret",
		"OAUTH_KEYCLOAK_BASE_URL=" + k.URL, "OAUTH_KEYCLOAK_REALM=" + k.Realm, "OAUTH_KEYCLOAK_NAME=Head Office",
	}})
	b := newBrowser(t)
	wantText(t, b.get(s.url+"/auth/login"), "Continue with Head Office")
	home := b.password(b.get(s.url+"/auth/oauth/head-office"), realtest.Alice)
	wantWhere(t, home, s.url+"/")
	wantHeaders(t, s.check(b), map[string]string{"X-Auth-Request-Provider": "head-office", "X-Auth-Request-User": "alice@example.com"})
	wantStatus(t, b.get(s.url+"/auth/oauth/keycloak"), http.StatusNotFound)
}

// admin is the administrator of Keycloak's realm.
type admin struct {
	t testing.TB
	*realtest.Keycloak
}

// user is a person with an account at Keycloak.
type user struct {
	realtest.Person
	id string
}

// addUser makes an account for this test alone.
func (k admin) addUser(name string, groups ...string) user {
	k.t.Helper()
	u := user{Person: realtest.Person{Username: name, Password: name + "-password", Email: name + "@example.com", Groups: groups}}
	paths := make([]string, len(groups))
	for i, group := range groups {
		paths[i] = "/" + group
	}
	location := k.ask(http.MethodPost, "/users", map[string]any{
		"username": name, "enabled": true, "email": u.Email, "emailVerified": true, "firstName": name, "lastName": "Example",
		"groups": paths, "credentials": []any{map[string]any{"type": "password", "value": u.Password}},
	}, nil)
	u.id = location[strings.LastIndexByte(location, '/')+1:]
	k.t.Cleanup(func() { k.ask(http.MethodDelete, "/users/"+u.id, nil, nil) })
	return u
}

func (k admin) disable(u user) {
	k.t.Helper()
	k.ask(http.MethodPut, "/users/"+u.id, map[string]any{"enabled": false}, nil)
}

func (k admin) join(u user, group string) {
	k.t.Helper()
	k.ask(http.MethodPut, "/users/"+u.id+"/groups/"+k.group(group), map[string]any{}, nil)
}

func (k admin) leave(u user, group string) {
	k.t.Helper()
	k.ask(http.MethodDelete, "/users/"+u.id+"/groups/"+k.group(group), nil, nil)
}

func (k admin) group(name string) string {
	k.t.Helper()
	var groups []struct{ ID, Name string }
	k.ask(http.MethodGet, "/groups", nil, &groups)
	for _, g := range groups {
		if g.Name == name {
			return g.ID
		}
	}
	k.t.Fatalf("Keycloak has no group %s among %v", name, groups)
	return ""
}

// ask makes one request to the admin API of the realm and returns the Location of the answer.
func (k admin) ask(method, path string, in, out any) string {
	k.t.Helper()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	k.send(http.MethodPost, k.URL+"/realms/master/protocol/openid-connect/token", "application/x-www-form-urlencoded", "", strings.NewReader(url.Values{
		"grant_type": {"password"}, "client_id": {"admin-cli"}, "username": {k.AdminUser}, "password": {k.AdminPassword},
	}.Encode()), &token)
	body, err := json.Marshal(in)
	if err != nil {
		k.t.Fatal(err)
	}
	return k.send(method, k.URL+"/admin/realms/"+k.Realm+path, "application/json", token.AccessToken, bytes.NewReader(body), out)
}

func (k admin) send(method, target, kind, token string, body io.Reader, out any) string {
	k.t.Helper()
	req, err := http.NewRequest(method, target, body)
	if err != nil {
		k.t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := newBrowser(k.t).client.Do(req)
	if err != nil {
		k.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode/100 != 2 {
		k.t.Fatalf("%s %s: %s %s %v", method, target, res.Status, text, err)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			k.t.Fatal(err)
		}
	}
	return res.Header.Get("Location")
}
