//go:build linux

package packaged

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// What must not be there before the package is installed, and not after it has been purged.
var traces = []string{
	"/etc/authd", "/var/lib/authd", "/usr/bin/authd", "/usr/lib/authd", "/usr/lib/systemd/system/authd.service",
	"/usr/lib/systemd/system/authd.socket", "/usr/lib/systemd/system/authd-admin.socket", "/usr/lib/sysusers.d/authd.conf", "/usr/share/doc/authd",
}

// The package is installed, run as its unit says, removed and purged, on this machine: in CI it has nothing to lose.
// Without root it is unpacked into a directory and run there.
func TestPackage(t *testing.T) {
	deb := built.deb(t)
	if os.Geteuid() != 0 {
		t.Log("not root: the package is unpacked and run, and neither installed nor purged; run this test as root for that")
		testRun(t, unpack(t, deb))
		return
	}
	refuseToTouch(t)
	t.Cleanup(func() {
		if t.Failed() { // what the test did not get to
			_ = exec.Command("dpkg", "--purge", "authd").Run()
		}
	})
	run(t, "dpkg", "--install", deb)
	testRun(t, installed(t))
	verifyUnits(t)

	run(t, "dpkg", "--install", deb) // as an upgrade
	wantOwner(t, "/etc/authd/authd.toml", 0o640)

	run(t, "dpkg", "--remove", "authd")
	for _, path := range []string{"/usr/bin/authd", "/usr/lib/authd"} {
		wantGone(t, path)
	}
	for _, path := range []string{"/etc/authd/authd.toml", "/var/lib/authd/authd.db"} {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("removing without purging: %v", err)
		}
	}
	run(t, "dpkg", "--purge", "authd")
	for _, path := range traces {
		wantGone(t, path)
	}
	if _, err := user.Lookup("authd"); err == nil {
		t.Error("the user authd is left")
	}
	if _, err := user.LookupGroup("authd"); err == nil {
		t.Error("the group authd is left")
	}
	if out, err := exec.Command("dpkg-query", "--show", "authd").CombinedOutput(); err == nil {
		t.Errorf("dpkg still knows it: %s", out)
	}
}

// refuseToTouch stops the test on a machine where authd is in use.
func refuseToTouch(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("dpkg-query", "--show", "--showformat=${Status}", "authd").Output(); err == nil && strings.HasPrefix(string(out), "install") {
		t.Fatal("a package authd is installed here, and this test would purge it with its data; run the test elsewhere, or purge it yourself")
	}
	for _, path := range traces {
		if _, err := os.Lstat(path); err == nil {
			t.Fatalf("%s is there already, and this test would remove it; run the test elsewhere, or move it away", path)
		}
	}
	if _, err := user.Lookup("authd"); err == nil {
		t.Fatal("there is a user authd already, and this test would remove it; run the test elsewhere")
	}
}

func wantGone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left (%v)", path, err)
	}
}

// wantOwner wants root and the group authd.
func wantOwner(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	group, err := user.LookupGroup("authd")
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	if stat.Uid != 0 || strconv.Itoa(int(stat.Gid)) != group.Gid || info.Mode().Perm() != mode {
		t.Errorf("%s is %v of %d:%d, want %v of root:authd", path, info.Mode(), stat.Uid, stat.Gid, mode)
	}
}

// installed is the package as dpkg has put it, run as the unit's user.
func installed(t *testing.T) installation {
	t.Helper()
	wantOwner(t, "/etc/authd", 0o750)
	wantOwner(t, "/etc/authd/authd.toml", 0o640)
	u := readUnit(t, "/usr/lib/systemd/system/authd.service")
	who, err := user.Lookup(u["User"])
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.ParseUint(who.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(who.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return installation{credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// unpack is the package in a directory.
func unpack(t *testing.T, deb string) installation {
	t.Helper()
	root := t.TempDir()
	run(t, "dpkg-deb", "--extract", deb, root)
	return installation{root: root, environ: []string{
		"AUTHD_SERVER_PLUGINS_DIR=" + root + "/usr/lib/authd/plugins", "AUTHD_STORE_URL=file:" + root + "/var/lib/authd/authd.db",
	}}
}

// testRun runs the service once, and looks at it from all sides.
func testRun(t *testing.T, in installation) {
	t.Helper()
	s := in.start(t, "OAUTH_GITHUB_CLIENT_ID=a", "OAUTH_GITHUB_CLIENT_SECRET=hush-hush")
	s.await("READY=1")
	s.await("1 of 1 providers ready")
	s.await("WATCHDOG=1")
	for _, path := range []string{"/healthz", "/readyz", "/auth/login"} {
		wantOK(t, http.DefaultClient, "http://"+s.public+path)
	}
	admin := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", s.admin)
	}}}
	wantOK(t, admin, "http://admin/admin/providers")
	in.wantTrustedPlugins(t)
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s.await("STOPPING=1")
	if info, err := os.Stat(in.path("/var/lib/authd/authd.db")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the store: %v, %v; want one that only authd reads", info, err)
	}
	for _, bad := range []string{"hush-hush", "unit-test-session-secret", "can be read by everybody", "secret was made"} {
		if strings.Contains(s.Log(), bad) {
			t.Errorf("the log says %q", bad)
		}
	}
}

func wantOK(t *testing.T, c *http.Client, url string) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("GET %s: %s %s (%v)", url, res.Status, body, err)
	}
}

// wantTrustedPlugins asks the installed program about its own plugins and configuration, as the service's user.
func (in installation) wantTrustedPlugins(t *testing.T) {
	t.Helper()
	config := in.path("/etc/authd/authd.toml")
	for _, args := range [][]string{{"plugin", "list", "--config", config, "-o", "json"}, {"config", "check", "--config", config}} {
		cmd := exec.Command(in.path("/usr/bin/authd"), args...)
		cmd.Dir = in.path("/var/lib/authd")
		cmd.Env = append([]string{"PATH=/usr/bin:/bin"}, in.environ...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: in.credential}
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("authd %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		if args[0] != "plugin" {
			continue
		}
		var list []map[string]any
		if err := json.Unmarshal(out, &list); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		if len(list) != len(plugins(t)) || strings.Contains(string(out), `"trusted": false`) {
			t.Errorf("plugins of the package: %s", out)
		}
	}
}

var exposure = regexp.MustCompile(`exposure level for \S+ ([0-9.]+)`)

// verifyUnits has systemd read the units, and judge how well authd is locked in.
func verifyUnits(t *testing.T) {
	t.Helper()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("systemd-analyze is not installed: the units are run, but nobody judges them")
		return
	}
	for _, name := range []string{"authd.service", "authd.socket", "authd-admin.socket"} {
		unit := filepath.Join("/usr/lib/systemd/system", name)
		if out, err := exec.Command(analyze, "verify", unit).CombinedOutput(); err != nil || strings.Contains(string(out), name+":") {
			t.Errorf("systemd-analyze verify %s: %v\n%s", name, err, out)
		}
	}
	out := run(t, analyze, "security", "--offline=true", "/usr/lib/systemd/system/authd.service")
	level := exposure.FindStringSubmatch(out)
	if level == nil {
		t.Fatalf("no judgement in %s", out)
	}
	if got, err := strconv.ParseFloat(level[1], 64); err != nil || got > 1.5 {
		t.Errorf("the exposure of authd.service is %s, want at most 1.5:\n%s", level[1], out)
	}
}
