package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/authd/authd/internal/config"
)

// running is a provider as a running server describes it. For programs it is all that the server says, whatever that
// is; here is the part that people are shown.
type running struct {
	all json.RawMessage

	ID               string    `json:"id"`
	Type             string    `json:"type"`
	Label            string    `json:"label"`
	Plugin           string    `json:"plugin"`
	Path             string    `json:"path"`
	State            string    `json:"state"`
	Ready            bool      `json:"ready"`
	Degraded         bool      `json:"degraded"`
	Problem          string    `json:"problem"`
	CandidateProblem string    `json:"candidate_problem"`
	CandidateFails   int       `json:"candidate_failures"`
	BreakerOpenUntil time.Time `json:"breaker_open_until"`
	Since            time.Time `json:"since"`
	PID              int       `json:"pid"`
	Restarts         int       `json:"restarts"`
	Sandbox          string    `json:"sandbox"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *running) UnmarshalJSON(text []byte) error {
	type fields running
	if err := json.Unmarshal(text, (*fields)(r)); err != nil {
		return err
	}
	r.all = bytes.Clone(text)
	return nil
}

// MarshalJSON implements json.Marshaler.
func (r running) MarshalJSON() ([]byte, error) { return r.all, nil }

// state is how it is, in a few words.
func (r running) state() string {
	words := []string{r.State}
	if r.Degraded {
		words = append(words, "degraded")
	}
	if !r.BreakerOpenUntil.IsZero() {
		words = append(words, "calls refused")
	}
	return strings.Join(words, ", ")
}

// problems are what is wrong with it, and with what was to take its place.
func (r running) problems() []string {
	if r.Degraded {
		return append([]string{r.CandidateProblem}, nonEmpty(r.Problem)...)
	}
	return append([]string{}, nonEmpty(r.Problem)...)
}

// peekTime bounds the question to a server that need not be there.
const peekTime = 3 * time.Second

// peek returns the providers of the server that runs with this configuration; never nil, unless none answers. That is
// no error: one line on standard error says why only known is shown.
func (a *app) peek(ctx context.Context, cfg *config.Config, known string) []running {
	ctx, cancel := context.WithTimeout(ctx, peekTime)
	defer cancel()
	list := []running{}
	server, err := adminOf(cfg)
	if err == nil {
		err = server.call(ctx, http.MethodGet, "/admin/providers", &list)
	}
	if err != nil {
		a.say("note: only %s shown, nothing of a running server: %s", known, oneLine(err.Error()))
		return nil
	}
	return list
}

// writeRunning shows the providers of a running server, and below them what is wrong, since that takes sentences.
func (a *app) writeRunning(list []running) error {
	t := table{header: []string{"PROVIDER", "PLUGIN", "STATE", "FOR", "PID", "RESTARTS", "SANDBOX"}}
	for _, r := range list {
		pid := ""
		if r.PID != 0 {
			pid = strconv.Itoa(r.PID)
		}
		t.add(r.ID, []string{r.Plugin, r.state(), age(time.Since(r.Since)), pid, strconv.Itoa(r.Restarts), r.Sandbox}, r.problems())
	}
	if _, err := fmt.Fprintln(a.out); err != nil {
		return err
	}
	return format("text").write(a.out, t)
}

// age is a duration in its largest unit.
func age(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= day:
		return strconv.Itoa(int(d/day)) + "d"
	case d >= time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	case d >= time.Minute:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	}
	return strconv.Itoa(max(0, int(d/time.Second))) + "s"
}

func newProviderRestart(a *app) *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "restart ID",
		Short: "Have a running authd replace a provider's process",
		Long: `Have a running authd start another process of a provider, with the same plugin and configuration. It takes over once it
is ready, so no sign-in fails. This also ends a quarantine and a wait between attempts. The exit code is 1 when the new
process can't serve; what served before then goes on.`,
		Example: `  authd provider restart github`,
		Args:    exactly("ID"),
		RunE:    func(c *cobra.Command, args []string) error { return a.restartProvider(c.Context(), path, args[0]) },
	}
	configFlag(c, &path)
	return c
}

// restartTime is how long the outcome of a restart is waited for, askEvery how often the server is asked.
const (
	restartTime = 30 * time.Second
	askEvery    = 100 * time.Millisecond
)

func (a *app) restartProvider(ctx context.Context, path, id string) error {
	server, err := a.admin(path)
	if err != nil {
		return err
	}
	var before running
	if err := server.call(ctx, http.MethodPost, "/admin/providers/"+url.PathEscape(id)+"/restart", &before); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, restartTime)
	defer cancel()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		var list []running
		if err := server.call(ctx, http.MethodGet, "/admin/providers", &list); err != nil && ctx.Err() == nil {
			return err
		}
		for _, now := range list {
			if done, err := now.since(before); now.ID == id && (done || err != nil) {
				if err == nil {
					_, err = fmt.Fprintf(a.out, "provider %s: process %d serves\n", id, now.PID)
				}
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("provider %s: no new process is ready yet; authd provider list shows how it goes", id)
		}
	}
}

// since tells whether a restart has come to its end: with another process, or with an error.
func (r running) since(before running) (done bool, err error) {
	switch {
	case r.Ready && r.PID != before.PID:
		return true, nil
	case r.CandidateFails > before.CandidateFails:
		return true, errors.New(r.CandidateProblem)
	case r.State == "starting": // its problem is still the one before
		return false, nil
	case !r.Ready && r.Problem != "" && r.Since.After(before.Since):
		return true, errors.New(r.Problem)
	}
	return false, nil
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
	return adminOf(cfg)
}

// adminOf is a client of the server that runs with this configuration.
func adminOf(cfg *config.Config) (*admin, error) {
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
