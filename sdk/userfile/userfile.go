package userfile

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
)

// maxFile bounds the file: some ten thousand people.
const maxFile = 4 << 20

// User is one person of the file.
type User struct {
	// Login is the name that they type.
	Login string
	// ID is who they are: stable, random, unique in the file.
	ID string
	// Password is the hash of theirs.
	Password Password
	// Name, Email and Groups are for applications. An address counts as verified only if the file says so.
	Name, Email   string
	EmailVerified bool
	Groups        []string
	// Disabled people can't sign in.
	Disabled bool
}

// NewID returns a fresh random id.
func NewID() string { return strings.ToLower(rand.Text()) }

// Fold returns a typed name as it stands in a file: without white space around it, in lower case.
func Fold(typed string) string { return strings.ToLower(strings.TrimSpace(typed)) }

// loginName has no @: a name that looks like an address would pass for a verified one.
var loginName = regexp.MustCompile(`\A[a-z0-9][a-z0-9._-]{0,63}\z`)

// CheckLogin tells what is wrong with a name to sign in with; nil: nothing.
func CheckLogin(login string) error {
	if !loginName.MatchString(login) {
		return fmt.Errorf("%.80q can't be a user name; use up to 64 of a-z, 0-9, . _ and -, beginning with a letter or digit", login)
	}
	return nil
}

// File is what a file holds.
type File struct {
	users map[string]User   // :: login → user
	ids   map[string]string // :: id → login
}

// Users returns everybody, in the order of their names.
func (f *File) Users() []User {
	list := make([]User, 0, len(f.users))
	for _, login := range slices.Sorted(maps.Keys(f.users)) {
		list = append(list, f.users[login])
	}
	return list
}

// ByLogin finds a person by the name that they type, as [Fold] gives it.
func (f *File) ByLogin(login string) (User, bool) {
	u, ok := f.users[login]
	return u, ok
}

// ByID finds a person by their id.
func (f *File) ByID(id string) (User, bool) { return f.ByLogin(f.ids[id]) }

// entry is a user as TOML has it.
type entry struct {
	ID            string   `toml:"id"`
	Password      string   `toml:"password"`
	Name          string   `toml:"name"`
	Email         string   `toml:"email"`
	EmailVerified bool     `toml:"email_verified"`
	Groups        []string `toml:"groups"`
	Disabled      bool     `toml:"disabled"`
}

// Parse reads a file's text. The error names everything that is wrong, with the user at fault, and repeats no hash.
func Parse(text []byte) (*File, error) {
	var document struct {
		Users map[string]entry `toml:"users"`
	}
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&document); err != nil {
		return nil, syntax(err)
	}
	f := &File{users: map[string]User{}, ids: map[string]string{}}
	var faults []error
	for _, login := range slices.Sorted(maps.Keys(document.Users)) {
		u, err := document.Users[login].user(login)
		if other, twice := f.ids[u.ID]; err == nil && twice {
			err = fmt.Errorf("has the id of %s; give each person an id of their own", other)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("users.%s: %w", login, err))
			continue
		}
		f.users[login], f.ids[u.ID] = u, login
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return f, nil
}

// syntax is an error of the TOML decoder without the lines around it, which may hold hashes.
func syntax(err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		line, _ := unknown.Errors[0].Position()
		return fmt.Errorf("line %d: %s is not a key of a user; the keys are id, password, name, email, email_verified, groups and disabled", line, strings.Join(unknown.Errors[0].Key(), "."))
	}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		line, _ := decode.Position()
		return fmt.Errorf("line %d is not as TOML or a user wants it; write tables like [users.ada] with text in quotes", line)
	}
	return errors.New("is no TOML")
}

func (e entry) user(login string) (User, error) {
	u := User{Login: login, ID: e.ID, Name: e.Name, Email: e.Email, EmailVerified: e.EmailVerified, Groups: e.Groups, Disabled: e.Disabled}
	if err := u.check(); err != nil {
		return u, err
	}
	var err error
	if u.Password, err = ParsePassword(e.Password); err != nil {
		return u, fmt.Errorf("password %w", err)
	}
	return u, nil
}

// check looks at everything but the password.
func (u User) check() error {
	if err := CheckLogin(u.Login); err != nil {
		return err
	}
	switch {
	case u.ID == "":
		return errors.New("id is not set; write a random text that nobody else ever had")
	case strings.ContainsRune(u.ID, '@') || len(u.ID) > 64 || !printable(u.ID):
		return errors.New("id is not usable; write up to 64 printable characters, no e-mail address")
	case u.Email != "" && (strings.Count(u.Email, "@") != 1 || strings.HasPrefix(u.Email, "@") || strings.HasSuffix(u.Email, "@") || strings.ContainsAny(u.Email, " \t") || !printable(u.Email)):
		return errors.New("email is no e-mail address; write it like ada@example.org")
	case u.EmailVerified && u.Email == "":
		return errors.New("email_verified is true without an email")
	case !printable(u.Name):
		return errors.New("name is not printable, or longer than 256 bytes")
	}
	for _, group := range u.Groups {
		if group == "" || !printable(group) {
			return errors.New("groups has an element that is empty, not printable or longer than 256 bytes")
		}
	}
	return nil
}

func printable(s string) bool {
	return len(s) <= 256 && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// Snapshot is a file at one moment.
type Snapshot struct {
	*File
	// Info is of the file that was read.
	Info fs.FileInfo
	// Warning is for the operator; empty: there is none.
	Warning string

	text []byte
}

// Same reports whether info is of the very file that was read, unchanged.
func (s *Snapshot) Same(info fs.FileInfo) bool { return SameFile(s.Info, info) }

// SameFile reports whether two looks at a path saw the same file with the same content, as far as its inode, size and
// time of change tell.
func SameFile(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

// Read reads the file at path. It refuses one that others may write to: they could make themselves a user.
func Read(path string) (*Snapshot, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path) // to open a pipe would wait for its other end
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s can't be read: %w", path, reason(err))
	}
	defer file.Close()
	s := &Snapshot{}
	if s.Info, err = file.Stat(); err != nil {
		return nil, fmt.Errorf("%s can't be read: %w", path, reason(err))
	}
	switch mode := s.Info.Mode().Perm(); {
	case mode&0o022 != 0:
		return nil, fmt.Errorf("%s may be written by others (%v), who could let themselves in; run chmod go-w %s", path, mode, path)
	case mode&0o004 != 0:
		s.Warning = fmt.Sprintf("%s can be read by everybody on this machine, who may try to guess the passwords; run chmod o-r %s", path, path)
	}
	if s.text, err = io.ReadAll(io.LimitReader(file, maxFile+1)); err != nil {
		return nil, fmt.Errorf("%s can't be read: %w", path, reason(err))
	}
	if len(s.text) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d MiB", path, maxFile>>20)
	}
	if s.File, err = Parse(s.text); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// reason cuts an error of package os down to its cause: the path is in the message already.
func reason(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	return err
}
