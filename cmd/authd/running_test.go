package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The lists show what runs, and a restart is told by its outcome, with a running server.
func TestRunningPlugins(t *testing.T) {
	dir := t.TempDir()
	plugins := filepath.Join(dir, "plugins")
	if err := linkPlugin(plugins, "acme"); err != nil {
		t.Fatal(err)
	}
	environ := []string{
		"AUTHD_SERVER_LISTEN=127.0.0.1:0", "AUTHD_SERVER_ADMIN_LISTEN=unix:" + filepath.Join(dir, "admin.sock"),
		"AUTHD_SERVER_PUBLIC_URL=https://auth.example.com", "AUTHD_SERVER_PLUGINS_DIR=" + plugins,
	}
	settings := []string{"OAUTH_ACME_CLIENT_ID=a", "OAUTH_ACME_CLIENT_SECRET=hush-hush"}
	s := startServer(t, dir, append(settings, environ...)...)
	s.logged(t, "provider ready")
	all := append(environ, settings...)

	code, out, stderr := command(all, "plugin", "list")
	lines := strings.Split(out, "\n")
	if code != exitOK || stderr != "" || len(lines) != 6 || !strings.HasPrefix(lines[4], "acme      acme    ready") {
		t.Fatalf("plugin list: %d\n%s%s", code, out, stderr)
	}
	for _, line := range lines {
		if len(line) > 100 {
			t.Errorf("a line has %d columns: %s", len(line), line)
		}
	}
	var files []struct {
		Path    string
		Running []struct {
			ID, State, Path, Sandbox string
			PID                      int
			LogLinesDropped          *int `json:"log_lines_dropped"` // which the table does not show
		}
	}
	_, out, _ = command(all, "plugin", "list", "-o", "json")
	if err := json.Unmarshal([]byte(out), &files); err != nil || len(files) != 1 || len(files[0].Running) != 1 {
		t.Fatalf("plugin list -o json: %v\n%s", err, out)
	}
	if r := files[0].Running[0]; r.ID != "acme" || r.State != "ready" || r.Path != files[0].Path || r.PID == 0 || r.LogLinesDropped == nil {
		t.Errorf("what runs: %+v", r)
	}

	if code, out, stderr := command(all, "provider", "list"); code != exitOK || stderr != "" || !strings.Contains(out, "acme  acme  Acme   ready  acme    environment\n") {
		t.Errorf("provider list: %d\n%s%s", code, out, stderr)
	}
	// The server's environment is not the shell's.
	if code, out, _ := command(environ, "provider", "list"); code != exitOK || !strings.Contains(out, "acme  acme  Acme   ready  acme    the server\n") {
		t.Errorf("provider list without the settings: %d\n%s", code, out)
	}

	code, out, stderr = command(all, "provider", "restart", "acme")
	if code != exitOK || !strings.HasPrefix(out, "provider acme: process ") {
		t.Errorf("provider restart: %d %s%s", code, out, stderr)
	}
	s.logged(t, "plugin_restart")
	s.logged(t, "plugin_swapped")
	if code, _, stderr := command(all, "provider", "restart", "none"); code != exitFailed || !strings.Contains(stderr, "No provider has this id") {
		t.Errorf("of an unknown one: %d %s", code, stderr)
	}

	// What can't take over is told by the lists and by the restart.
	broken := filepath.Join(plugins, "authd-provider-acme")
	if err := os.WriteFile(broken+".new", []byte("#!/bin/sh\necho out of order >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(broken+".new", broken); err != nil {
		t.Fatal(err)
	}
	s.logged(t, "plugin_kept")
	code, out, _ = command(all, "plugin", "list")
	if code != exitOK || !strings.Contains(out, "ready, degraded") || !strings.Contains(out, "acme: the change can't be made and what served before goes on: ") || !strings.Contains(out, "out of order") {
		t.Errorf("plugin list: %d\n%s", code, out)
	}
	code, _, stderr = command(all, "provider", "restart", "acme")
	if code != exitFailed || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "out of order") {
		t.Errorf("provider restart: %d %s", code, stderr)
	}

	s.signal(t, os.Interrupt)
	if code := s.end(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if code, out, stderr := command(all, "plugin", "list"); code != exitOK || strings.Contains(out, "PROVIDER") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("without a server: %d\n%s%s", code, out, stderr)
	}
	if code, _, stderr := command(all, "provider", "restart", "acme"); code != exitFailed || !strings.Contains(stderr, "is it running with this configuration?") {
		t.Errorf("without a server: %d %s", code, stderr)
	}
}

func TestRunningState(t *testing.T) {
	now := time.Now()
	before := running{PID: 7, Ready: true, Since: now}
	for what, c := range map[string]struct {
		now   running
		state string
		done  bool
		err   string
	}{
		"the same process": {running{State: "ready", PID: 7, Ready: true, Since: now}, "ready", false, ""},
		"another":          {running{State: "ready", PID: 8, Ready: true, Since: now}, "ready", true, ""},
		"kept": {
			running{State: "ready", PID: 7, Ready: true, Degraded: true, CandidateFails: 1, CandidateProblem: "no"},
			"ready, degraded", true, "no",
		},
		"failing":  {running{State: "backoff", Problem: "gone", Since: now.Add(1), BreakerOpenUntil: now}, "backoff, calls refused", true, "gone"},
		"starting": {running{State: "starting", Problem: "the one before", Since: now.Add(1)}, "starting", false, ""},
		"as it was": {
			running{State: "quarantined", Problem: "gone", Since: now}, "quarantined", false, "",
		},
	} {
		done, err := c.now.since(before)
		if c.now.state() != c.state || done != c.done || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("%s: %q, %v, %v", what, c.now.state(), done, err)
		}
	}
}

func TestAge(t *testing.T) {
	got := map[time.Duration]string{}
	for _, d := range []time.Duration{-time.Second, 0, 59 * time.Second, 90 * time.Second, 23 * time.Hour, 49 * time.Hour} {
		got[d] = age(d)
	}
	want := map[time.Duration]string{-time.Second: "0s", 0: "0s", 59 * time.Second: "59s", 90 * time.Second: "1m", 23 * time.Hour: "23h", 49 * time.Hour: "2d"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ages (-want +got):\n%s", diff)
	}
}

func TestShort(t *testing.T) {
	if got := short([]string{"a", "b", "c"}) + " " + short([]string{"a", "b", "c", "d", "e"}); got != "a,b,c a,b,c +2" {
		t.Errorf("short: %s", got)
	}
}
