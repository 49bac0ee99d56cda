package host

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/audit"
	"github.com/authd/authd/internal/catalog"
)

// operator is a site with somebody at its admin listener.
type operator struct {
	*site
	client *http.Client
	plugin string // the path of the plugin
}

func newOperator(t *testing.T, opt siteOptions) *operator {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "admin.sock")
	opt.admin, opt.own = "unix:"+socket, true
	s := newSite(t, opt)
	o := &operator{site: s, client: overSocket(socket), plugin: filepath.Join(s.server.cfg.Server.PluginsDir[0], "authd-provider-test")}
	t.Cleanup(o.client.CloseIdleConnections)
	return o
}

// ask reads the JSON of an answer into out.
func (o *operator) ask(method, path string, out any) {
	o.t.Helper()
	got := o.do(o.client, method, "http://admin"+path, nil)
	wantStatus(o.t, got, http.StatusOK)
	if err := json.Unmarshal([]byte(got.body), out); err != nil {
		o.t.Fatalf("%v\n%s", err, got.body)
	}
}

func (o *operator) provider() adminProvider {
	o.t.Helper()
	var all []adminProvider
	o.ask(http.MethodGet, "/admin/providers", &all)
	if len(all) != 1 {
		o.t.Fatalf("%d providers", len(all))
	}
	return all[0]
}

// put writes another file in the plugin's place and has it looked for.
func (o *operator) put(content []byte) {
	o.t.Helper()
	if err := os.WriteFile(o.plugin+".tmp", content, 0o755); err != nil {
		o.t.Fatal(err)
	}
	if err := os.Rename(o.plugin+".tmp", o.plugin); err != nil {
		o.t.Fatal(err)
	}
	o.reload()
}

