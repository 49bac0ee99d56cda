package catalog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/semaphore"
)

// Config is what a Catalog is made from.
type Config struct {
	// Providers in the order in which they are to be shown.
	Providers []ProviderConfig
	// SocketDir is where the directory for the plugins' sockets is made; it is created (0700) if missing. Empty:
	// $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR or the system's temporary directory, whichever is usable first.
	SocketDir string
	// Environ is authd's environment, of which plugins see a few names only; nil: os.Environ().
	Environ []string
	// Log gets what the plugins log and what becomes of them; nil: nothing is logged.
	Log hclog.Logger
	// Event is told of every change of a provider's state, one at a time per provider. It must not block nor call
	// the Catalog. nil: nobody is told.
	Event func(Event)
	// HealthInterval is how often each process is asked whether it is well; zero: 10 s.
	HealthInterval time.Duration
	// RestartBackoff is the longest wait before the second restart in a row (the first is immediate); it doubles
	// with each further one up to MaxRestartBackoff. Zero: 100 ms and 30 s.
	RestartBackoff, MaxRestartBackoff time.Duration

	timing timing // zero values: as in defaults
}

// ProviderConfig is one configured provider.
type ProviderConfig struct {
	// ID as in URLs, and the Type that the plugin is to be configured as.
	ID, Type string
	// Plugin that serves the type. One without a path, or that is refused, is never started.
	Plugin Plugin
	// Settings by name; defaults need not be filled in.
	Settings map[string]string
	// Secrets are the values among the settings that must not appear in logs.
	Secrets []string
	// Scopes to ask for; nil: the type's.
	Scopes []string
	// InsecureHTTP allows http endpoints off the loopback.
	InsecureHTTP bool
	// CAPEM holds further certificate authorities for the identity provider, in PEM.
	CAPEM []byte
	// Required is for the caller to read back: whether authd counts as ready without this provider.
	Required bool
	// Env is set in the process's environment besides the little that is inherited.
	Env map[string]string
	// Problem is a fault of the configuration that was found before: a sentence with its mend. Such a provider is
	// never started and shows it. Empty: none.
	Problem string
}

// Event is a change of a provider's state.
type Event struct {
	// Provider is its id, Plugin the path of its executable.
	Provider, Plugin string
	// Status from now on.
	Status Status
}

// timing holds every span of time that this package waits for.
type timing struct {
	start         time.Duration // for the handshake
	describe      time.Duration // deadlines of calls
	configure     time.Duration
	authorize     time.Duration
	call          time.Duration
	wait          time.Duration // a caller waits for a process that is starting
	drain         time.Duration // calls in flight may take to end when stopping
	stop          time.Duration // a process may take to shut down
	quit          time.Duration // and to print its stacks
	healthTimeout time.Duration
	reset         time.Duration // ready for so long, earlier failures are forgotten

	healthInterval, backoff, backoffMax time.Duration
}

// or fills in what is zero.
func (t timing) or(d timing) timing {
	for _, span := range []struct{ to, from *time.Duration }{
		{&t.start, &d.start},
		{&t.describe, &d.describe},
		{&t.configure, &d.configure},
		{&t.authorize, &d.authorize},
		{&t.call, &d.call},
		{&t.wait, &d.wait},
		{&t.drain, &d.drain},
		{&t.stop, &d.stop},
		{&t.quit, &d.quit},
		{&t.healthTimeout, &d.healthTimeout},
		{&t.reset, &d.reset},
		{&t.healthInterval, &d.healthInterval},
		{&t.backoff, &d.backoff},
		{&t.backoffMax, &d.backoffMax},
	} {
		if *span.to == 0 {
			*span.to = *span.from
		}
	}
	return t
}

func defaults() timing {
	return timing{
		start: 5 * time.Second, describe: 2 * time.Second, configure: 10 * time.Second, authorize: 2 * time.Second,
		call: 10 * time.Second, wait: 2 * time.Second, drain: 2 * time.Second, stop: 2 * time.Second, quit: time.Second,
		healthTimeout: 2 * time.Second, reset: time.Minute,
		healthInterval: 10 * time.Second, backoff: 100 * time.Millisecond, backoffMax: 30 * time.Second,
	}
}

