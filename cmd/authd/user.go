package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/authd/authd/sdk/userfile"
)

const (
	// defaultUsers is the file when no provider of the type users is configured.
	defaultUsers = "users.toml"
	usersType    = "users"
	// shortest is the least length of a password in characters, safer the one that NIST SP 800-63B-4 section 3.1.1.2
	// asks for where there is no second factor.
	shortest, safer = 8, 15
)

func newUser(a *app) *cobra.Command {
	return group("user", "Edit the file of people who sign in with a password that authd checks", "",
		newUserAdd(a), newUserPasswd(a), newUserRemove(a), newUserList(a))
}

// userFlags say which file is edited.
type userFlags struct{ config, file string }

func (f *userFlags) add(c *cobra.Command) {
	configFlag(c, &f.config)
	c.Flags().StringVarP(&f.file, "file", "f", "", "file with the users (default: that of the configured users provider, else "+defaultUsers+")")
}

// path finds the file.
func (f *userFlags) path(ctx context.Context, a *app) (string, error) {
	if f.file != "" {
		return f.file, nil
	}
	s, err := a.read(ctx, f.config)
	if err != nil {
		return "", err
	}
	var paths []string
	for _, p := range s.providers {
		if path := p.Settings["file"]; p.Type == usersType && path != "" {
			paths = append(paths, path)
		}
	}
	switch len(paths) {
	case 0:
		return defaultUsers, nil
	case 1:
		return paths[0], nil
	}
	return "", usage(fmt.Errorf("several users providers are configured; name the file with --file: %s", strings.Join(paths, ", ")))
}

const passwordHelp = `The password is asked for twice, or read from standard input with --password-stdin; it is never an argument, which
other people on the machine could see. It needs 8 characters; 15 or more are safer.`

func newUserAdd(a *app) *cobra.Command {
	var (
		at     userFlags
		asked  passwordSource
		person userfile.User
	)
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a person, and make the file if there is none",
		Long: `Add a person to the file, which is made with mode 0600 if there is none. Comments in it stay. A running authd reads it
again at the next login.

` + passwordHelp,
		Example: `  authd user add ada --name "Ada Lovelace" --email ada@example.org --verified --groups admins,staff`,
		Args:    exactly("NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			path, err := at.path(c.Context(), a)
			if err != nil {
				return err
			}
			person.Login, person.ID = userfile.Fold(args[0]), userfile.NewID()
			if err := userfile.CheckLogin(person.Login); err != nil {
				return usage(err)
			}
			made, err := newcomer(path, person.Login)
			if err != nil {
				return err
			}
			if person.Password, err = asked.hash(c, a, person.Login); err != nil {
				return err
			}
			if err := userfile.Add(path, person); err != nil {
				return err
			}
			if absolute, err := filepath.Abs(path); made && err == nil {
				a.say("to let the people in it sign in, set file of a users provider, or OAUTH_USERS_FILE, to %s", absolute)
			}
			return a.print("added %s to %s", person.Login, path)
		},
	}
	at.add(c)
	asked.add(c)
	c.Flags().StringVar(&person.Name, "name", "", "name for people")
	c.Flags().StringVar(&person.Email, "email", "", "e-mail address")
	c.Flags().BoolVar(&person.EmailVerified, "verified", false, "the address is known to be this person's, so rules may rely on it")
	c.Flags().StringSliceVar(&person.Groups, "groups", nil, "groups, with commas between")
	return c
}

// newcomer keeps people from typing a password for nothing; made says that there is no file yet.
func newcomer(path, login string) (made bool, err error) {
	s, err := userfile.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if _, ok := s.ByLogin(login); ok {
		return false, fmt.Errorf("%w: %s in %s; authd user passwd sets a new password", userfile.ErrUserExists, login, path)
	}
	return false, nil
}

func newUserPasswd(a *app) *cobra.Command {
	var (
		at    userFlags
		asked passwordSource
	)
	c := &cobra.Command{
		Use:   "passwd NAME",
		Short: "Set a new password",
		Long: `Set a new password. Whoever is signed in with the old one has to sign in again within ten minutes or so.

` + passwordHelp,
		Args: exactly("NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			path, err := at.path(c.Context(), a)
			if err != nil {
				return err
			}
			login := userfile.Fold(args[0])
			s, err := userfile.Read(path)
			if err != nil {
				return err
			}
			if _, ok := s.ByLogin(login); !ok {
				return noSuchUser(path, login)
			}
			p, err := asked.hash(c, a, login)
			if err != nil {
				return err
			}
			if err := userfile.SetPassword(path, login, p); err != nil {
				return err
			}
			return a.print("%s has a new password in %s", login, path)
		},
	}
	at.add(c)
	asked.add(c)
	return c
}

func noSuchUser(path, login string) error {
	return fmt.Errorf("%w: %s in %s; authd user list shows who is there", userfile.ErrNoUser, login, path)
}

