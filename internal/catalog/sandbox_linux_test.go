package catalog

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// attempt has the provider's process try something and returns how that ended: "" if it worked.
func attempt(t *testing.T, p *Provider, what ...string) string {
	t.Helper()
	var outcome struct{ Error string }
	if err := json.Unmarshal(tell(t, p, "try "+strings.Join(what, " ")), &outcome); err != nil {
		t.Fatal(err)
	}
	return outcome.Error
}

// listen returns the address of a listener that answers nobody, and its port.
func listen(t *testing.T) (address string, port uint16) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	_, text, _ := net.SplitHostPort(l.Addr().String())
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	return l.Addr().String(), uint16(n)
}

// Threat 143: what a strict process can't do, each beside the same in the basic sandbox, where it works: the test
// would otherwise show no more than that the plugin can't do it.
func TestStrict(t *testing.T) {
	if _, lacking := (*kernel)(nil).walls(); len(lacking) > 0 {
		refusedWithout(t, nil, lacking)
		return
	}
	allowed, port := listen(t)
	forbidden, _ := listen(t)
	data := pluginDir(t)
	database := write(t, filepath.Join(data, "authd.db"))
	free := testProvider(t, "free")
	c := catalogOf(t, Config{Providers: []ProviderConfig{free, strictly(testProvider(t, "p"), port)}})
	basic, strict := ready(t, c, "free"), ready(t, c, "p")
	for _, test := range []struct{ name, try, want string }{
		{"reads the store beside it", "read " + database, "permission denied"},
		{"reads passwords", "read /etc/passwd", "permission denied"},
		{"reads the plugins' directory", "read " + filepath.Dir(strict.Config().Plugin.Path), "permission denied"},
		{"reads authd's environment", fmt.Sprintf("read /proc/%d/environ", os.Getpid()), "permission denied"},
		{"writes a file", "write " + filepath.Join(data, "new"), "permission denied"},
		{"writes to a file", "write " + database, "permission denied"},
		{"starts a program", "start /bin/true", "permission denied"},
		{"connects to a port", "connect tcp " + forbidden, "permission denied"},
		{"listens", "listen 127.0.0.1:0", "permission denied"},
		{"sends a signal to authd", fmt.Sprintf("signal %d", os.Getpid()), "operation not permitted"},
		{"goes round by Multipath TCP", "socket 2 1 262", "protocol not supported"},
		{"makes a raw socket", "socket 2 3 255", "protocol not supported"},
		{"makes a packet socket", "socket 17 3 768", "address family not supported by protocol"},
		{"goes round by TCP Fast Open", "fastopen " + forbidden, "operation not supported"},
		{"goes round by io_uring", "uring", "function not implemented"},
	} {
		if got := attempt(t, strict, test.try); !strings.Contains(got, test.want) {
			t.Errorf("strict: %s: %q, want %q", test.name, got, test.want)
		}
	}
	for _, try := range []string{
		"read " + database, "write " + filepath.Join(data, "new"), "start /bin/true", "connect tcp " + forbidden, "listen 127.0.0.1:0",
		fmt.Sprintf("signal %d", os.Getpid()),
	} {
		if got := attempt(t, basic, try); got != "" {
			t.Errorf("basic: %s: %q, want that it works", try, got)
		}
	}
	for _, try := range []string{
		"connect tcp " + allowed, "write own", "read own", "read /etc/hosts", "write /dev/null", "connect udp 127.0.0.1:53",
		"socket 1 1 0", "socket 10 2 0",
	} {
		if got := attempt(t, strict, try); got != "" {
			t.Errorf("strict: %s: %q, want that it works", try, got)
		}
	}
	status, err := os.ReadFile("/proc/" + itoa(strict.Status().PID) + "/status")
	if err != nil || !strings.Contains(string(status), "CapPrm:\t0000000000000000\n") {
		t.Errorf("strict: it keeps rights of root's: %v\n%s", err, status)
	}
	if got := strict.Status().Sandbox; !strings.HasPrefix(got, "strict (Landlock ") || !strings.HasSuffix(got, "seccomp)") {
		t.Errorf("Status.Sandbox = %q", got)
	}
	if got := basic.Status().Sandbox; got != "basic" {
		t.Errorf("Status.Sandbox = %q, want basic", got)
	}
}

