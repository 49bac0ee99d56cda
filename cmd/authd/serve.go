package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/authd/authd/internal/config"
	"github.com/authd/authd/internal/host"
)

func newServe(a *app) *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the server until it is told to stop",
		Long: `Run the server until SIGTERM or SIGINT. A changed configuration file and a changed plugin count at once, or after
SIGHUP. Everything can be set in the configuration file or in the environment; see "authd config schema" and "authd
config check". The log goes to standard error.`,
		Example: `  authd serve
  authd serve --config /etc/authd/authd.toml
  OAUTH_GITHUB_CLIENT_ID=… OAUTH_GITHUB_CLIENT_SECRET=… authd serve`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return stopped(c.Context(), a.serve(c.Context(), path)) },
	}
	configFlag(c, &path)
	return c
}

func (a *app) serve(ctx context.Context, path string) error {
	cfg, err := a.usable(path)
	if err != nil {
		return err
	}
	log := newLog(cfg.Log, a.errOut)
	if err := forbidCoreDumps(); err != nil {
		log.Warn("a crash may write secrets into a core dump", "cause", err.Error())
	}
	for _, warning := range slices.Concat(cfg.Warnings, cookieWarnings(cfg)) { // those about providers are the host's
		log.Warn(warning)
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	manager, err := serviceManager()
	if err != nil {
		return err
	}
	server, err := host.New(ctx, host.Options{
		Config: cfg, Environ: a.environ, Log: log, Manager: manager, Drain: drainTime,
		Load: func() (*config.Config, error) { return a.usable(path) }, Watch: true,
	})
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(a.environ, func(entry string) bool { return strings.HasPrefix(entry, "GOGC=") }) {
		// What is in use is little and what a login leaves behind is much: this halves the collector's share of the
		// CPU for some megabytes under load.
		debug.SetGCPercent(gcPercent)
	}
	defer settle(ctx, server, log)()
	defer reloadOn(ctx, hangups, server)()
	return server.Run(ctx)
}

// gcPercent is the GOGC of a server for whom nobody sets another.
const gcPercent = 200

// stopped makes it no failure that a server was told to stop before it had quite started.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// usable loads a configuration and refuses one that could not be run.
func (a *app) usable(path string) (*config.Config, error) {
	cfg, err := config.Load(path, a.environ)
	all := &config.Faults{}
	if errors.As(err, &all) {
		cfg = all.Config
	} else if err != nil {
		return nil, err
	}
	if !unreadable(all.List) { // else the rules would be those of the defaults
		all.Add(unsaid(all.List, ruleFaults(cfg))...)
	}
	if len(all.List) > 0 {
		return nil, all
	}
	return cfg, nil
}

func newLog(c config.Log, w io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{
		Name: "authd", Level: hclog.LevelFromString(c.Level), JSONFormat: c.Format == "json", Output: w,
	})
}

// forbidCoreDumps keeps a crash from writing the keys to a file.
func forbidCoreDumps() error {
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return fmt.Errorf("core dumps can't be forbidden: %w", err)
	}
	return nil
}

// reloadOn has the server reload at each SIGHUP, with which a service manager asks for it. The function that it returns
// ends that.
func reloadOn(ctx context.Context, hangups chan os.Signal, server *host.Server) (stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range hangups {
			_ = server.Reload(ctx) // what is wrong has been logged
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
		<-done
	}
}
