package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

func newSession(a *app) *cobra.Command {
	return group("session", "List and end sessions of a running authd",
		`List and end sessions of a running authd, through its admin listener (server.admin_listen). That is a unix socket, or an
address together with admin.token; both are read from the configuration.`,
		newSessionList(a), newSessionRevoke(a))
}

func newSessionList(a *app) *cobra.Command {
	var (
		path, user string
		as         format
	)
	c := &cobra.Command{
		Use:     "list",
		Short:   "Show who is signed in",
		Example: `  authd session list --user ada@example.org`,
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.sessionList(c.Context(), path, user, as) },
	}
	configFlag(c, &path)
	formatFlag(c, &as)
	c.Flags().StringVar(&user, "user", "", "only those of this subject, identifier or verified e-mail address")
	return c
}

func newSessionRevoke(a *app) *cobra.Command {
	var (
		path, user string
		all        bool
	)
	c := &cobra.Command{
		Use:     "revoke [HANDLE]",
		Short:   "End a session, all of a user, or all",
		Example: `  authd session revoke --user ada@example.org`,
		Args:    atMost("HANDLE"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.sessionRevoke(c.Context(), path, revocation{handles: args, user: user, all: all})
		},
	}
	configFlag(c, &path)
	c.Flags().StringVar(&user, "user", "", "all of this subject, identifier or verified e-mail address")
	c.Flags().BoolVar(&all, "all", false, "all sessions there are")
	return c
}

func (a *app) sessionList(ctx context.Context, path, user string, as format) error {
	admin, err := a.admin(path)
	if err != nil {
		return err
	}
	target := "/admin/sessions"
	if user != "" {
		target += "?" + url.Values{"user": {user}}.Encode()
	}
	var list []struct {
		Handle     string    `json:"handle"`
		Subject    string    `json:"sub"`
		Identifier string    `json:"identifier"`
		Provider   string    `json:"provider"`
		Address    string    `json:"address"`
		CreatedAt  time.Time `json:"created_at"`
		LastSeen   time.Time `json:"last_seen"`
		ExpiresAt  time.Time `json:"expires_at"`
	}
	if err := admin.call(ctx, http.MethodGet, target, &list); err != nil {
		return err
	}
	t := table{header: []string{"HANDLE", "USER", "SUBJECT", "PROVIDER", "ADDRESS", "SIGNED IN", "LAST SEEN"}, value: list}
	for _, s := range list {
		t.rows = append(t.rows, []string{
			s.Handle, s.Identifier, s.Subject, s.Provider, s.Address, s.CreatedAt.Format(time.RFC3339), s.LastSeen.Format(time.RFC3339),
		})
	}
	return as.write(a.out, t)
}

// revocation says which sessions are to end; just one of its fields is set.
type revocation struct {
	handles []string
	user    string
	all     bool
}

func (r revocation) target() (string, error) {
	switch {
	case len(r.handles) == 1 && r.user == "" && !r.all:
		return "/admin/sessions/" + url.PathEscape(r.handles[0]), nil
	case len(r.handles) == 0 && r.user != "" && !r.all:
		return "/admin/sessions?" + url.Values{"user": {r.user}}.Encode(), nil
	case len(r.handles) == 0 && r.user == "" && r.all:
		return "/admin/sessions?all=true", nil
	}
	return "", usage(errors.New("say which: a handle as \"authd session list\" prints it, --user, or --all"))
}

func (a *app) sessionRevoke(ctx context.Context, path string, r revocation) error {
	target, err := r.target()
	if err != nil {
		return err
	}
	admin, err := a.admin(path)
	if err != nil {
		return err
	}
	var done struct {
		Revoked int `json:"revoked"`
	}
	if err := admin.call(ctx, http.MethodDelete, target, &done); err != nil {
		return err
	}
	noun := "sessions"
	if done.Revoked == 1 {
		noun = "session"
	}
	_, err = fmt.Fprintf(a.out, "%d %s ended\n", done.Revoked, noun)
	return err
}
