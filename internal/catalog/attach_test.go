package catalog

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/authd/authd/sdk"
)

// debugged runs a test plugin by hand with -debug, and returns the line of the environment that it prints.
func debugged(t *testing.T) (cmd *exec.Cmd, env string) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), install(t, pluginDir(t), namePrefix+"well"), "-debug")
	short, err := os.MkdirTemp("", "authd") // a unix socket must fit into it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", "TMPDIR="+short)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // as Ctrl-C does
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	env, quoted := strings.CutPrefix(strings.TrimSpace(line), ReattachEnv+"='")
	if !quoted {
		t.Fatalf("the plugin printed %q", line)
	}
	return cmd, ReattachEnv + "=" + strings.TrimSuffix(env, "'")
}

// attached is the one plugin of that environment.
func attached(t *testing.T, env string) Plugin {
	t.Helper()
	plugins, err := Attached(background(t), []string{"HOME=/", env})
	if err != nil || len(plugins) != 1 {
		t.Fatalf("Attached = %+v, %v", plugins, err)
	}
	return plugins[0]
}

func attachedProvider(id string, p Plugin) ProviderConfig {
	return ProviderConfig{ID: id, Type: "test", Plugin: p, Settings: map[string]string{"client_id": "app"}}
}

// A process that was started by hand serves like any other, for as long as it takes, and authd does not end it.
func TestAttach(t *testing.T) {
	cmd, env := debugged(t)
	plugin := attached(t, env)
	m, err := Describe(background(t), plugin)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := m.Type("test"); !ok || plugin.Name != "test" {
		t.Errorf("plugin %q describes %+v", plugin.Name, m)
	}
	// With these deadlines no process of authd's own could even be asked what it serves.
	hasty := timing{describe: 1, configure: 1, authorize: 1, call: 1, check: 1, healthInterval: time.Millisecond}
	logged, log := newLog()
	cfg := Config{Providers: []ProviderConfig{attachedProvider("p", plugin)}, Log: log, timing: hasty.or(quick())}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.Start(context.Background())
	p := ready(t, c, "p")
	if s := p.Status(); s.State != StateAttached || s.PID != cmd.Process.Pid || s.Sandbox != "none, it is attached" || s.Version == "" {
		t.Errorf("status %+v, want attached to process %d", s, cmd.Process.Pid)
	}
	if _, err := p.AuthorizeParams(background(t), sdk.AuthorizeRequest{RedirectURI: "https://a.example/", State: "s", Scope: []string{"openid"}}); err != nil {
		t.Error(err)
	}
	tell(t, p, "ok")
	logged.await(t, "a debugged plugin is in use")
	if err := c.Stop(background(t)); err != nil {
		t.Error(err)
	}
	if attached(t, env).Path != plugin.Path {
		t.Error("the plugin has gone with authd")
	}

	// It has taken its settings, which it does once.
	c = catalogOf(t, cfg)
	s := until(t, provider(t, c, "p"), "misconfigured", func(s Status) bool { return s.State == StateMisconfigured })
	if !strings.Contains(s.Problem, "takes settings once") || !strings.Contains(s.Problem, "-debug") {
		t.Errorf("problem %q", s.Problem)
	}
}

// When the process ends the provider backs off, says what to do, and starts nothing in its place.
func TestAttachedEnds(t *testing.T) {
	cmd, env := debugged(t)
	plugin := attached(t, env)
	c := catalogOf(t, Config{Providers: []ProviderConfig{attachedProvider("p", plugin)}})
	p := ready(t, c, "p")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s := until(t, p, "backed off for long", func(s Status) bool { return s.State == StateBackoff && time.Until(s.RetryAt) > time.Minute })
	if !strings.Contains(s.Problem, "the debugged plugin has ended; run it with -debug again") || s.PID != 0 {
		t.Errorf("status %+v", s)
	}
	var failure *CallError
	if _, err := p.GetUserInfo(background(t), &sdk.Token{AccessToken: "ok"}); !errors.As(err, &failure) || failure.Kind != KindUnavailable ||
		!strings.Contains(err.Error(), "the debugged plugin has ended") {
		t.Errorf("a call now: %v", err)
	}
	p.Restart()
	if s := until(t, p, "backed off", func(s Status) bool { return s.State == StateBackoff && s.PID == 0 }); s.Restarts > 2 {
		t.Errorf("status %+v", s)
	}
	_ = cmd.Wait()
	if _, err := Attached(background(t), []string{env}); err == nil || !strings.Contains(err.Error(), "the debugged plugin has ended") {
		t.Errorf("attached to what is gone: %v", err)
	}
}