func (o *operator) reload() {
	o.t.Helper()
	if err := o.server.Reload(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
}

// audited counts the lines of the audit log of one kind.
func (o *operator) audited(kind audit.Kind) int {
	return strings.Count(o.logs.String(), `"@message":"`+string(kind)+`"`)
}

func (o *operator) wantAudited(want map[audit.Kind]int) {
	o.t.Helper()
	got := map[audit.Kind]int{}
	for kind := range want {
		got[kind] = o.audited(kind)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		o.t.Errorf("lines of the audit log (-want +got):\n%s\n%s", diff, o.logs)
	}
}

func (o *operator) wantMetrics(lines ...string) {
	o.t.Helper()
	metrics := o.get(o.client, "http://admin/metrics").body
	for _, line := range lines {
		if !strings.Contains(metrics, line+"\n") {
			o.t.Errorf("the metrics lack %s:\n%s", line, metrics)
		}
	}
}

// Every file that looks like a plugin is there with what it serves or why it is not run, and with what runs from it.
func TestAdminPlugins(t *testing.T) {
	t.Parallel()
	o := newOperator(t, siteOptions{})
	binary, err := os.ReadFile(o.plugin)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(binary)
	refused := filepath.Join(filepath.Dir(o.plugin), "authd-provider-open")
	copyFile(t, o.plugin, filepath.Join(filepath.Dir(o.plugin), "authd-provider-zz"))
	copyFile(t, o.plugin, refused)
	if err := os.Chmod(refused, 0o777); err != nil {
		t.Fatal(err)
	}
	o.reload()

	var got struct {
		Plugins   []adminPlugin
		Providers []adminProvider
	}
	o.ask(http.MethodGet, "/admin/plugins", &got)
	files := map[string]adminPlugin{}
	for _, f := range got.Plugins {
		files[f.Name] = f
	}
	if len(files) != 3 || len(got.Providers) != 1 {
		t.Fatalf("plugins: %+v", got)
	}
	f := files["test"]
	if f.Path != o.plugin || f.SHA256 != hex.EncodeToString(sum[:]) || f.Protocol == "" || f.Locked || f.Refused != "" || len(f.Problems) != 0 {
		t.Errorf("the plugin that serves: %+v", f)
	}
	if diff := cmp.Diff([]string{"idp"}, f.Providers); diff != "" || f.Types[0] != "test" {
		t.Errorf("it serves %v, and from it run (-want +got):\n%s", f.Types, diff)
	}
	if f := files["open"]; !strings.Contains(f.Refused, "chmod go-w") || f.SHA256 != "" || len(f.Types)+len(f.Providers) != 0 {
		t.Errorf("the refused one: %+v", f)
	}
	if f := files["zz"]; len(f.Problems) == 0 || f.Problems[0] != "type test is served by "+o.plugin || len(f.Providers) != 0 {
		t.Errorf("the second of a type: %+v", f)
	}
	p := got.Providers[0]
	status := o.server.live().byID["idp"].runtime.Status()
	if p.ID != "idp" || p.State != "ready" || !p.Ready || p.Path != o.plugin || p.PID != status.PID || p.Sandbox != status.Sandbox || p.Sandbox == "" {
		t.Errorf("the provider: %+v, status %+v", p, status)
	}
	if p.ResidentBytes < 1<<20 || p.Degraded || p.Quarantined || p.Since.IsZero() || !p.BreakerOpenUntil.IsZero() {
		t.Errorf("the provider: %+v", p)
	}
	o.wantMetrics(`authd_provider_up{provider="idp"} 1`, `authd_provider_degraded{provider="idp"} 0`, `authd_provider_quarantined{provider="idp"} 0`,
		`authd_provider_breaker_open{provider="idp"} 0`, `authd_provider_in_flight{provider="idp"} 0`, `authd_config_reloads_total{result="ok"} 1`)

	// The lock counts at once.
	lock := o.server.cfg.Path[:len(o.server.cfg.Path)-len("authd.toml")] + "authd.lock"
	text := "version = 1\n[plugins.test]\nversion = '" + f.Version + "'\nprotocol = '" + f.Protocol + "'\ntypes = ['" + strings.Join(f.Types, "', '") + "']\nsha256 = ['" + f.SHA256 + "']\n"
	if err := os.WriteFile(lock, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o.reload()
	o.ask(http.MethodGet, "/admin/plugins", &got)
	for _, f := range got.Plugins {
		if f.Name == "test" && (!f.Locked || f.Refused != "") || f.Name == "zz" && (f.Locked || !strings.Contains(f.Refused, "authd plugin lock --update zz")) {
			t.Errorf("with a lock: %+v", f)
		}
	}
}

// An operator has a process replaced; nobody notices but the audit log.
func TestAdminRestart(t *testing.T) {
	t.Parallel()
	o := newOperator(t, siteOptions{})
	first := o.provider()
	var before adminProvider
	o.ask(http.MethodPost, "/admin/providers/idp/restart", &before)
	if before.PID != first.PID || before.Swaps != 0 {
		t.Errorf("the answer is %+v, want the provider as it was: %+v", before, first)
	}
	o.until("another process", func() bool { now := o.provider(); return now.PID != first.PID && now.Ready })
	if now := o.provider(); now.Swaps != 1 || now.Restarts != first.Restarts {
		t.Errorf("afterwards: %+v", now)
	}
	o.login(o.browser(), "ada", "/auth/oauth/idp")
	o.wantAudited(map[audit.Kind]int{audit.PluginRestart: 1, audit.PluginSwapped: 1, audit.PluginStarted: 1, audit.PluginStopped: 0, audit.PluginCrashed: 0})
	o.wantMetrics(`authd_provider_swaps_total{provider="idp"} 1`)

	got := o.do(o.client, http.MethodPost, "http://admin/admin/providers/none/restart", nil)
	wantStatus(t, got, http.StatusNotFound)
	if !strings.Contains(got.body, "No provider has this id") {
		t.Errorf("of an unknown one: %s", got.body)
	}
	wantStatus(t, o.do(o.client, http.MethodGet, "http://admin/admin/providers/idp/restart", nil), http.StatusMethodNotAllowed)
	o.wantAudited(map[audit.Kind]int{audit.PluginRestart: 1})
}

// A plugin that is replaced by a broken one goes on; each change is in the audit log once, however often is looked.
func TestBrokenPluginIsTold(t *testing.T) {
	t.Parallel()
	o := newOperator(t, siteOptions{})
	good, err := os.ReadFile(o.plugin)
	if err != nil {
		t.Fatal(err)
	}
	o.until("the digest of what runs", func() bool { return o.provider().SHA256 != "" })
	pid := o.provider().PID
	o.put([]byte("#!/bin/sh\necho it is broken >&2\nexit 3\n"))
	o.until("the failed candidate", func() bool { return o.provider().Degraded })
	o.reload()
	o.reload()
	now := o.provider()
	if now.PID != pid || !now.Ready || now.CandidateFails == 0 || !strings.Contains(now.CandidateProblem, "it is broken") {
		t.Errorf("with a broken file: %+v", now)
	}
	var all struct{ Plugins []adminPlugin }
	o.ask(http.MethodGet, "/admin/plugins", &all)
	if f := all.Plugins[0]; len(f.Problems) != 1 || len(f.Types) != 0 || f.Version != "" || f.Providers[0] != "idp" {
		t.Errorf("the broken file: %+v", f)
	}
	o.wantMetrics(`authd_provider_degraded{provider="idp"} 1`, `authd_provider_up{provider="idp"} 1`)
	o.wantAudited(map[audit.Kind]int{audit.PluginKept: 1, audit.PluginStarted: 1, audit.PluginSwapped: 0, audit.PluginRefused: 0})
	if n := strings.Count(o.logs.String(), "plugin can't be used"); n != 1 {
		t.Errorf("the log names the file %d times, want once", n)
	}

	// The old bytes are back: the process that runs has them.
	o.put(good)
	o.until("the end of the problem", func() bool { return !o.provider().Degraded })
	if now := o.provider(); now.PID != pid {
		t.Errorf("process %d, want %d still", now.PID, pid)
	}
	o.wantAudited(map[audit.Kind]int{audit.PluginKept: 1, audit.PluginStarted: 1, audit.PluginSwapped: 0})
}

// What is refused is told once for each cause, and again when it comes back.
func TestRefusalIsToldOnce(t *testing.T) {
	t.Parallel()
	o := newOperator(t, siteOptions{})
	other := filepath.Join(filepath.Dir(o.plugin), "authd-provider-other")
	copyFile(t, o.plugin, other)
	for i, step := range []struct {
		mode os.FileMode
		want int
	}{{0o777, 1}, {0o777, 1}, {0o644, 2}, {0o755, 2}, {0o755, 2}, {0o777, 3}} {
		if err := os.Chmod(other, step.mode); err != nil {
			t.Fatal(err)
		}
		o.reload()
		if n := o.audited(audit.PluginRefused); n != step.want {
			t.Errorf("step %d: %d lines, want %d\n%s", i, n, step.want, o.logs)
		}
	}
	o.rewrite(func(text string) string { return text + "nonsense\n" })
	if err := o.server.Reload(t.Context()); err == nil {
		t.Error("a broken configuration was taken")
	}
	o.wantAudited(map[audit.Kind]int{audit.ReloadRefused: 1, audit.PluginRefused: 3})
	o.wantMetrics(`authd_config_reloads_total{result="ok"} 6`, `authd_config_reloads_total{result="refused"} 1`)
}

func TestLedger(t *testing.T) {
	var l ledger
	for i, step := range []struct {
		kind    audit.Kind
		pid     int
		problem string
		want    bool
	}{
		{audit.PluginStarted, 7, "", true},
		{audit.PluginStarted, 7, "", false}, // a change was taken back
		{audit.PluginCrashed, 0, "exited", true},
		{audit.PluginCrashed, 0, "exited", true}, // each one counts
		{audit.PluginQuarantined, 0, "after 11 failures", true},
		{audit.PluginQuarantined, 0, "after 12 failures", false},
		{audit.PluginStarted, 8, "", true},
		{audit.PluginQuarantined, 0, "after 11 failures", true},
		{audit.PluginRefused, 0, "client_id is not set", true},
		{audit.PluginRefused, 0, "client_id is not set", false},
		{audit.PluginRefused, 0, "region is malformed", true},
		{audit.PluginStopped, 0, "", false}, // it did not run
		{audit.PluginStarted, 9, "", true},
		{audit.PluginStopped, 0, "", true},
		{audit.PluginStopped, 0, "", false},
	} {
		if got := l.news("p", step.kind, catalog.Status{PID: step.pid, Problem: step.problem}); got != step.want {
			t.Errorf("step %d, %s: news = %v", i, step.kind, got)
		}
		if i == 0 && !l.news("q", step.kind, catalog.Status{PID: step.pid}) {
			t.Error("another provider is taken for the same")
		}
	}
}

func TestResidentMemory(t *testing.T) {
	if got := residentMemory(os.Getpid()); got < 1<<20 {
		if _, err := os.Stat("/proc/self/statm"); err == nil {
			t.Errorf("this process has %d bytes", got)
		}
	}
	if got := residentMemory(0); got != 0 {
		t.Errorf("no process has %d bytes", got)
	}
}

// A provider whose plugin is taken away is refused, once, and comes back with the file.
func TestPluginIsTakenAway(t *testing.T) {
	t.Parallel()
	o := newOperator(t, siteOptions{})
	aside := filepath.Join(t.TempDir(), "aside")
	copyFile(t, o.plugin, aside)
	if err := os.Remove(o.plugin); err != nil {
		t.Fatal(err)
	}
	o.reload()
	o.until("the refusal", func() bool { return o.provider().State == "refused" })
	o.reload()
	o.reload()
	if p := o.provider(); p.Ready || p.PID != 0 || p.ResidentBytes != 0 || !strings.Contains(p.Problem, "served by no plugin") {
		t.Errorf("without its file: %+v", p)
	}
	var all struct{ Plugins []adminPlugin }
	if o.ask(http.MethodGet, "/admin/plugins", &all); len(all.Plugins) != 0 {
		t.Errorf("files: %+v", all.Plugins)
	}
	o.wantAudited(map[audit.Kind]int{audit.PluginStarted: 1, audit.PluginRefused: 1, audit.PluginStopped: 0, audit.PluginCrashed: 0})
	o.wantMetrics(`authd_provider_up{provider="idp"} 0`)

	back, err := os.ReadFile(aside)
	if err != nil {
		t.Fatal(err)
	}
	o.put(back)
	o.until("its return", func() bool { return o.provider().Ready })
	o.wantAudited(map[audit.Kind]int{audit.PluginStarted: 2, audit.PluginRefused: 1})
}
