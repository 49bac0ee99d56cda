package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
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
		Long: `Run the server until SIGTERM or SIGINT. Everything can be set in the configuration file or in the environment; see
"authd config schema" and "authd config check". The log goes to standard error.`,
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
	for _, warning := range cfg.Warnings {
		log.Warn(warning)
	}
	defer ignoreHangup(log)()
	manager, err := serviceManager()
	if err != nil {
		return err
	}
	server, err := host.New(ctx, host.Options{Config: cfg, Environ: a.environ, Log: log, Manager: manager, Drain: drainTime})
	if err != nil {
		return err
	}
	return server.Run(ctx)
}

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
	if err != nil {
		return nil, err
	}
	if faults := ruleFaults(cfg); len(faults) > 0 {
		return nil, &config.Faults{List: faults}
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

// ignoreHangup keeps SIGHUP, with which a service manager asks for a reload, from ending the process without a word.
// The function that it returns ends that.
func ignoreHangup(log hclog.Logger) (stop func()) {
	hangups, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		defer close(done)
		for range hangups {
			log.Warn("SIGHUP is ignored: a changed configuration is read at the next start; restart authd")
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
		<-done
	}
}
