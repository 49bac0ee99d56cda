package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/authd/authd/internal/config"
	"github.com/authd/authd/internal/host"
	"github.com/authd/authd/internal/keys"
	"github.com/authd/authd/internal/web"
	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
)

// Where the demo listens if nobody else does.
const (
	demoAddr   = "127.0.0.1:4180"
	sampleAddr = "127.0.0.1:4182"
)

// demoStopTime bounds each step of the way out.
const demoStopTime = 10 * time.Second

func newDemo(a *app) *cobra.Command {
	var dirs []string
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run the whole thing on loopback with made-up users: no account anywhere",
		Long: `Run the whole thing on loopback with no account anywhere: an identity provider with three made-up users, authd with
its plugins, and a sample page that only signed-in people see. Nothing is kept; no configuration is read.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return stopped(c.Context(), a.demo(c.Context(), dirs)) },
	}
	c.Flags().StringArrayVar(&dirs, "plugins-dir", nil, "directory of plugins (default: plugins beside the program, or here)")
	return c
}

// demo runs until ctx ends. What it has started it stops in the reverse order.
func (a *app) demo(ctx context.Context, dirs []string) (err error) {
	if len(dirs) == 0 {
		dirs = besideProgram()
	}
	plugins := survey(ctx, place{dirs: dirs})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if serving(plugins, "oidc").manifest == nil {
		for _, f := range plugins {
			a.say("plugin %s: %s", f.Path, oneLine(f.problem))
		}
		return fmt.Errorf("no plugin in %v serves type oidc, which the demo needs; build it with make build, or name its directory with --plugins-dir", dirs)
	}
	idp, err := devidp.Start(devidp.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, idp.Close()) }()

	samples, err := listen(sampleAddr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ignoreClosed(samples.Close())) }()
	sampleURL := "http://" + samples.Addr().String()
	addr, err := free(demoAddr)
	if err != nil {
		return err
	}
	cfg := demoConfig(addr, sampleURL, dirs, demoProviders(idp.URL(), plugins))
	if err := cfg.Validate(); err != nil {
		return err
	}
	server, err := host.New(ctx, host.Options{Config: cfg, Log: newLog(cfg.Log, a.errOut)})
	if err != nil {
		return err
	}
	if err := server.Start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopWithin(ctx, server.Stop)) }()
	if err := server.WaitReady(ctx); err != nil {
		return err
	}
	return a.serveSample(ctx, samples, cfg.Server.PublicURL, sampleURL)
}

// serveSample serves the page that only signed-in people see.
func (a *app) serveSample(ctx context.Context, l net.Listener, authURL, sampleURL string) error {
	pages, err := web.New(web.Site{ProductName: "Sample page"})
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           &sample{authURL: authURL, ownURL: sampleURL, pages: pages, client: checkClient()},
		ReadHeaderTimeout: 5 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	_, err = fmt.Fprintf(a.out, "\nThe demo runs. Open this page, which asks you to sign in as one of three made-up people:\n\n    %s/\n\nStop it with Ctrl-C.\n\n", sampleURL)
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-served:
			return err
		}
	}
	err = errors.Join(err, stopWithin(ctx, server.Shutdown))
	if failed := <-served; !errors.Is(failed, http.ErrServerClosed) {
		err = errors.Join(err, failed)
	}
	return err
}

// demoConfig is an authd that keeps nothing and lets people go back to the sample page.
func demoConfig(addr, sampleURL string, dirs []string, providers []config.ProviderTable) *config.Config {
	c := config.Default()
	c.Server.Listen, c.Server.PublicURL, c.Server.AdminListen, c.Server.PluginsDir = addr, "http://"+addr, "", dirs
	c.Server.TrustedProxies = []string{"127.0.0.1"} // the sample page, which asks as a proxy does
	c.Store.URL, c.Session.Secret = "memory:", []string{keys.NewSecret()}
	c.Login.Title = "Sign in to the demo"
	c.Login.ReturnToAllow = []string{sampleURL}
	c.Log.Level = "warn"
	c.Providers = providers
	return c
}

// demoProviders are the providers against the identity provider at url, for which there are plugins.
func demoProviders(url string, plugins []found) []config.ProviderTable {
	client := devidp.DefaultClients()[0]
	providers := []config.ProviderTable{{
		ID: "demo", Type: "oidc", Label: "Demo Identity", Scopes: []string{"openid", "profile", "email", "groups"}, Required: true,
		Settings: map[string]string{"issuer": url, "client_id": client.ID, "client_secret": client.Secret},
	}}
	github := map[string]string{
		"auth_url": url + "/login/oauth/authorize", "token_url": url + "/login/oauth/access_token", "user_info_url": url + "/user",
		"client_id": client.ID, "client_secret": client.Secret,
	}
	for _, t := range serving(plugins, "github").types() {
		if t.Name == "github" && declares(t, github) {
			providers = append(providers, config.ProviderTable{ID: "demo-github", Type: "github", Label: "Demo GitHub", Settings: github})
		}
	}
	return providers
}

func declares(t sdk.Type, settings map[string]string) bool {
	for name := range settings {
		if !slices.ContainsFunc(t.Settings, func(s sdk.Setting) bool { return s.Name == name }) {
			return false
		}
	}
	return true
}

// besideProgram is where make build puts the plugins: plugins beside the program, else plugins in the working directory.
func besideProgram() []string {
	if program, err := os.Executable(); err == nil {
		dir := filepath.Join(filepath.Dir(program), "plugins")
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return []string{dir}
		}
	}
	return []string{"plugins"}
}

// listen opens addr, or if that is taken a free port.
func listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return nil, fmt.Errorf("no free port on loopback: %w", err)
	}
	return l, nil
}

// free finds an address to listen on: authd must know its public URL before it listens.
func free(addr string) (string, error) {
	l, err := listen(addr)
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// stopWithin stops something although ctx has ended.
func stopWithin(ctx context.Context, stop func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), demoStopTime)
	defer cancel()
	return stop(ctx)
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
