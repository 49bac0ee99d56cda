package catalog

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Threat 132: no new privileges for the plugin; authd itself keeps what it has.
func TestNoNewPrivileges(t *testing.T) {
	before, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	p := ready(t, catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p")}}), "p")
	var got jailed
	if err := json.Unmarshal(tell(t, p, "jail"), &got); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(got.Status, "NoNewPrivs:\t1") {
		t.Errorf("the plugin may gain privileges:\n%s", got.Status)
	}
	score, err := os.ReadFile("/proc/" + itoa(p.Status().PID) + "/oom_score_adj")
	if err != nil || strings.TrimSpace(string(score)) != "500" {
		t.Errorf("oom_score_adj = %q, %v", score, err)
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	marked := 0
	for _, thread := range threads {
		status, err := os.ReadFile("/proc/self/task/" + thread.Name() + "/status")
		if err == nil && strings.Contains(string(status), "NoNewPrivs:\t1") {
			marked++
		}
	}
	if !strings.Contains(string(before), "NoNewPrivs:\t1") && marked != 1 {
		t.Errorf("%d threads of this process are marked, want the spawner's alone", marked)
	}
}

// Threat 131: a file that gives more rights than its user has is not run. Only root can make one.
func TestTrustFileCapabilities(t *testing.T) {
	dir := pluginDir(t)
	file := write(t, filepath.Join(dir, "authd-provider-acme"))
	// VFS_CAP_REVISION_2, effective, CAP_NET_BIND_SERVICE.
	err := unix.Setxattr(file, "security.capability", []byte{1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0)
	want := "has file capabilities; run setcap -r " + file
	if err != nil {
		if os.Geteuid() == 0 {
			t.Fatal(err)
		}
		want = ""
	}
	matches(t, "fault", newTrust(dir, true).fault(file), want)
}
