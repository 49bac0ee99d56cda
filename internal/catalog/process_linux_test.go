package catalog

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/authd/authd/sdk"
)

// Threat 132, 154: a process sees its own settings and a few names of the environment, in a directory of its own,
// with no file of authd's open, without core dumps and without the way to new privileges.
func TestJail(t *testing.T) {
	// A file that is open without close-on-exec, as authd may have been started with.
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("s"), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(secret, unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	t.Setenv("AUTHD_SESSION_SECRET", "do-not-show")
	t.Setenv("TZ", "UTC")

	pc := testProvider(t, "p", "client_secret", "do-not-show-either")
	pc.Env["SSLKEYLOGFILE"] = "/dev/null"
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc, testProvider(t, "q")}})
	p := ready(t, c, "p")
	var got jailed
	if err := json.Unmarshal(tell(t, p, "jail"), &got); err != nil {
		t.Fatal(err)
	}

	env := strings.Join(got.Env, "\n")
	if strings.Contains(env, "do-not-show") || strings.Contains(env, "PATH=") || strings.Contains(env, "HOME=") {
		t.Errorf("environment:\n%s", env)
	}
	for _, want := range []string{"TZ=UTC", "SSLKEYLOGFILE=/dev/null", "GOMAXPROCS=2", "GOTRACEBACK=all"} {
		if !strings.Contains(env, want) {
			t.Errorf("environment lacks %s:\n%s", want, env)
		}
	}
	for _, file := range got.Files {
		if strings.Contains(file, secret) || strings.HasPrefix(file, "/dev/tty") || strings.HasSuffix(file, lockName) {
			t.Errorf("the process has %s open", file)
		}
	}
	if !strings.HasPrefix(got.Dir, c.launcher.sockets.base+"/") {
		t.Errorf("the process works in %s", got.Dir)
	}
	if got.Parent != os.Getpid() {
		t.Errorf("the parent of the process is %d, not %d", got.Parent, os.Getpid())
	}
	if got.Core != (unix.Rlimit{}) || got.Open != (unix.Rlimit{Cur: 1024, Max: 1024}) {
		t.Errorf("limits: core %+v, open files %+v", got.Core, got.Open)
	}
}

// Threat 135: a process that is stopped (as good as hung) is replaced, because a call got no answer or because it
// does not answer when asked how it is. go-plugin's first trap: its Kill and Ping would wait for ever.
func TestHungProcessIsReplaced(t *testing.T) {
	t.Run("found by a call", func(t *testing.T) {
		span := quick()
		span.authorize, span.healthTimeout = 300*time.Millisecond, 300*time.Millisecond
		c := catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p")}, HealthInterval: time.Hour, timing: span})
		p := ready(t, c, "p")
		old := p.Status().PID
		stopProcess(t, old)
		_, err := p.AuthorizeParams(background(t), sdk.AuthorizeRequest{})
		wantKind(t, err, KindUpstreamTimeout)
		replaced(t, p, old)
		if _, err := p.AuthorizeParams(background(t), sdk.AuthorizeRequest{Prompt: "endpoint https://idp.example/authorize"}); err != nil {
			// The new process may be as slow as the machine is; what counts is that it is there.
			wantKind(t, err, KindUpstreamTimeout)
		}
	})
	t.Run("found by asking", func(t *testing.T) {
		span := quick()
		span.healthTimeout = 300 * time.Millisecond
		buffer, log := newLog()
		c := catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p")}, HealthInterval: 20 * time.Millisecond, Log: log, timing: span})
		p := ready(t, c, "p")
		old := p.Status().PID
		stopProcess(t, old)
		replaced(t, p, old)
		buffer.await(t, "did not answer 3 health checks and was ended by signal 9")
	})
}

func stopProcess(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	// Until it really has stopped.
	if err := unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
}

// Threat 135: one that hangs but runs is asked for its stacks first.
func TestHungProcessShowsItsStacks(t *testing.T) {
	buffer, log := newLog()
	span := quick()
	span.quit, span.healthTimeout = longEnough, 300*time.Millisecond
	c := catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p")}, Log: log, HealthInterval: time.Hour, timing: span})
	p := ready(t, c, "p")
	old := p.Status().PID
	proc := p.process.Load()
	proc.health = unwell{}
	proc.doubt()
	replaced(t, p, old)
	buffer.await(t, "SIGQUIT: quit")
	buffer.await(t, "goroutine 1 ")
}

// Threat 135: Stop is bounded whatever the processes do.
func TestStopHungProcess(t *testing.T) {
	span := quick()
	span.stop = 100 * time.Millisecond
	c := catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p"), testProvider(t, "q")}, HealthInterval: time.Hour, timing: span})
	pid := ready(t, c, "p").Status().PID
	ready(t, c, "q")
	stopProcess(t, pid)
	if err := c.Stop(context.Background()); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("process %d is still there: %v", pid, err)
	}
	if err := c.Stop(context.Background()); err != nil {
		t.Errorf("Stop again: %v", err)
	}
}

// When the caller of Stop has no time at all, the process is killed at once.
func TestStopWithoutTime(t *testing.T) {
	span := quick()
	span.stop, span.drain = longEnough, longEnough
	c := catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p")}, HealthInterval: time.Hour, timing: span})
	pid := ready(t, c, "p").Status().PID
	stopProcess(t, pid)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.Stop(ctx); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("process %d is still there: %v", pid, err)
	}
}