// refusedWithout wants the strict sandbox refused, for what the kernel lacks.
func refusedWithout(t *testing.T, k *kernel, lacking []string) {
	t.Helper()
	c := catalogOf(t, Config{Providers: []ProviderConfig{strictly(testProvider(t, "p"))}, RestartBackoff: time.Hour, kernel: k})
	got := until(t, provider(t, c, "p"), "refused", func(s Status) bool { return s.Problem != "" })
	for _, want := range append(lacking, "can't run in the strict sandbox", `set sandbox = "basic", or set plugins.sandbox_best_effort`) {
		if !strings.Contains(got.Problem, want) {
			t.Errorf("problem = %q, want it to hold %q", got.Problem, want)
		}
	}
	if got.PID != 0 {
		t.Errorf("status = %+v; no process may run", got)
	}
}

// Threat 143: what the kernel can't do is not done without, unless that was asked for.
func TestStrictFailsClosed(t *testing.T) {
	refusedWithout(t, &kernel{}, []string{"Landlock", "seccomp"})
	refusedWithout(t, &kernel{landlock: 3, filter: true}, []string{"Landlock for TCP"})
	refusedWithout(t, &kernel{landlock: 7}, []string{"seccomp"})
}

func TestStrictBestEffort(t *testing.T) {
	have, _ := (*kernel)(nil).walls()
	for _, test := range []struct {
		kernel kernel
		want   string
	}{
		{kernel{}, "basic"},
		{kernel{filter: have.filter}, "partly strict (seccomp)"},
		{kernel{landlock: min(2, have.landlock)}, "partly strict (Landlock 2)"},
	} {
		if test.kernel == (kernel{}) && test.want != "basic" {
			continue // this kernel has none of it
		}
		pc := strictly(testProvider(t, "p"))
		pc.Sandbox.BestEffort = true
		p := ready(t, catalogOf(t, Config{Providers: []ProviderConfig{pc}, kernel: &test.kernel}), "p")
		if got := p.Status().Sandbox; got != test.want {
			t.Errorf("with %+v Status.Sandbox = %q, want %q", test.kernel, got, test.want)
		}
		reads := attempt(t, p, "read /etc/passwd")
		if stopped := reads != ""; stopped != (test.kernel.landlock > 0) {
			t.Errorf("with %+v reading passwords: %q", test.kernel, reads)
		}
	}
}

// A strict process dies with authd's thread and group like any other, and its thread ends with it: goleak in TestMain
// would find the goroutine.
func TestStrictProcessEnds(t *testing.T) {
	if _, lacking := (*kernel)(nil).walls(); len(lacking) > 0 {
		refusedWithout(t, nil, lacking)
		return
	}
	c := catalogOf(t, Config{Providers: []ProviderConfig{strictly(testProvider(t, "p"))}})
	p := ready(t, c, "p")
	old := p.Status().PID
	p.process.Load().kill()
	replaced(t, p, old)
	if got := p.Status().Sandbox; !strings.HasPrefix(got, "strict") {
		t.Errorf("after a restart the sandbox is %q", got)
	}
}

// Off takes away what the kernel adds, and nothing of what authd sees to.
func TestSandboxOff(t *testing.T) {
	pc := testProvider(t, "p")
	pc.Sandbox.Level = LevelOff
	p := ready(t, catalogOf(t, Config{Providers: []ProviderConfig{pc}}), "p")
	var got jailed
	if err := json.Unmarshal(tell(t, p, "jail"), &got); err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(got.Status, "NoNewPrivs:\t1") != strings.Contains(string(own), "NoNewPrivs:\t1") || got.Open.Max == 1024 {
		t.Errorf("off: files %+v, status\n%s", got.Open, got.Status)
	}
	if p.Status().Sandbox != "off" {
		t.Errorf("Status.Sandbox = %q", p.Status().Sandbox)
	}
	for _, entry := range got.Env {
		if strings.HasPrefix(entry, "HOME=") {
			t.Errorf("off: the environment holds %s", entry)
		}
	}
}

