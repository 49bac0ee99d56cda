package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/authd/authd/internal/config"
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
		Use:   "list",
		Short: "Show who is signed in",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return a.sessionList(c.Context(), path, user, as) },
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
		Use:   "revoke [HANDLE]",
		Short: "End a session, all of a user, or all",
		Args:  cobra.MaximumNArgs(1),
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
	_, err = fmt.Fprintf(a.out, "%d sessions ended\n", done.Revoked)
	return err
}

// adminTimeout bounds a call to the admin listener.
const adminTimeout = 10 * time.Second

// admin is a client of a running authd's admin listener.
type admin struct {
	listen, token string
	client        *http.Client
}

func (a *app) admin(path string) (*admin, error) {
	cfg, err := config.Load(path, a.environ)
	if err != nil {
		return nil, err
	}
	if cfg.Server.AdminListen == "" {
		return nil, errors.New("server.admin_listen is empty, so there is no way to ask the server; set it to a unix socket such as unix:/run/authd/admin.sock")
	}
	s := &admin{listen: cfg.Server.AdminListen, token: cfg.Admin.Token}
	s.client = &http.Client{Timeout: adminTimeout, Transport: dialer(s.listen)}
	return s, nil
}

// dialer is a transport to one listener, whatever host the request names.
func dialer(listen string) *http.Transport {
	network, address := "tcp", listen
	if socket, ok := strings.CutPrefix(listen, "unix:"); ok {
		network, address = "unix", socket
	}
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}}
}

// call makes one request and reads the JSON of the answer into out.
func (s *admin) call(ctx context.Context, method, target string, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://authd"+target, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("no authd answers at %s: %w; is it running with this configuration?", s.listen, errors.Unwrap(err))
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return fmt.Errorf("the admin listener broke off: %w", err)
	}
	if res.StatusCode == http.StatusOK {
		return json.Unmarshal(body, out)
	}
	var refusal struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &refusal) != nil || refusal.Message == "" {
		refusal.Message = res.Status
	}
	return fmt.Errorf("%s refused: %s", s.listen, refusal.Message)
}
