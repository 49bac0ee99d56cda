// Package host is authd's process and its HTTP face: it composes the other packages and decides nothing itself. It
// is the only package that knows Fiber, whose strings are reused by the next request unless they are copied: the
// server runs with Immutable, and what is read as bytes is copied here.
//
//	host.go      the process: New, Start, Addr, Stop, Run
//	compose.go   configuration → parts           live.go    the parts that a reload replaces
//	attach.go    plugins that run by hand, for a debugger
//	routes.go    every route on one screen
//	guard.go     what is refused before anything else; same-origin
//	respond.go   pages, JSON, redirects, failures     errors.go  error → what people are told
package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/recover"
	"github.com/hashicorp/go-hclog"

	"github.com/authd/authd/internal/audit"
	"github.com/authd/authd/internal/catalog"
	"github.com/authd/authd/internal/config"
	"github.com/authd/authd/internal/keys"
	"github.com/authd/authd/internal/login"
	"github.com/authd/authd/internal/policy"
	"github.com/authd/authd/internal/session"
	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/internal/telemetry"
)

// Options are what a Server is made from.
type Options struct {
	// Config as loaded; required.
	Config *config.Config
	// Environ is the environment that providers' settings are read from, as os.Environ gives it.
	Environ []string
	// Log is the process's logger; required.
	Log hclog.Logger
	// Manager is the service manager that authd runs under; the zero value is none.
	Manager Manager
	// Load reads the configuration anew, for Reload; nil: Reload looks for plugins only.
	Load func() (*config.Config, error)
	// Watch reloads whenever the configuration or a plugin has changed on the disk.
	Watch bool
	// Drain is how long Stop goes on serving while it says that it is about to end; 0: it does not.
	Drain time.Duration
}

// Server is one authd.
type Server struct {
	cfg        *config.Config // as at the start; what a reload can change is read from live
	environ    []string
	log        hclog.Logger
	audit      *audit.Log
	metrics    *telemetry.Metrics
	publicURL  *url.URL
	https      bool
	cookieName string

	store    store.Store
	ring     *keys.Ring
	signer   *keys.Signer
	catalog  *catalog.Catalog
	lock     *catalog.Lock
	attached []catalog.Plugin     // run by hand, for a debugger
	manifest catalog.Manifests    // of the plugins that were asked
	plugins  ledger               // what was told of them
	inForce  atomic.Pointer[live] // read it with live
	flow     *login.Flow
	sessions *session.Manager

	load      func() (*config.Config, error) // :: nil: there is nothing to read again
	watches   bool
	reloading sync.Mutex // one Reload at a time

	limiter     limiter
	crossOrigin *http.CrossOriginProtection

	app           *fiber.App
	listener      net.Listener
	adminListener net.Listener // :: nil when there is none
	served        chan error
	draining      atomic.Bool
	manager       Manager
	drainTime     time.Duration
	closers       []func(context.Context) error // run in reverse by Stop
}

// How long connections may take (RFC 9112 section 9.8), how many there may be, and how large requests may be.
const (
	readTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second
	idleTimeout  = 60 * time.Second
	stopTimeout  = 15 * time.Second
	maxHeader    = 16 << 10
	maxBody      = 64 << 10
	// maxConns bounds the memory that idle connections take, some 25 KiB each. Who comes after that gets 503 at once.
	maxConns = 16 << 10
)

// New puts a server together and opens its store; Start starts it. When it fails nothing is left open.
func New(ctx context.Context, opt Options) (_ *Server, err error) {
	s := &Server{
		cfg: opt.Config, environ: opt.Environ, load: opt.Load, watches: opt.Watch,
		log: opt.Log, audit: audit.New(opt.Log), metrics: telemetry.New(),
		manager: opt.Manager, drainTime: opt.Drain, served: make(chan error, 2),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(ctx))
		}
	}()
	if err := s.compose(ctx, opt); err != nil {
		return nil, err
	}
	s.app = fiber.New(s.fiberConfig())
	s.app.Use(recover.New())
	s.routes(s.app)
	s.app.Server().Handler = s.parting(s.knownMethod(s.app.Server().Handler))
	return s, nil
}

// fiberConfig is that of both listeners.
func (s *Server) fiberConfig() fiber.Config {
	return fiber.Config{
		AppName: "authd", DisableStartupMessage: true, Immutable: true, CaseSensitive: true, StrictRouting: true,
		ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, ReadBufferSize: maxHeader, BodyLimit: maxBody,
		Concurrency: maxConns,
		// Envoy asks with the method of the browser, whatever that is.
		RequestMethods: policy.Methods(),
		ErrorHandler:   s.unhandled,
	}
}

// Start starts the plugins, which become ready by themselves, and listens.
func (s *Server) Start(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(ctx))
		}
	}()
	if s.listener, err = s.socket(s.manager.Listener, "server.listen", s.cfg.Server.Listen); err != nil {
		return err
	}
	s.catalog.Start(context.WithoutCancel(ctx))
	s.serve(s.app, s.listener)
	if err := s.startAdmin(); err != nil {
		return err
	}
	s.log.Info("authd is listening", "address", s.Addr(), "public_url", s.publicURL.String(), "providers", len(s.live().providers))
	s.startReports()
	if s.watches {
		return s.watch()
	}
	return nil
}

// serve serves app on l until Stop, which lets running requests end.
func (s *Server) serve(app *fiber.App, l net.Listener) {
	var serving sync.WaitGroup
	serving.Go(func() { s.served <- app.Listener(l) })
	s.closers = append(s.closers, func(ctx context.Context) error {
		err := s.letRequestsEnd(ctx, app)
		// Shutdown knows no listener that is not served yet, so it is closed in any case.
		if closeErr := l.Close(); !errors.Is(closeErr, net.ErrClosed) {
			err = errors.Join(err, closeErr)
		}
		serving.Wait()
		return err
	})
}

// listen opens host:port, or unix:/path with a socket that only authd's own user and group may use. name is the
// setting that holds the address.
func listen(name, address string) (net.Listener, error) {
	path, isUnix := strings.CutPrefix(address, "unix:")
	if !isUnix {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w; is another authd running there?", name, address, err)
		}
		return l, nil
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		if conn, err := net.Dial("unix", path); err == nil {
			return nil, errors.Join(fmt.Errorf("%s %s: another process serves this socket", name, address), conn.Close())
		}
		// Left behind by a process that was killed.
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", name, address, err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), l.Close())
	}
	return l, nil
}

// Addr is where the server listens, with the port it was given.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// AdminAddr is where the admin listener is; empty: there is none.
func (s *Server) AdminAddr() string {
	if s.adminListener == nil {
		return ""
	}
	return s.adminListener.Addr().String()
}

// URL is the public URL.
func (s *Server) URL() string { return s.publicURL.String() }

// Stop lets running requests end, then stops the plugins and closes the store, in the reverse order of starting. It
// takes at most fifteen seconds.
func (s *Server) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	s.drain(ctx)
	return s.close(ctx)
}

func (s *Server) close(ctx context.Context) error {
	var errs []error
	for len(s.closers) > 0 {
		last := len(s.closers) - 1
		errs = append(errs, s.closers[last](ctx))
		s.closers = s.closers[:last]
	}
	return errors.Join(errs...)
}

// Run starts the server and stops it when ctx ends.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Start(ctx); err != nil {
		return err
	}
	var failed error
	select {
	case <-ctx.Done():
		s.log.Info("authd is stopping")
	case failed = <-s.served:
	}
	return errors.Join(failed, s.Stop(context.WithoutCancel(ctx)))
}
