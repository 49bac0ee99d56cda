//go:build linux

package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/authd/authd/internal/identity"
	"github.com/authd/authd/internal/keys"
	"github.com/authd/authd/internal/realtest"
	"github.com/authd/authd/internal/session"
	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/internal/store/file"
	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

// providers are the ids, each of a type and a plugin of its own.
var providers = []string{"oidc", "keycloak", "descope", "github"}

const secret = "0123456789abcdef0123456789abcdef"

// site is authd as somebody runs it: the program and four plugins, against an identity provider of our own.
type site struct {
	tb      testing.TB
	dir     string
	addr    string
	idp     *devidp.Server
	plugins string // the directory
	tables  string // providers and apps, in TOML
}

// newSite prepares a site; serve starts it.
func newSite(tb testing.TB, change ...func(*site)) *site {
	tb.Helper()
	idp := providertest.StartIDP(tb, devidp.Options{AutoLogin: "ada"})
	s := &site{tb: tb, dir: tb.TempDir(), addr: realtest.FreeAddr(tb), idp: idp, plugins: built(tb, "plugins")}
	s.tables = s.providers(providers...)
	for _, c := range change {
		c(s)
	}
	text := fmt.Sprintf(`
[server]
listen = %[1]q
public_url = "http://%[2]s"
admin_listen = ""
plugins_dir = %[3]q
trusted_proxies = ["127.0.0.1"] # or all logins would count as those of one impatient person
[store]
url = "file:%[4]s"
[session]
secret = %[5]q
%[6]s`, s.addr, s.addr, s.plugins, s.storePath(), secret, s.tables)
	if err := os.WriteFile(s.configPath(), []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return s
}

func (s *site) configPath() string { return filepath.Join(s.dir, "authd.toml") }
func (s *site) storePath() string  { return filepath.Join(s.dir, "authd.db") }

// providers are the tables of these.
func (s *site) providers(ids ...string) string {
	special := map[string]string{
		"oidc":     fmt.Sprintf("issuer = %q", s.idp.Issuer()),
		"keycloak": fmt.Sprintf("base_url = %q\nrealm = \"demo\"", s.idp.URL()),
		"descope":  fmt.Sprintf("base_url = %q", s.idp.URL()),
		"github": fmt.Sprintf("auth_url = %q\ntoken_url = %q\nuser_info_url = %q",
			s.idp.URL()+"/login/oauth/authorize", s.idp.URL()+"/login/oauth/access_token", s.idp.URL()+"/user"),
	}
	var tables strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&tables, "[[providers]]\nid = %q\nrequired = true\nclient_id = \"demo\"\nclient_secret = \"demo-secret\"\n%s\n", id, special[id])
	}
	return tables.String()
}

// built returns the path of what make build has made.
func built(tb testing.TB, name string) string {
	tb.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "bin", name))
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		tb.Fatalf("%v; run make build first", err)
	}
	return path
}

// serve starts authd on the given cores and waits until all providers are ready.
func (s *site) serve(cores ...int) *process {
	s.tb.Helper()
	p := start(s.tb, exec.Command(built(s.tb, "authd"), "serve", "--config", s.configPath()), cores...)
	_, err := p.Ready(time.Millisecond, limit, func() error { // with all its providers
		if status := statusOf(s.addr, "GET /readyz HTTP/1.1\r\nHost: "+s.addr+"\r\nConnection: close\r\n\r\n"); status != "200" {
			return fmt.Errorf("/readyz answers %q", status)
		}
		return nil
	})
	if err != nil {
		s.tb.Fatal(err)
	}
	return p
}

// statusOf sends a request over a new connection and returns the status, or "" if there is no answer.
func statusOf(addr, request string) string {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return ""
	}
	defer conn.Close()
	if conn.SetDeadline(time.Now().Add(10*time.Second)) != nil {
		return ""
	}
	if _, err := conn.Write([]byte(request)); err != nil {
		return ""
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || len(line) < len("HTTP/1.1 200") {
		return ""
	}
	return line[len("HTTP/1.1 "):][:3]
}

