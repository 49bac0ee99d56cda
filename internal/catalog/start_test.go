package catalog

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// Each way in which a start can fail says what the plugin did and shows its last words. These are go-plugin's
// traps 3 (a long sixth field panics the host), 4 (the plugin chooses the address), 6 (the reason of an early end
// is lost) and what a plugin may print; Threat 133.
func TestStartFails(t *testing.T) {
	hasty := quick()
	hasty.start, hasty.healthTimeout = 2*time.Second, 500*time.Millisecond
	for _, test := range []struct {
		plugin string
		timing timing
		want   []string
	}{
		{"exits", quick(), []string{"exited with status 3 right after start", "last lines: no licence file; client_secret=***"}},
		{"junk", quick(), []string{`printed "Hello from my plugin!" instead of the handshake`, "log to standard error"}},
		{"endless", quick(), []string{"printed more than 4096 bytes without a line end"}},
		{"certificate", quick(), []string{"sent a certificate in the sixth field"}},
		{"real-certificate", quick(), []string{"sent a certificate in the sixth field"}},
		{"tcp", quick(), []string{"listens on tcp 127.0.0.1:22, not on a unix socket"}},
		{"outside", quick(), []string{"listens on /var/run/docker.sock, outside its directory"}},
		{"protocol2", quick(), []string{"speaks protocol 2 and this authd speaks 1; upgrade whichever is older"}},
		{"silent", hasty, []string{"did not print its handshake in time", "last lines: taking my time"}},
		{"deaf", hasty, []string{"did not answer within 500ms of its handshake"}},
	} {
		t.Run(test.plugin, func(t *testing.T) {
			c := catalogOf(t, Config{Providers: []ProviderConfig{providerOf(t, test.plugin, "p")}, RestartBackoff: time.Hour, timing: test.timing})
			p := provider(t, c, "p")
			got := until(t, p, "in backoff", func(s Status) bool { return s.State == StateBackoff })
			for _, want := range append(test.want, "provider p: plugin "+p.Config().Plugin.Path+" ") {
				if !strings.Contains(got.Problem, want) {
					t.Errorf("problem = %q, want it to hold %q", got.Problem, want)
				}
			}
			if strings.Contains(got.Problem, "hunter2") || strings.Contains(got.Problem, "\n") {
				t.Errorf("problem = %q", got.Problem)
			}
			if got.PID != 0 {
				t.Errorf("status = %+v; want no process", got)
			}
		})
	}
}

// Threat 138: who listens on the socket must be the process that was started, not one that left its group.
func TestStartRefusesAnotherListener(t *testing.T) {
	pc := providerOf(t, "wrapper", "p")
	install(t, filepath.Dir(pc.Plugin.Path), namePrefix+"well")
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, RestartBackoff: time.Hour})
	got := until(t, provider(t, c, "p"), "refused", func(s Status) bool { return s.State == StateBackoff })
	if !strings.Contains(got.Problem, "listen on its socket, which is not its own") {
		t.Errorf("problem = %q", got.Problem)
	}
}

// A script that execs the plugin is fine, and finds its interpreter.
func TestStartScript(t *testing.T) {
	pc := providerOf(t, "well", "p")
	script := filepath.Join(filepath.Dir(pc.Plugin.Path), namePrefix+"script")
	text := "#!/usr/bin/env sh\nexec \"" + pc.Plugin.Path + "\" \"$@\"\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	pc.Plugin = At(script, false)
	ready(t, catalogOf(t, Config{Providers: []ProviderConfig{pc}}), "p")
}

// A plugin that ends between handshake and connection costs no goroutine and no directory, however often (the
// first is what goleak proves in TestMain).
func TestStartLeavesNothing(t *testing.T) {
	span := quick()
	span.window = 1 // never quarantined
	for _, plugin := range []string{"drops", "accepts"} {
		t.Run(plugin, func(t *testing.T) {
			dir := shortDir(t)
			c := catalogOf(t, Config{Providers: []ProviderConfig{providerOf(t, plugin, "p")}, SocketDir: dir, RestartBackoff: 1, MaxRestartBackoff: 1, timing: span})
			p := provider(t, c, "p")
			got := until(t, p, "restarted often", func(s Status) bool { return s.Restarts >= 40 })
			if !strings.Contains(got.Problem, "exited with status 0") {
				t.Errorf("problem = %q", got.Problem)
			}
			if err := c.Stop(context.Background()); err != nil {
				t.Errorf("Stop: %v", err)
			}
			left, err := os.ReadDir(dir)
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// Stop does not wait for a start that hangs.
func TestStopWhileStarting(t *testing.T) {
	for _, plugin := range []string{"silent", "stubborn", "deaf"} {
		t.Run(plugin, func(t *testing.T) {
			buffer, log := newLog()
			c := catalogOf(t, Config{Providers: []ProviderConfig{providerOf(t, plugin, "p")}, Log: log, timing: quick()})
			if plugin == "deaf" {
				until(t, provider(t, c, "p"), "starting", func(s Status) bool { return s.State == StateStarting })
			} else {
				buffer.await(t, `"pid":`)
			}
			if err := c.Stop(context.Background()); err != nil {
				t.Errorf("Stop: %v", err)
			}
			if got := provider(t, c, "p").Status(); got.State != StateStopped {
				t.Errorf("status = %+v", got)
			}
		})
	}
}

// go-plugin's seventh trap: its own directory is made where there is room, not in a /tmp that may be read-only.
func TestStartWithoutTemporaryDirectory(t *testing.T) {
	pc, dir := testProvider(t, "p"), shortDir(t)
	t.Setenv("TMPDIR", filepath.Join(dir, "none"))
	ready(t, catalogOf(t, Config{Providers: []ProviderConfig{pc}, SocketDir: filepath.Join(dir, "run")}), "p")
}

// go-plugin's thirteenth trap, its broker, is out of reach; and what it forgets to close is closed.
func TestDialOptions(t *testing.T) {
	r := &processRunner{}
	conn, err := grpc.NewClient("passthrough:///x", append(dialOptions(r), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.NewStream(background(t), &grpc.StreamDesc{ServerStreams: true}, "/plugin.GRPCBroker/StartStream")
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("a stream of the broker: %v", err)
	}
	_, err = conn.NewStream(background(t), &grpc.StreamDesc{ServerStreams: true}, "/plugin.GRPCStdio/StreamStdio")
	fails(t, "a stream without a process", err, "the process has ended")
	r.closeConns()
	if got := conn.GetState(); got != connectivity.Shutdown {
		t.Errorf("the connection is %v, want it closed", got)
	}
}