// stopMax bounds Stop: draining, shutting down and killing all in parallel.
const stopMax = 5 * time.Second

// Catalog keeps the processes of all configured providers.
type Catalog struct {
	launcher  launcher
	providers []*Provider
	byID      map[string]*Provider

	mu      sync.Mutex
	started bool
	stopped bool
	done    chan struct{} // closed when Stop has finished
	result  error         // of Stop; read after done
}

// New checks the configuration and prepares the directory for sockets. Nothing runs before Start; Stop must be
// called in any case.
func New(cfg Config) (*Catalog, error) {
	if cfg.Environ == nil {
		cfg.Environ = os.Environ()
	}
	if cfg.Log == nil {
		cfg.Log = hclog.NewNullLogger()
	}
	if cfg.Event == nil {
		cfg.Event = func(Event) {}
	}
	cfg.timing.healthInterval, cfg.timing.backoff, cfg.timing.backoffMax = cfg.HealthInterval, cfg.RestartBackoff, cfg.MaxRestartBackoff
	c := &Catalog{byID: map[string]*Provider{}, done: make(chan struct{})}
	c.launcher = launcher{environ: cfg.Environ, timing: cfg.timing.or(defaults())}
	// Each start costs a core for some milliseconds; more at once than this only slows all of them.
	slots := semaphore.NewWeighted(int64(2 * runtime.GOMAXPROCS(0)))
	for _, pc := range cfg.Providers {
		if pc.ID == "" || c.byID[pc.ID] != nil {
			return nil, fmt.Errorf("provider %q: the id is empty or taken; give each provider its own", pc.ID)
		}
		p := newProvider(pc, &c.launcher, slots, cfg.Log, cfg.Event)
		c.providers = append(c.providers, p)
		c.byID[pc.ID] = p
	}
	var err error
	if c.launcher.sockets, err = newSockets(cfg.SocketDir, cfg.Environ); err != nil {
		return nil, err
	}
	if c.launcher.spawner, err = newSpawner(); err != nil {
		return nil, errors.Join(err, c.launcher.sockets.remove())
	}
	return c, nil
}

// Start starts all providers in parallel and returns at once; Provider.WaitReady waits for one. They run until
// Stop, or until ctx ends. Only the first call counts.
func (c *Catalog) Start(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.started || c.stopped {
		return
	}
	c.started = true
	for _, p := range c.providers {
		p.start(ctx)
	}
}

// Stop refuses new calls, lets those in flight end, shuts the processes down and kills what is left: all within
// five seconds, or sooner if ctx ends. It returns when no process is left, and what could not be cleaned up.
func (c *Catalog) Stop(ctx context.Context) error {
	c.mu.Lock()
	first := !c.stopped
	c.stopped = true
	c.mu.Unlock()
	if !first {
		<-c.done
		return c.result
	}
	defer close(c.done)
	ctx, cancel := context.WithTimeout(ctx, stopMax)
	defer cancel()
	var wg sync.WaitGroup
	failures := make([]error, len(c.providers))
	for i, p := range c.providers {
		wg.Go(func() { failures[i] = p.stop(ctx) })
	}
	wg.Wait()
	c.result = errors.Join(failures...)
	// In the reverse order of New; a child that would not die loses its parent thread here.
	c.launcher.spawner.stop()
	c.result = errors.Join(c.result, c.launcher.sockets.remove())
	return c.result
}

// Provider returns the provider of that id, or ErrUnknownProvider.
func (c *Catalog) Provider(id string) (*Provider, error) {
	if p := c.byID[id]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("provider %s: %w", clean(shorten(id, nameMax)), ErrUnknownProvider)
}

// Providers returns all providers in the configured order.
func (c *Catalog) Providers() []*Provider {
	return append([]*Provider(nil), c.providers...)
}
