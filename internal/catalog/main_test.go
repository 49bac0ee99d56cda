package catalog

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"github.com/authd/authd/sdk"
)

// TestMain makes the test binary a plugin when it runs under a plugin's name, and a small host under that of one:
// no test pretends to have a process.
func TestMain(m *testing.M) {
	name := filepath.Base(os.Args[0])
	switch {
	case strings.HasPrefix(name, namePrefix):
		runPlugin(strings.TrimPrefix(name, namePrefix))
		syscall.Exit(0) // os.Exit would wait a second for late reports of the race detector
	case name == hostName:
		runHost()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// hostName makes the test binary a host that runs the plugins it is given until it is killed.
const hostName = "authd-host"

func runHost() {
	var providers []ProviderConfig
	for i, path := range os.Args[1:] {
		providers = append(providers, ProviderConfig{
			ID: "p" + strconv.Itoa(i), Type: "test", Plugin: At(path, false), Settings: map[string]string{"client_id": "app"},
		})
	}
	c, err := New(Config{Providers: providers, Log: hclog.New(&hclog.LoggerOptions{Output: os.Stdout, JSONFormat: true, Level: hclog.Debug})})
	if err != nil {
		panic(err)
	}
	c.Start(context.Background())
	select {}
}

// longEnough is for waits that only a failing test reaches the end of.
const longEnough = time.Minute

func background(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), longEnough)
	t.Cleanup(cancel)
	return ctx
}

// pluginDir is a directory that the trust check accepts.
func pluginDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// install puts the test binary into dir under another name.
func install(t testing.TB, dir, name string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if os.Link(self, path) == nil {
		return path
	}
	from, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// testPlugin is the test binary as the plugin of that name, found as a real one is.
func testPlugin(t *testing.T, name string) Plugin {
	t.Helper()
	dir := pluginDir(t)
	install(t, dir, namePrefix+name)
	found := Discover([]string{dir}, false)
	if len(found) != 1 || found[0].Refused != "" {
		t.Fatalf("Discover = %+v", found)
	}
	return found[0]
}

// testProvider is a provider of the well-behaved plugin, with settings as name, value, name, value.
func testProvider(t *testing.T, id string, settings ...string) ProviderConfig {
	t.Helper()
	return providerOf(t, "well", id, settings...)
}

func providerOf(t *testing.T, plugin, id string, settings ...string) ProviderConfig {
	t.Helper()
	pc := ProviderConfig{
		ID: id, Type: "test", Plugin: testPlugin(t, plugin), Settings: map[string]string{"client_id": "app"},
		// With the race detector a process takes a second to end, unless told not to.
		Env: map[string]string{"GORACE": "atexit_sleep_ms=0"},
	}
	for i := 0; i < len(settings); i += 2 {
		pc.Settings[settings[i]] = settings[i+1]
	}
	return pc
}

// quick is for tests in which a plugin is slow on purpose.
func quick() timing {
	return timing{
		start: 30 * time.Second, describe: 30 * time.Second, configure: 30 * time.Second, authorize: 30 * time.Second,
		call: 30 * time.Second, wait: 30 * time.Second, healthTimeout: 30 * time.Second,
		quit: 50 * time.Millisecond,
	}
}

// catalogOf starts a catalog that is stopped when the test ends. Deadlines are long, for noisy machines, unless
// the test has set them.
func catalogOf(t *testing.T, cfg Config) *Catalog {
	t.Helper()
	if cfg.RestartBackoff == 0 {
		cfg.RestartBackoff = time.Millisecond
	}
	cfg.timing = cfg.timing.or(quick())
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
	c.Start(context.Background())
	return c
}

// provider returns the named provider.
func provider(t *testing.T, c *Catalog, id string) *Provider {
	t.Helper()
	p, err := c.Provider(id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ready returns the named provider as soon as it is ready.
func ready(t *testing.T, c *Catalog, id string) *Provider {
	t.Helper()
	p := provider(t, c, id)
	if err := p.WaitReady(background(t)); err != nil {
		t.Fatalf("provider %s: %v", id, err)
	}
	return p
}

// until waits for a status of the provider.
func until(t *testing.T, p *Provider, what string, ok func(Status) bool) Status {
	t.Helper()
	ctx := background(t)
	for {
		status, changed := p.board.read()
		if ok(status) {
			return status
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("provider %s never became %s; it is %+v", p.ID(), what, status)
		}
	}
}

// replaced waits for another process than old to be ready.
func replaced(t *testing.T, p *Provider, old int) Status {
	t.Helper()
	return until(t, p, "replaced", func(s Status) bool { return s.State == StateReady && s.PID != old })
}

// tell gives the provider's process a command and returns the answer.
func tell(t *testing.T, p *Provider, command string) []byte {
	t.Helper()
	u, err := p.GetUserInfo(background(t), &sdk.Token{AccessToken: command})
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return u.Claims
}

// inFlight waits until the provider counts so many calls.
func inFlight(t *testing.T, p *Provider, want int) {
	t.Helper()
	ctx := background(t)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for p.Status().InFlight != want {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%d calls in flight, want %d", p.Status().InFlight, want)
		}
	}
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu      sync.Mutex
	text    bytes.Buffer
	written chan struct{}
}

func newLog() (*logBuffer, hclog.Logger) {
	b := &logBuffer{written: make(chan struct{}, 1)}
	return b, hclog.New(&hclog.LoggerOptions{Name: "authd", Output: b, Level: hclog.Trace, JSONFormat: true})
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case b.written <- struct{}{}:
	default:
	}
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// await returns the first line that holds the text, once it is there.
func (b *logBuffer) await(t *testing.T, text string) string {
	t.Helper()
	ctx := background(t)
	for {
		for line := range strings.Lines(b.String()) {
			if strings.Contains(line, text) {
				return line
			}
		}
		select {
		case <-b.written:
		case <-ctx.Done():
			t.Fatalf("nothing in the log holds %q:\n%s", text, b)
		}
	}
}

// gone waits until there is no such process, or only what its new parent has not reaped yet.
func gone(t *testing.T, pid int) {
	t.Helper()
	ctx := background(t)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if err := syscall.Kill(pid, 0); err == syscall.ESRCH {
			return
		}
		if stat, err := os.ReadFile("/proc/" + itoa(pid) + "/stat"); err == nil && strings.Contains(string(stat), ") Z ") {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("process %d is still there", pid)
		}
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