// Threat 142: a plugin that takes too much memory is one that has crashed.
func TestMemoryLimit(t *testing.T) {
	pc := testProvider(t, "p")
	pc.Sandbox.MemoryLimit = 512 << 20
	p := ready(t, catalogOf(t, Config{Providers: []ProviderConfig{pc}}), "p")
	limits, err := os.ReadFile("/proc/" + itoa(p.Status().PID) + "/limits")
	if err != nil {
		t.Fatal(err)
	}
	want := "Max data size             536870912            536870912            bytes"
	if !strings.Contains(string(limits), want) || !strings.Contains(string(limits), "Max core file size        0 ") {
		t.Errorf("limits:\n%s", limits)
	}

	small := testProvider(t, "small")
	small.Sandbox.MemoryLimit = 1 << 20
	c := catalogOf(t, Config{Providers: []ProviderConfig{small}, RestartBackoff: time.Hour})
	got := until(t, provider(t, c, "small"), "refused", func(s Status) bool { return s.Problem != "" })
	if !strings.Contains(got.Problem, "set plugins.memory_limit to 128 MiB or more") {
		t.Errorf("problem = %q", got.Problem)
	}
}

func TestUnknownLevel(t *testing.T) {
	pc := testProvider(t, "p")
	pc.Sandbox.Level = "loose"
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, RestartBackoff: time.Hour})
	got := until(t, provider(t, c, "p"), "refused", func(s Status) bool { return s.Problem != "" })
	if !strings.Contains(got.Problem, `a sandbox called "loose"; set sandbox to off, basic or strict`) {
		t.Errorf("problem = %q", got.Problem)
	}
}

// Threat 143: as another user a process reads nothing of authd's. Where authd may not change users it says so, and
// does not run the plugin as itself.
func TestRunAs(t *testing.T) {
	runAs(t, LevelBasic)
	if _, lacking := (*kernel)(nil).walls(); len(lacking) == 0 {
		runAs(t, LevelStrict)
	}
}

func runAs(t *testing.T, level Level) {
	t.Helper()
	pc := testProvider(t, "p")
	pc.Sandbox = Sandbox{Level: level, RunAs: "nobody"}
	if os.Geteuid() == 65534 {
		pc.Sandbox.RunAs = "daemon"
	}
	secret := filepath.Join(pluginDir(t), "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	reachable(t, filepath.Dir(pc.Plugin.Path))
	reachable(t, filepath.Dir(secret))
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, RestartBackoff: time.Hour})
	p := provider(t, c, "p")
	if os.Geteuid() != 0 {
		got := until(t, p, "refused", func(s Status) bool { return s.Problem != "" })
		if !strings.Contains(got.Problem, "can't be run as "+pc.Sandbox.RunAs+": only root may do that") || got.PID != 0 {
			t.Errorf("status = %+v", got)
		}
		return
	}
	ready(t, c, "p")
	if got := p.Status().Sandbox; !strings.HasPrefix(got, string(level)) || !strings.HasSuffix(got, " as nobody") {
		t.Errorf("Status.Sandbox = %q", got)
	}
	status, err := os.ReadFile("/proc/" + itoa(p.Status().PID) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Uid:\t65534\t65534\t65534\t65534\n", "Groups:\t \n", "CapPrm:\t0000000000000000\n", "NoNewPrivs:\t1\n"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("status of the process lacks %q:\n%s", want, status)
		}
	}
	if got := attempt(t, p, "read "+secret); !strings.Contains(got, "permission denied") {
		t.Errorf("reading a file of authd's: %q", got)
	}
	if got := attempt(t, p, "write own"); got != "" {
		t.Errorf("writing into its own directory: %q", got)
	}
	old := p.Status().PID
	p.process.Load().kill()
	replaced(t, p, old)
}

// reachable lets every user pass through the directories of a test.
func reachable(t *testing.T, dir string) {
	t.Helper()
	for ; strings.HasPrefix(dir, os.TempDir()+"/"); dir = filepath.Dir(dir) {
		chmodDir(0o755)(t, dir, "")
	}
}

func TestRunAsNobodyThatIsThere(t *testing.T) {
	pc := testProvider(t, "p")
	pc.Sandbox.RunAs = "no-such-user"
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, RestartBackoff: time.Hour})
	got := until(t, provider(t, c, "p"), "refused", func(s Status) bool { return s.Problem != "" })
	if !strings.Contains(got.Problem, "can't be run as no-such-user: there is no such user; make one, or mend run_as") {
		t.Errorf("problem = %q", got.Problem)
	}
}