func newUserRemove(a *app) *cobra.Command {
	var at userFlags
	c := &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a person",
		Long: `Remove a person. Their session ends within ten minutes or so; authd session revoke ends it at once. The name may be
given to somebody else, who is another person to authd and to applications that go by the subject.`,
		Args: exactly("NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			path, err := at.path(c.Context(), a)
			if err != nil {
				return err
			}
			login := userfile.Fold(args[0])
			err = userfile.Remove(path, login)
			if errors.Is(err, userfile.ErrNoUser) {
				return noSuchUser(path, login)
			}
			if err != nil {
				return err
			}
			return a.print("removed %s from %s", login, path)
		},
	}
	at.add(c)
	return c
}

// userRow is one person for programs; no hash is ever shown.
type userRow struct {
	User          string   `json:"user"`
	ID            string   `json:"id"`
	Name          string   `json:"name"`
	Email         string   `json:"email"`
	EmailVerified bool     `json:"email_verified"`
	Groups        []string `json:"groups"`
	Disabled      bool     `json:"disabled"`
}

func newUserList(a *app) *cobra.Command {
	var (
		at userFlags
		as format
	)
	c := &cobra.Command{
		Use:   "list",
		Short: "List the people in the file",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			path, err := at.path(c.Context(), a)
			if err != nil {
				return err
			}
			s, err := userfile.Read(path)
			if err != nil {
				return err
			}
			if s.Warning != "" {
				a.warn([]string{s.Warning})
			}
			return as.write(a.out, userTable(s.Users()))
		},
	}
	at.add(c)
	formatFlag(c, &as)
	return c
}

func userTable(people []userfile.User) table {
	t := table{header: []string{"USER", "NAME", "EMAIL", "VERIFIED", "GROUPS", "STATE"}}
	rows := make([]userRow, len(people))
	for i, u := range people {
		rows[i] = userRow{User: u.Login, ID: u.ID, Name: u.Name, Email: u.Email, EmailVerified: u.EmailVerified, Groups: append([]string{}, u.Groups...), Disabled: u.Disabled}
		state, verified := "active", ""
		if u.Disabled {
			state = "disabled"
		}
		if u.Email != "" {
			verified = map[bool]string{true: "yes", false: "no"}[u.EmailVerified]
		}
		t.rows = append(t.rows, []string{u.Login, u.Name, u.Email, verified, strings.Join(u.Groups, ", "), state})
	}
	t.value = rows
	return t
}

// print writes a line to standard output.
func (a *app) print(format string, args ...any) error {
	_, err := fmt.Fprintln(a.out, oneLine(fmt.Sprintf(format, args...)))
	return err
}

// passwordSource is where a password comes from.
type passwordSource struct{ stdin bool }

func (s *passwordSource) add(c *cobra.Command) {
	c.Flags().BoolVar(&s.stdin, "password-stdin", false, "read the password from the first line of standard input")
}

// hash asks for a password and hashes it.
func (s *passwordSource) hash(c *cobra.Command, a *app, login string) (userfile.Password, error) {
	plain, err := s.ask(c, a, login)
	if err != nil {
		return userfile.Password{}, err
	}
	if err := checkPassword(plain, login); err != nil {
		return userfile.Password{}, err
	}
	if utf8.RuneCountInString(plain) < safer {
		a.warn([]string{fmt.Sprintf("this password has fewer than %d characters; a longer one is safer", safer)})
	}
	return userfile.NewPassword(plain, userfile.Recommended())
}

func (s *passwordSource) ask(c *cobra.Command, a *app, login string) (string, error) {
	if s.stdin {
		line, err := bufio.NewReader(io.LimitReader(c.InOrStdin(), userfile.MaxPassword+2)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read the password from standard input: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	terminal, ok := c.InOrStdin().(*os.File)
	if !ok || !isTerminal(terminal) {
		return "", usage(errors.New("standard input is no terminal; give the password with --password-stdin"))
	}
	first, err := askHidden(c.Context(), terminal, a.errOut, "Password for "+login+": ")
	if err != nil {
		return "", err
	}
	again, err := askHidden(c.Context(), terminal, a.errOut, "Once more: ")
	if err != nil {
		return "", err
	}
	if first != again {
		return "", errors.New("the two passwords differ; nothing was changed")
	}
	return first, nil
}

// checkPassword refuses what is guessed first (NIST SP 800-63B-4 section 3.1.1.2). Nothing is asked of its composition.
func checkPassword(plain, login string) error {
	switch n := utf8.RuneCountInString(plain); {
	case !utf8.ValidString(plain):
		return errors.New("the password is not UTF-8")
	case n < shortest:
		return fmt.Errorf("the password has %d characters; use at least %d, better %d", n, shortest, safer)
	case len(plain) > userfile.MaxPassword:
		return fmt.Errorf("the password has more than %d bytes", userfile.MaxPassword)
	case strings.EqualFold(plain, login):
		return errors.New("the password is the user name; use another one")
	case strings.Count(plain, plain[:1]) == len(plain):
		return errors.New("the password is one character again and again; use another one")
	}
	return nil
}