// ask sends one request and returns the answer, whose body is empty.
func ask(tb testing.TB, addr, request string) *http.Response {
	tb.Helper()
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		tb.Fatal(err)
	}
	if _, err := conn.Write([]byte(request)); err != nil {
		tb.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		tb.Fatal(err)
	}
	return res
}

// sameAs is what a reference server has to answer in authd's place.
func (s *site) sameAs(request string) answer {
	s.tb.Helper()
	res := ask(s.tb, s.addr, request)
	if res.StatusCode/100 != 2 || res.Header.Get("X-Auth-Request-User") != "ada" {
		s.tb.Fatalf("the check answers %s %v", res.Status, res.Header)
	}
	_, target, _ := strings.Cut(request, " ")
	path, _, _ := strings.Cut(target, " ")
	a := answer{Path: path, Status: res.StatusCode}
	for name, values := range res.Header {
		if name == "Date" || name == "Server" || name == "Content-Length" {
			continue // every Fiber server sends them by itself
		}
		a.Fields = append(a.Fields, [2]string{name, values[0]})
	}
	return a
}

// ada is what authd keeps of a typical person.
func ada() *identity.User {
	return &identity.User{
		Subject: "abcdefghijklmnopqrstuvwxyz"[:26], Identifier: "ada", PreferredUsername: "ada", Name: "Ada Quillfeather",
		Email: "ada@example.org", EmailVerified: true, Groups: []string{"admins", "staff"}, Provider: "oidc",
		Picture: "https://id.example.org/avatar/ada",
		Claims: json.RawMessage(`{"aud":"demo","auth_time":1790000000,"email":"ada@example.org","email_verified":true,"exp":1790003600,` +
			`"family_name":"Quillfeather","given_name":"Ada","groups":["admins","staff"],"iat":1790000000,"iss":"https://id.example.org",` +
			`"name":"Ada Quillfeather","picture":"https://id.example.org/avatar/ada","preferred_username":"ada","sub":"dev-7f3a91c0-ada"}`),
	}
}

// tokens are upstream tokens of so many bytes together.
func tokens(size int) *sdk.Token {
	part := strings.Repeat("t", size/3)
	return &sdk.Token{
		AccessToken: part, IDToken: part, RefreshToken: part, TokenType: "Bearer", Expiry: time.Now().Add(24 * time.Hour),
	}
}

// manage calls f with a manager of the sessions in st.
func manage(tb testing.TB, st store.Store, f func(*session.Manager), change ...func(*session.Config)) {
	tb.Helper()
	ring, err := keys.NewRing([]byte(secret))
	if err != nil {
		tb.Fatal(err)
	}
	cfg := session.Config{Store: st, Ring: ring, Lifetime: 30 * 24 * time.Hour, IdleTimeout: 7 * 24 * time.Hour}
	for _, c := range change {
		c(&cfg)
	}
	m := session.New(cfg)
	defer m.Close()
	f(m)
}

// signIn creates a session.
func signIn(tb testing.TB, m *session.Manager, token *sdk.Token) (id string) {
	tb.Helper()
	id, _, err := m.Create(context.Background(), session.Login{
		User: ada(), Token: token, Address: "192.0.2.17", Browser: "Firefox on Linux",
	})
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

// signIn puts a session into the store of a site that does not run.
func (s *site) signIn(token *sdk.Token) (id string) {
	s.tb.Helper()
	st, err := file.Open(s.storePath(), file.Options{})
	if err != nil {
		s.tb.Fatal(err)
	}
	manage(s.tb, st, func(m *session.Manager) { id = signIn(s.tb, m, token) })
	if err := st.Close(); err != nil {
		s.tb.Fatal(err)
	}
	return id
}
