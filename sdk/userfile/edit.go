package userfile

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// ErrNoUser is returned for a name that is not in the file.
var ErrNoUser = errors.New("no such user")

// ErrUserExists is returned for a name that is in the file already.
var ErrUserExists = errors.New("user exists already")

// Add appends a person to the file at path, which it makes if there is none, with mode 0600.
func Add(path string, u User) error {
	if err := u.check(); err != nil {
		return err
	}
	return edit(path, true, func(text string, users map[string]User) (string, error) {
		if _, ok := users[u.Login]; ok {
			return "", fmt.Errorf("%w: %s in %s", ErrUserExists, u.Login, path)
		}
		users[u.Login] = u
		if text != "" {
			text = strings.TrimRight(text, "\n") + "\n\n"
		}
		return text + u.table(), nil
	})
}

// SetPassword replaces the password of a person.
func SetPassword(path, login string, p Password) error {
	return edit(path, false, func(text string, users map[string]User) (string, error) {
		u, ok := users[login]
		if !ok {
			return "", fmt.Errorf("%w: %s in %s", ErrNoUser, login, path)
		}
		u.Password = p
		users[login] = u
		lines := strings.SplitAfter(text, "\n")
		start, end := block(lines, login)
		for i := start; i < end; i++ {
			lines[i] = passwordLine.ReplaceAllLiteralString(lines[i], "password = "+quote(p.String()))
		}
		return strings.Join(lines, ""), nil
	})
}

// Remove takes a person out of the file.
func Remove(path, login string) error {
	return edit(path, false, func(text string, users map[string]User) (string, error) {
		if _, ok := users[login]; !ok {
			return "", fmt.Errorf("%w: %s in %s", ErrNoUser, login, path)
		}
		delete(users, login)
		lines := strings.SplitAfter(text, "\n")
		start, end := block(lines, login)
		if start > 0 && blank(lines[start-1]) && end < len(lines) && blank(lines[end]) {
			end++
		}
		return strings.Join(slices.Delete(lines, start, end), ""), nil
	})
}

// passwordLine is the key and its value; a comment after it stays.
var passwordLine = regexp.MustCompile(`\A\s*password\s*=\s*(?:"[^"]*"|'[^']*')`)

// block returns the lines of a person's table, from its head to its last key; none when the head is written otherwise.
// What stands in between and after it, such as comments, belongs to whoever wrote it.
func block(lines []string, login string) (start, end int) {
	name := regexp.QuoteMeta(login)
	head := regexp.MustCompile(`\A\s*\[\s*users\s*\.\s*(?:` + name + `|"` + name + `"|'` + name + `')\s*\]`)
	start = slices.IndexFunc(lines, head.MatchString)
	if start < 0 {
		return 0, 0
	}
	end = start + 1
	for i := end; i < len(lines) && !strings.HasPrefix(strings.TrimSpace(lines[i]), "["); i++ {
		if !blank(lines[i]) && !strings.HasPrefix(strings.TrimSpace(lines[i]), "#") {
			end = i + 1
		}
	}
	return start, end
}

func blank(line string) bool { return strings.TrimSpace(line) == "" }

// table is the person as they are written to a file.
func (u User) table() string {
	var b strings.Builder
	key := u.Login
	if strings.Contains(key, ".") {
		key = quote(key)
	}
	fmt.Fprintf(&b, "[users.%s]\nid = %s\npassword = %s\n", key, quote(u.ID), quote(u.Password.String()))
	if u.Name != "" {
		fmt.Fprintf(&b, "name = %s\n", quote(u.Name))
	}
	if u.Email != "" {
		fmt.Fprintf(&b, "email = %s\nemail_verified = %t\n", quote(u.Email), u.EmailVerified)
	}
	if len(u.Groups) > 0 {
		quoted := make([]string, len(u.Groups))
		for i, group := range u.Groups {
			quoted[i] = quote(group)
		}
		fmt.Fprintf(&b, "groups = [%s]\n", strings.Join(quoted, ", "))
	}
	if u.Disabled {
		b.WriteString("disabled = true\n")
	}
	return b.String()
}

// quote writes a printable text as a TOML string.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// edit changes the text of a file line by line, so that comments stay, and writes it only if it then says exactly what
// change made of users.
func edit(path string, create bool, change func(text string, users map[string]User) (string, error)) error {
	old := &Snapshot{File: &File{}}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
		if old, err = Read(path); err != nil {
			return err
		}
	} else if !create || !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s can't be read: %w", path, reason(err))
	}
	want := maps.Clone(old.users)
	if want == nil {
		want = map[string]User{}
	}
	text, err := change(string(old.text), want)
	if err != nil {
		return err
	}
	if now, err := Parse([]byte(text)); err != nil || !reflect.DeepEqual(now.users, want) {
		return fmt.Errorf("%s is written in a way that can't be changed without spoiling it; edit it by hand, or write each person as a table [users.NAME]", path)
	}
	return old.replace(path, text)
}

// replace puts a new file in the place of the one that was read, whole or not at all.
func (s *Snapshot) replace(path, text string) (err error) {
	mode := fs.FileMode(0o600)
	if s.Info != nil {
		mode |= s.Info.Mode().Perm() & 0o040 // authd may be in the group
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("%s can't be written: %w", path, reason(err))
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s can't be written: %w", path, errors.Join(reason(err), file.Close(), os.Remove(file.Name())))
		}
	}()
	if err := s.own(file); err != nil {
		return err
	}
	if err := file.Chmod(mode); err != nil {
		return err
	}
	if _, err := file.WriteString(text); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	now, err := os.Stat(path)
	if s.Info == nil && err == nil || s.Info != nil && (err != nil || !s.Same(now)) {
		return errors.New("somebody else has changed it meanwhile; try again")
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	return file.Close()
}