// Stop lets a call in flight end before it shuts the process down, and refuses new ones meanwhile: go-plugin's
// eleventh trap is that its shutdown cuts calls.
func TestStopDrains(t *testing.T) {
	span := quick()
	span.drain = longEnough
	c := catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p")}, timing: span})
	p := ready(t, c, "p")
	gate := filepath.Join(t.TempDir(), "gate")
	call := make(chan error, 1)
	go func() {
		_, _, err := p.GetToken(background(t), sdk.CodeExchange{Code: "wait " + gate})
		call <- err
	}()
	inFlight(t, p, 1)
	stopped := make(chan error, 1)
	go func() { stopped <- c.Stop(context.Background()) }()
	for p.enter() == nil { // until Stop has begun
		p.leave()
	}
	_, err := p.GetUserInfo(background(t), &sdk.Token{AccessToken: "x"})
	wantKind(t, err, KindUnavailable)
	proc := p.process.Load()
	for range 100 { // long enough for a shutdown that does not wait
		if proc.check(0) > 0 {
			t.Error("the process is not well, though a call is in flight")
			break
		}
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-call; err != nil {
		t.Errorf("the call in flight: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Stop: %v", err)
	}
}

// A process of which nothing can be had is ended, whether it hangs or only does not want to.
func TestUselessProcessIsEnded(t *testing.T) {
	span := quick()
	span.stop = 100 * time.Millisecond
	t.Run("clings to its life", func(t *testing.T) {
		buffer, log := newLog()
		pc := providerOf(t, "clings", "p", "new", "config")
		c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, Log: log, timing: span})
		var started struct{ PID int }
		if err := json.Unmarshal([]byte(buffer.await(t, `"plugin started"`)), &started); err != nil {
			t.Fatal(err)
		}
		until(t, provider(t, c, "p"), "misconfigured", func(s Status) bool { return s.State == StateMisconfigured })
		gone(t, started.PID)
	})
	t.Run("hangs", func(t *testing.T) {
		c := catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p")}, HealthInterval: time.Hour, timing: span})
		proc := ready(t, c, "p").process.Load()
		stopProcess(t, proc.pid)
		stopped := make(chan struct{})
		go func() { defer close(stopped); proc.stop() }()
		select {
		case <-stopped:
		case <-background(t).Done():
			t.Error("stop waits for a process that hangs")
		}
	})
}

// go-plugin's second trap: a grandchild that holds standard error keeps a dead plugin "alive". Here it goes with its
// parent, and if it has left the group it holds nothing up.
func TestGrandchildHoldsNothingUp(t *testing.T) {
	for _, how := range []string{"group", "session"} {
		t.Run(how, func(t *testing.T) {
			pc := testProvider(t, "p")
			pc.Settings["count"] = filepath.Join(t.TempDir(), "count")
			install(t, filepath.Dir(pc.Plugin.Path), namePrefix+"stubborn")
			c := catalogOf(t, Config{Providers: []ProviderConfig{pc}})
			p := ready(t, c, "p")
			var child struct{ PID int }
			if err := json.Unmarshal(tell(t, p, "grandchild "+how), &child); err != nil {
				t.Fatal(err)
			}
			if how == "session" {
				defer func() { _ = syscall.Kill(child.PID, syscall.SIGKILL) }()
			}
			old := p.Status().PID
			_, _, err := p.GetToken(background(t), sdk.CodeExchange{Code: "crash"})
			wantKind(t, err, KindUnavailable)
			replaced(t, p, old)
			if how == "group" {
				gone(t, child.PID)
			}
		})
	}
}

// Threat 139: however much a plugin prints, wherever, calls are answered and authd's memory is not filled. The
// 1 MiB without a line end on the raw standard output would block the plugin for ever with go-plugin's own reader.
func TestFloods(t *testing.T) {
	for _, flood := range []string{"stderr 33554432l", "stderr 33554432", "stdout 1048576", "stdout 33554432l"} {
		t.Run(flood, func(t *testing.T) {
			buffer, log := newLog()
			c := catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p"), testProvider(t, "q")}, Log: log})
			p, q := ready(t, c, "p"), ready(t, c, "q")
			tell(t, p, flood)
			tell(t, p, "")
			tell(t, q, "")
			pid := p.Status().PID
			if err := c.Stop(context.Background()); err != nil {
				t.Errorf("Stop: %v", err)
			}
			if got := p.Status(); got.Restarts > 0 || pid == 0 {
				t.Errorf("status = %+v; the flood cost the process", got)
			}
			if strings.HasSuffix(flood, "l") && p.Status().LinesDropped == 0 {
				t.Error("no line was dropped")
			}
			if size := len(buffer.String()); size > 4<<20 {
				t.Errorf("the flood came through: %d bytes of log", size)
			}
		})
	}
}

// Threat 139: go-plugin's sixth trap: what is printed after the handshake would go nowhere.
func TestPrintedLinesArrive(t *testing.T) {
	buffer, log := newLog()
	c := catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p")}, Log: log})
	p := ready(t, c, "p")
	tell(t, p, "print through os.Stdout")
	tell(t, p, "say through standard error")
	for _, text := range []string{"through os.Stdout", "through standard error"} {
		line := buffer.await(t, `"@message":"`+text)
		for _, want := range []string{`"provider":"p"`, `"plugin":"well"`, `"pid":` + itoa(p.Status().PID), `"@module":"authd.plugin"`} {
			if !strings.Contains(line, want) {
				t.Errorf("line %q lacks %s", line, want)
			}
		}
	}
}
