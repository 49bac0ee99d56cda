package catalog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/semaphore"
)

// Config is what a Catalog is made from.
type Config struct {
	// Providers in the order in which they are to be shown.
	Providers []ProviderConfig
	// Lock is what every plugin must pass at every start; nil: its owners and permissions are enough.
	Lock *Lock
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

	kernel *kernel // :: nil, or what the kernel is taken for
	timing timing  // zero values: as in defaults
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
	// Sandbox is where its process runs; zero: the basic one.
	Sandbox Sandbox
	// Env is set in the process's environment besides the little that is inherited.
	Env map[string]string
	// Problem is a fault of the configuration that was found before: a sentence with its mend. Such a provider is
	// never started and shows it. Empty: none.
	Problem string
}

// EventKind says what an Event tells of.
type EventKind string

// The kinds.
const (
	// EventState: the provider's state has changed.
	EventState EventKind = "state"
	// EventSwapped: another process has taken over, with a new plugin or configuration; no call was failed for it.
	EventSwapped EventKind = "swapped"
	// EventCandidateFailed: the process that was to take over can't; the old one goes on serving. The reason is
	// Status.CandidateProblem.
	EventCandidateFailed EventKind = "candidate_failed"
	// EventBreakerOpened: the identity provider, or the plugin, failed so often that calls are refused until
	// Status.BreakerOpenUntil.
	EventBreakerOpened EventKind = "breaker_opened"
	// EventBreakerClosed: calls are made again.
	EventBreakerClosed EventKind = "breaker_closed"
)

// Event is a change of a provider's state.
type Event struct {
	Kind EventKind
	// Provider is its id, Plugin the path of its executable.
	Provider, Plugin string
	// Status from now on.
	Status Status
}

// stopMax bounds Stop: draining, shutting down and killing all in parallel.
const stopMax = 5 * time.Second

// Catalog keeps the processes of all configured providers.
type Catalog struct {
	launcher launcher
	slots    *semaphore.Weighted // how many processes are started at once
	log      hclog.Logger
	event    func(Event)
	roster   atomic.Pointer[roster]

	mu      sync.Mutex // one Start, Stop or Apply at a time
	started bool
	stopped bool
	running context.Context // Start's
	done    chan struct{}   // closed when Stop has finished
	result  error           // of Stop; read after done

	leaving  sync.WaitGroup // of providers that are no longer configured
	hurry    context.Context
	noTime   context.CancelFunc // ends hurry
	troubles troubles
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
	c := &Catalog{
		log: cfg.Log, event: cfg.Event, done: make(chan struct{}),
		// Each start costs a core for some milliseconds; more at once than this only slows all of them.
		slots:    semaphore.NewWeighted(int64(2 * runtime.GOMAXPROCS(0))),
		launcher: launcher{environ: cfg.Environ, timing: cfg.timing.or(defaults()), files: &digests{}, lock: cfg.Lock, kernel: cfg.kernel},
	}
	c.hurry, c.noTime = context.WithCancel(context.Background())
	c.roster.Store(&roster{})
	if _, err := c.Apply(cfg.Providers); err != nil {
		return nil, err
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
	c.started, c.running = true, ctx
	for _, p := range c.roster.Load().order {
		p.start(ctx)
	}
}

func (c *Catalog) newProvider(cfg ProviderConfig) *Provider {
	return newProvider(cfg, &c.launcher, c.slots, c.log, c.event)
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
	context.AfterFunc(ctx, c.noTime)
	defer c.noTime()
	var wg sync.WaitGroup
	for _, p := range c.roster.Load().order {
		wg.Go(func() {
			if err := p.stop(ctx, c.launcher.timing.drain); err != nil {
				c.troubles.add(err)
			}
		})
	}
	wg.Wait()
	c.leaving.Wait()
	c.result = c.troubles.join()
	// In the reverse order of New; a child that would not die loses its parent thread here.
	c.launcher.spawner.stop()
	c.launcher.sealed.close()
	c.result = errors.Join(c.result, c.launcher.sockets.remove())
	return c.result
}

// Provider returns the provider of that id, or ErrUnknownProvider. It stays the same for as long as the id is
// configured.
func (c *Catalog) Provider(id string) (*Provider, error) {
	if p := c.roster.Load().byID[id]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("provider %s: %w", clean(shorten(id, nameMax)), ErrUnknownProvider)
}

// Providers returns all providers in the configured order.
func (c *Catalog) Providers() []*Provider {
	return slices.Clone(c.roster.Load().order)
}