// One process is one provider; the other one says why it does not run.
func TestAttachedServesOne(t *testing.T) {
	_, env := debugged(t)
	plugin := attached(t, env)
	first, second := attachedProvider("first", plugin), attachedProvider("second", plugin)
	second.Settings = map[string]string{"client_id": "other"}
	c := catalogOf(t, Config{Providers: []ProviderConfig{first, second}})
	ready(t, c, "first")
	err := provider(t, c, "second").WaitReady(background(t))
	if err == nil || !strings.Contains(err.Error(), "the debugged plugin serves provider first, and a process serves one") {
		t.Errorf("second: %v", err)
	}
	// A reload that changes nothing leaves it alone, and one that changes settings does not take it away.
	apply(t, c, Changes{}, first, second)
	apply(t, c, Changes{Changed: []string{"first"}}, first.with("client_id", "next"), second)
	s := until(t, provider(t, c, "first"), "degraded", Status.Degraded)
	if s.State != StateAttached || !strings.Contains(s.CandidateProblem, "takes settings once") {
		t.Errorf("status %+v", s)
	}
	tell(t, provider(t, c, "first"), "ok")
}

// Threat 138: whoever else listens at a named socket is not attached to.
func TestAttachedPeer(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	text, err := json.Marshal(map[string]any{"test": map[string]any{"protocol": 1, "pid": os.Getpid() + 1, "network": "unix", "address": socket}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Attached(background(t), []string{ReattachEnv + "=" + string(text)})
	if want := fmt.Sprintf("is process %d and not %d", os.Getpid(), os.Getpid()+1); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("another process listens: %v, want %s", err, want)
	}
	a := &attachment{pid: 7}
	for _, test := range []struct {
		pid, uid, self int
		want           string
	}{
		{7, 1000, 1000, ""},
		{7, 0, 1000, ""},
		{7, 1001, 1000, "belongs to uid 1001; run it as the user of authd (1000)"},
		{7, 1000, 0, "belongs to uid 1000; run it as the user of authd (0)"},
		{8, 1000, 1000, "is process 8 and not 7"},
	} {
		if err := a.judge(test.pid, test.uid, test.self); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("process %d of %d: %v, want %q", test.pid, test.uid, err, test.want)
		}
	}
}

func TestAttachedRefuses(t *testing.T) {
	_, env := debugged(t)
	_, real, _ := strings.Cut(env, "=")
	for _, test := range []struct{ name, value, want string }{
		{"no JSON", `'{"a"`, "is not the JSON object"},
		{"an array", `[]`, "is not the JSON object"},
		{"a protocol of the future", strings.Replace(real, `"protocol":1`, `"protocol":2`, 1), `has protocol 2 for "test", and authd speaks 1`},
		{"a port", `{"test":{"protocol":1,"pid":1,"network":"tcp","address":"127.0.0.1:1"}}`, "does not have the path of a unix socket"},
		{"a path that is not whole", `{"test":{"protocol":1,"pid":1,"network":"unix","address":"s"}}`, "does not have the path of a unix socket"},
		{"no process", `{"test":{"protocol":1,"network":"unix","address":"/s"}}`, "does not have the process id"},
		{"two at one", `{"a":{"protocol":1,"pid":1,"network":"unix","address":"/s"},"b":{"protocol":1,"pid":2,"network":"unix","address":"/s"}}`, "has two processes at /s"},
		{"another type", strings.Replace(real, `"test"`, `"github"`, 1), `does not serve type "github"`},
		{"nobody there", `{"test":{"protocol":1,"pid":1,"network":"unix","address":"/nobody/there"}}`, "the debugged plugin has ended"},
	} {
		t.Run(test.name, func(t *testing.T) {
			plugins, err := Attached(background(t), []string{ReattachEnv + "=" + test.value})
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), ReattachEnv) {
				t.Errorf("Attached = %v, %v, want %s", plugins, err, test.want)
			}
		})
	}
	for _, environ := range [][]string{nil, {"A=b"}, {ReattachEnv + "="}, {ReattachEnv + "={}"}} {
		if plugins, err := Attached(background(t), environ); err != nil || len(plugins) > 0 {
			t.Errorf("Attached(%q) = %v, %v", environ, plugins, err)
		}
	}
}
