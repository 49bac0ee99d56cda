package userfile

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fixed is a hash that nobody has to wait for.
const fixed = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// write makes a file that only its owner may read.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestParse(t *testing.T) {
	f, err := Parse([]byte(`
# the admins
[users.ada]
id = "1"
password = "` + fixed + `"
name = "Ada Łovelace"
email = "ada@example.org"
email_verified = true
groups = ["admins", "a,b"]

[users."bob.b"]
id = "2"
password = "` + fixed + `"
disabled = true
`))
	if err != nil {
		t.Fatal(err)
	}
	p, _ := ParsePassword(fixed)
	want := []User{
		{Login: "ada", ID: "1", Password: p, Name: "Ada Łovelace", Email: "ada@example.org", EmailVerified: true, Groups: []string{"admins", "a,b"}},
		{Login: "bob.b", ID: "2", Password: p, Disabled: true},
	}
	if diff := cmp.Diff(want, f.Users(), cmp.AllowUnexported(Password{})); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	if u, ok := f.ByID("2"); !ok || u.Login != "bob.b" {
		t.Errorf("ByID gave %+v, %v", u, ok)
	}
	if _, ok := f.ByID(""); ok {
		t.Error("there is somebody without an id")
	}
	if _, ok := f.ByLogin("ADA"); ok {
		t.Error("names are not compared as they stand")
	}
	if got := Fold("  Ada\t"); got != "ada" {
		t.Errorf("Fold gave %q", got)
	}
}

// All faults come together, each with its user, and none repeats a hash.
func TestParseRefuses(t *testing.T) {
	user := func(login, more string) string {
		return "[users." + login + "]\nid = \"" + login + "\"\npassword = \"" + fixed + "\"\n" + more
	}
	tests := map[string]struct{ text, says string }{
		"no id":               {"[users.ada]\npassword = \"" + fixed + "\"", "users.ada: id is not set"},
		"no password":         {"[users.ada]\nid = \"1\"", "users.ada: password is no argon2id hash"},
		"id is an address":    {"[users.ada]\nid = \"a@example.org\"\npassword = \"" + fixed + "\"", "no e-mail address"},
		"the same id":         {user("ada", "") + "[users.bob]\nid = \"ada\"\npassword = \"" + fixed + "\"", "users.bob: has the id of ada"},
		"the same name":       {user("ada", "") + user("ada", ""), "line 4"},
		"upper case":          {user("Ada", ""), "can't be a user name"},
		"an address":          {"[users.\"a@example.org\"]\nid = \"1\"", "can't be a user name"},
		"a dotted name":       {user("ada.b", ""), "line 1: users.ada.b is not a key of a user"},
		"an unknown key":      {user("ada", "role = \"admin\""), "users.ada.role is not a key of a user"},
		"a key outside":       {"admin = true", "admin is not a key"},
		"a number":            {user("ada", "name = 7"), "line 4"},
		"no TOML":             {user("ada", "name = \""+fixed), "line 4"},
		"verified nothing":    {user("ada", "email_verified = true"), "email_verified is true without an email"},
		"no e-mail address":   {user("ada", "email = \"ada\""), "email is no e-mail address"},
		"two e-mail address":  {user("ada", "email = \"ada@a@b\""), "email is no e-mail address"},
		"a line feed in name": {user("ada", `name = "a\nb"`), "name is not printable"},
		"an empty group":      {user("ada", `groups = [""]`), "groups has an element"},
		"a forged header":     {user("ada", `groups = ["a\r\nX-Auth: b"]`), "groups has an element"},
	}
	for name, test := range tests {
		_, err := Parse([]byte(test.text))
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got error %v, want it to say %q", name, err, test.says)
			continue
		}
		if strings.Contains(err.Error(), "c2FsdHNh") {
			t.Errorf("%s: the error repeats a hash: %v", name, err)
		}
	}
	_, err := Parse([]byte("[users.ada]\n[users.bob]\n"))
	if err == nil || !strings.Contains(err.Error(), "users.ada") || !strings.Contains(err.Error(), "users.bob") {
		t.Errorf("got %v, want both users named", err)
	}
}

// Threat 157: a file that others could write a user into is refused; one that they can read gets a warning.
func TestReadLooksAtTheMode(t *testing.T) {
	path := write(t, "")
	for mode, want := range map[os.FileMode]struct{ err, warning string }{
		0o600: {}, 0o640: {}, 0o400: {},
		0o604: {warning: "chmod o-r"}, 0o644: {warning: "chmod o-r"},
		0o620: {err: "chmod go-w"}, 0o602: {err: "chmod go-w"}, 0o666: {err: "chmod go-w"},
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		s, err := Read(path)
		if want.err != "" {
			if err == nil || !strings.Contains(err.Error(), want.err) {
				t.Errorf("%v: got error %v, want %q", mode, err, want.err)
			}
			continue
		}
		if err != nil || (s.Warning != "") != (want.warning != "") || !strings.Contains(s.Warning, want.warning) {
			t.Errorf("%v: got %+v, error %v", mode, s, err)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	pipe, large := filepath.Join(dir, "pipe"), filepath.Join(dir, "large")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(large, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		filepath.Join(dir, "none"): "no such file", dir: "not a regular file", pipe: "not a regular file", large: "larger than 4 MiB",
		write(t, "[users"): "line 1",
	} {
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got error %v, want it to say %q", path, err, says)
		}
	}
}
