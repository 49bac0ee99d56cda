package userfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const team = `# The team. Ask Grace before you change anything.

# since 2024
[users.ada] # admin
id = "1"
# never tell
password = "` + fixed + `" # set in May
groups = [
  "admins", # all of it
]

# on leave
[ users . "bob.b" ]
id = '2'
password = '` + fixed + `'
`

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAdd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.toml")
	p, _ := ParsePassword(fixed)
	u := User{Login: "ada.l", ID: NewID(), Password: p, Name: `Ada "A" \ Łovelace`, Email: "ada@example.org", EmailVerified: true, Groups: []string{"admins", "a,b"}}
	if err := Add(path, u); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("got mode %v, error %v, want 0600", info.Mode(), err)
	}
	if err := Add(path, User{Login: "bob", ID: NewID(), Password: p, Disabled: true}); err != nil {
		t.Fatal(err)
	}
	want := "[users.\"ada.l\"]\nid = \"" + u.ID + "\"\npassword = \"" + fixed + "\"\nname = \"Ada \\\"A\\\" \\\\ Łovelace\"\nemail = \"ada@example.org\"\nemail_verified = true\ngroups = [\"admins\", \"a,b\"]\n"
	text := read(t, path)
	if !strings.HasPrefix(text, want+"\n[users.bob]\n") || !strings.HasSuffix(text, "disabled = true\n") {
		t.Errorf("got\n%s\nwant it to begin with\n%s", text, want)
	}
	if err := Add(path, User{Login: "bob", ID: NewID(), Password: p}); !errors.Is(err, ErrUserExists) {
		t.Errorf("got %v, want ErrUserExists", err)
	}
	if err := Add(path, User{Login: "eve", ID: u.ID, Password: p}); err == nil {
		t.Error("two people have one id")
	}
	if err := Add(path, User{Login: "eve", ID: "3", Password: p, Name: "a\nb"}); err == nil {
		t.Error("a name with a line feed was written")
	}
	if read(t, path) != text {
		t.Error("a refused change changed the file")
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, error %v", left, err)
	}
}

// Comments, order and the way of writing stay as they are.
func TestSetPassword(t *testing.T) {
	path := write(t, team)
	other := strings.Replace(fixed, "$AAAA", "$BBBB", 1)
	p, err := ParsePassword(other)
	if err != nil {
		t.Fatal(err)
	}
	for _, login := range []string{"ada", "bob.b"} {
		if err := SetPassword(path, login, p); err != nil {
			t.Fatal(err)
		}
	}
	want := strings.ReplaceAll(strings.ReplaceAll(team, fixed, other), "'"+other+"'", `"`+other+`"`)
	if got := read(t, path); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := SetPassword(path, "eve", p); !errors.Is(err, ErrNoUser) {
		t.Errorf("got %v, want ErrNoUser", err)
	}
}

func TestRemove(t *testing.T) {
	path := write(t, team)
	if err := Remove(path, "ada"); err != nil {
		t.Fatal(err)
	}
	want := "# The team. Ask Grace before you change anything.\n\n# since 2024\n\n# on leave\n[ users . \"bob.b\" ]\nid = '2'\npassword = '" + fixed + "'\n"
	if got := read(t, path); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := Remove(path, "bob.b"); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); got != "# The team. Ask Grace before you change anything.\n\n# since 2024\n\n# on leave\n" {
		t.Errorf("got\n%s", got)
	}
	if err := Remove(path, "ada"); !errors.Is(err, ErrNoUser) {
		t.Errorf("got %v, want ErrNoUser", err)
	}
	if err := Remove(filepath.Join(t.TempDir(), "none"), "ada"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want that there is no file", err)
	}
}

// What can't be changed line by line is left alone, whole.
func TestOddLayouts(t *testing.T) {
	p, _ := ParsePassword(strings.Replace(fixed, "$AAAA", "$BBBB", 1))
	for name, text := range map[string]string{
		"inline":        `users.ada = { id = "1", password = "` + fixed + `" }` + "\n",
		"one table":     "[users]\nada.id = \"1\"\nada.password = \"" + fixed + "\"\n",
		"quoted key":    "[users.ada]\nid = \"1\"\n\"password\" = \"" + fixed + "\"\n",
		"in a text":     "[users.bob]\nid = \"2\"\npassword = \"" + fixed + "\"\nname = '''\n[users.ada]'''\n",
		"many in line":  `users = { ada = { id = "1", password = "` + fixed + `" } }`,
		"several lines": "[users.ada]\nid = \"1\"\npassword = \"\"\"\n" + fixed + "\"\"\"\n",
	} {
		path := write(t, text)
		if err := SetPassword(path, "ada", p); err == nil {
			t.Errorf("%s: the password was set:\n%s", name, read(t, path))
		}
		if got := read(t, path); got != text {
			t.Errorf("%s: the file was changed to\n%s", name, got)
		}
	}
}

// Editors keep the place of a link, and the mode as far as it is safe.
func TestEditKeepsLinkAndGroup(t *testing.T) {
	path := write(t, team)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link.toml")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := Remove(link, "ada"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, error %v", info, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("got %v, error %v, want mode 0640: read by the group, and nobody else", info.Mode(), err)
	}
}

// Whoever edits at the same time loses nothing.
func TestEditSeesOthers(t *testing.T) {
	path := write(t, team)
	s, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := Remove(path, "ada"); err != nil {
		t.Fatal(err)
	}
	text := read(t, path)
	if err := s.replace(path, team); err == nil || !strings.Contains(err.Error(), "meanwhile") {
		t.Errorf("got %v, want it to say that the file has changed meanwhile", err)
	}
	if read(t, path) != text {
		t.Error("the other one's change is lost")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := s.replace(path, team); err == nil {
		t.Error("a file that somebody removed came back")
	}
}
