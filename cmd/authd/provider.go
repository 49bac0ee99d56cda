package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/authd/authd/internal/catalog"
	"github.com/authd/authd/internal/config"
	"github.com/authd/authd/internal/host"
	"github.com/authd/authd/sdk"
)

func newProvider(a *app) *cobra.Command {
	return group("provider", "Look at the configured providers", "", newProviderList(a), newProviderCheck(a), newProviderRestart(a))
}

func newProviderList(a *app) *cobra.Command {
	var (
		path string
		as   format
	)
	c := &cobra.Command{
		Use:   "list",
		Short: "List the configured providers, and what keeps one from being available",
		Long: `List the configured providers, and what keeps one from being available. If an authd runs with this configuration and
its admin listener (server.admin_listen) answers, their state and problems are those of the running server.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.read(c.Context(), path)
			if err != nil {
				return err
			}
			a.warn(s.warnings)
			return as.write(a.out, providerTable(s, a.peek(c.Context(), s.config, "the configuration is")))
		},
	}
	configFlag(c, &path)
	formatFlag(c, &as)
	return c
}

// providerRow is one provider for programs.
type providerRow struct {
	ID          string   `json:"id"`
	Type        string   `json:"type"`
	Label       string   `json:"label"`
	Available   bool     `json:"available"`
	Required    bool     `json:"required"`
	Plugin      string   `json:"plugin"`
	From        string   `json:"from"`
	RedirectURI string   `json:"redirect_uri"`
	Problems    []string `json:"problems"`
	// Running is how it is in the running server; null when none has answered, or it has no such provider.
	Running *running `json:"running"`
}

// providerTable shows the providers of the configuration; as they are in the running server, if one has answered.
func providerTable(s *state, live []running) table {
	t := table{header: []string{"ID", "TYPE", "LABEL", "STATE", "PLUGIN", "FROM"}}
	rows := make([]providerRow, len(s.providers))
	for i, p := range s.providers {
		rows[i] = s.row(p, live)
		r := rows[i]
		state, problems := "available", r.Problems
		if len(problems) > 0 {
			state = "not available"
		}
		switch {
		case r.Running != nil:
			state, problems = r.Running.state(), r.Running.problems()
		case live != nil:
			state = "not in the server"
		}
		t.add(p.ID, []string{p.Type, p.Label, state, serving(s.plugins, p.Type).Name, p.Origin}, problems)
	}
	for _, r := range live {
		if !slices.ContainsFunc(s.providers, func(p config.Provider) bool { return p.ID == r.ID }) {
			rows = append(rows, providerRow{ID: r.ID, Type: r.Type, Label: r.Label, Available: r.Ready, Plugin: r.Path, From: fromServer, Problems: r.problems(), Running: &r})
			t.add(r.ID, []string{r.Type, r.Label, r.state(), r.Plugin, fromServer}, r.problems())
		}
	}
	t.value = rows
	return t
}

// fromServer is where a provider comes from that only the running server has: its environment is another.
const fromServer = "the server"

// add is a row of a table of providers. The problems come below it, without the name that they may begin with.
func (t *table) add(id string, cells, problems []string) {
	t.rows = append(t.rows, append([]string{id}, cells...))
	for _, problem := range problems {
		t.notes = append(t.notes, id+": "+strings.TrimPrefix(problem, "provider "+id+": "))
	}
}

// row is a provider for programs.
func (s *state) row(p config.Provider, live []running) providerRow {
	r := providerRow{
		ID: p.ID, Type: p.Type, Label: p.Label, Available: len(p.Problems) == 0, Required: p.Required, Plugin: serving(s.plugins, p.Type).Path,
		From: p.Origin, RedirectURI: s.redirectURI(p), Problems: make([]string, len(p.Problems)),
	}
	for i, d := range p.Problems {
		r.Problems[i] = d.String()
	}
	if i := slices.IndexFunc(live, func(one running) bool { return one.ID == p.ID }); i >= 0 {
		r.Running = &live[i]
	}
	return r
}

// redirectURI is what has to be registered at the identity provider.
func (s *state) redirectURI(p config.Provider) string {
	return s.config.Server.PublicURL + p.CallbackPath
}

func newProviderCheck(a *app) *cobra.Command {
	var (
		path string
		as   format
	)
	c := &cobra.Command{
		Use:   "check [ID]",
		Short: "Start providers for real and ask their identity providers",
		Long: `Start the plugin of each provider, or of the one named, give it its settings and let it ask its identity provider:
discovery, endpoints, credentials, clock. It also tells the redirect URI to register. The exit code is 1 when something
would keep people from signing in.`,
		Example: `  authd provider check
  authd provider check github --config /etc/authd/authd.toml`,
		Args: atMost("ID"),
		RunE: func(c *cobra.Command, args []string) error { return a.checkProviders(c.Context(), path, as, args) },
	}
	configFlag(c, &path)
	formatFlag(c, &as)
	return c
}

// finding is one line of "provider check".
type finding struct {
	Provider string `json:"provider"`
	Result   string `json:"result"` // ok, info, warning or error
	Finding  string `json:"finding"`
}

func (a *app) checkProviders(ctx context.Context, path string, as format, ids []string) error {
	s, err := a.read(ctx, path)
	if err != nil {
		return err
	}
	a.warn(s.warnings)
	chosen := s.providers
	if len(ids) > 0 {
		chosen = slices.DeleteFunc(slices.Clone(chosen), func(p config.Provider) bool { return p.ID != ids[0] })
		if len(chosen) == 0 {
			return usage(fmt.Errorf("provider %q is not configured; authd provider list shows those that are", ids[0]))
		}
	}
	if len(chosen) == 0 {
		return errors.New("no provider is configured; add a [[providers]] table, or set what a type requires in the environment (authd plugin describe TYPE)")
	}
	var findings []finding
	for _, p := range chosen {
		found, err := s.check(ctx, a.environ, p)
		if err != nil {
			return err
		}
		findings = append(findings, found...)
	}
	t := table{header: []string{"PROVIDER", "RESULT", "FINDING"}, value: findings}
	for _, f := range findings {
		t.rows = append(t.rows, []string{f.Provider, f.Result, f.Finding})
	}
	if err := as.write(a.out, t); err != nil {
		return err
	}
	bad := slices.ContainsFunc(findings, func(f finding) bool { return f.Result == "error" })
	if bad || ctx.Err() != nil {
		return errReported
	}
	return nil
}

// checkTime bounds the check of one provider; the calls in it have deadlines of their own.
const checkTime = 30 * time.Second

// check starts one provider and asks what it finds.
func (s *state) check(ctx context.Context, environ []string, p config.Provider) (findings []finding, err error) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	add := func(result, format string, args ...any) {
		findings = append(findings, finding{p.ID, result, oneLine(fmt.Sprintf(format, args...))})
	}
	add("info", "redirect URI to register: %s", s.redirectURI(p))
	for _, problem := range p.Problems {
		add("error", "%s", problem)
	}
	if len(p.Problems) > 0 {
		return findings, nil
	}

	settled := make(chan catalog.Status, 1)
	plugins, err := catalog.New(catalog.Config{
		Environ: environ, Providers: []catalog.ProviderConfig{s.start(p)}, Lock: placeOf(s.config).lock,
		Event: func(e catalog.Event) {
			if e.Status.State == catalog.StateStarting {
				return
			}
			select {
			case settled <- e.Status:
			default: // the first one counts
			}
		},
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, plugins.Stop(context.WithoutCancel(ctx))) }()
	plugins.Start(ctx)
	select {
	case status := <-settled:
		if status.State != catalog.StateReady {
			add("error", "%s", strings.TrimPrefix(status.Problem, "provider "+p.ID+": "))
			return findings, nil
		}
	case <-ctx.Done():
		add("error", "did not become ready: %v", ctx.Err())
		return findings, nil
	}
	running, err := plugins.Provider(p.ID)
	if err != nil {
		return nil, err
	}
	if configured, _ := running.Configured(); slices.Contains(configured.Capabilities, sdk.CapabilityPassword) {
		findings = nil // nobody is sent anywhere, so there is nothing to register
	}
	declared(running, add)
	probe(ctx, running, add)
	return findings, nil
}

// start is a provider as the catalog runs it.
func (s *state) start(p config.Provider) catalog.ProviderConfig {
	return catalog.ProviderConfig{
		ID: p.ID, Type: p.Type, Plugin: serving(s.plugins, p.Type).Plugin, Settings: p.Settings, Secrets: p.SecretValues,
		Scopes: p.Scopes, InsecureHTTP: p.InsecureHTTP, CAPEM: p.CAPEM, Sandbox: host.SandboxOf(s.config.Confinement(p)),
	}
}

// declared tells what the provider said when it got its settings.
func declared(p *catalog.Provider, add func(result, format string, args ...any)) {
	configured, _ := p.Configured()
	if configured.Issuer != "" {
		add("info", "issuer: %s", configured.Issuer)
	}
	if configured.AuthorizationEndpoint != "" {
		add("info", "authorization endpoint: %s", configured.AuthorizationEndpoint)
	}
	names := make([]string, len(configured.Capabilities))
	for i, c := range configured.Capabilities {
		names[i] = string(c)
	}
	if len(names) > 0 {
		add("info", "capabilities: %s", strings.Join(names, ", "))
	}
}

// probe lets the provider ask its identity provider.
func probe(ctx context.Context, p *catalog.Provider, add func(result, format string, args ...any)) {
	configured, _ := p.Configured()
	if !slices.Contains(configured.Capabilities, sdk.CapabilityCheck) {
		add("ok", "the settings were taken; this provider can't look further")
		return
	}
	found, err := p.Check(ctx)
	for _, d := range found {
		add(d.Severity.String(), "%s", d)
	}
	if err != nil {
		add("error", "%v", err)
	}
}
