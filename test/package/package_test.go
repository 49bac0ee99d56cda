//go:build linux

package packaged

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/config"
	"github.com/authd/authd/internal/realtest"
)

const version = "v0.9.1-rc.2"

var built = &packages{}

func TestMain(m *testing.M) {
	os.Exit(realtest.Run(m, func() error { return os.RemoveAll(built.dir) }))
}

// packages is a directory in which make package has left what it makes.
type packages struct {
	once sync.Once
	dir  string
	err  error
}

// deb and tarball are the paths of the two packages.
func (p *packages) deb(t *testing.T) string { return p.path(t, "authd_0.9.1~rc.2_*.deb") }

func (p *packages) tarball(t *testing.T) string {
	return p.path(t, "authd-0.9.1-rc.2-linux-*.tar.gz")
}

func (p *packages) path(t *testing.T, pattern string) string {
	t.Helper()
	p.once.Do(func() {
		if p.dir, p.err = os.MkdirTemp("", "authd-packages-"); p.err != nil {
			return
		}
		// apt and dpkg read it as another user.
		p.err = errors.Join(os.Chmod(p.dir, 0o755), p.make())
	})
	if p.err != nil {
		t.Fatal(p.err)
	}
	found, err := filepath.Glob(filepath.Join(p.dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("make package has made %v, want one %s (%v)", found, pattern, err)
	}
	return found[0]
}

func (p *packages) make() error {
	root, err := realtest.ModuleRoot()
	if err != nil {
		return err
	}
	cmd := exec.Command("make", "package", "DIST="+p.dir, "VERSION="+version, "COMMIT=0123456789ab")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make package: %w\n%s", err, out)
	}
	return nil
}

// run runs a command that must succeed and returns what it printed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// plugins are the names of the executables that a package must hold.
func plugins(t *testing.T) (names []string) {
	t.Helper()
	mains, err := filepath.Glob("../../plugins/*/main.go")
	if err != nil || len(mains) == 0 {
		t.Fatalf("no plugins: %v", err)
	}
	for _, main := range mains {
		names = append(names, "authd-provider-"+filepath.Base(filepath.Dir(main)))
	}
	return names
}

func TestDebControl(t *testing.T) {
	deb := built.deb(t)
	want := map[string]string{
		"Package": "authd", "Version": "0.9.1~rc.2", "Section": "net", "Priority": "optional", "Depends": "passwd", "Recommends": "ca-certificates",
		"Architecture": strings.TrimSpace(run(t, "dpkg", "--print-architecture")), "Homepage": "https://github.com/authd/authd",
	}
	for field, value := range want {
		if got := strings.TrimSpace(run(t, "dpkg-deb", "--field", deb, field)); got != value {
			t.Errorf("%s: %q, want %q", field, got, value)
		}
	}
	if got := run(t, "dpkg-deb", "--info", deb, "conffiles"); got != "/etc/authd/authd.toml\n" {
		t.Errorf("conffiles: %q", got)
	}
}

// Threat 149, 157: nobody but root may change what is run, and not everybody may read the configuration.
func TestDebFiles(t *testing.T) {
	want := map[string]string{
		"./usr/bin/authd":                                  "-rwxr-xr-x",
		"./etc/authd/":                                     "drwxr-x---",
		"./etc/authd/authd.toml":                           "-rw-r-----",
		"./usr/lib/systemd/system/authd.service":           "-rw-r--r--",
		"./usr/lib/systemd/system/authd.socket":            "-rw-r--r--",
		"./usr/lib/systemd/system/authd-admin.socket":      "-rw-r--r--",
		"./usr/lib/sysusers.d/authd.conf":                  "-rw-r--r--",
		"./usr/share/bash-completion/completions/authd":    "-rw-r--r--",
		"./usr/share/zsh/vendor-completions/_authd":        "-rw-r--r--",
		"./usr/share/fish/vendor_completions.d/authd.fish": "-rw-r--r--",
		"./usr/share/doc/authd/copyright":                  "-rw-r--r--",
	}
	for _, plugin := range plugins(t) {
		want["./usr/lib/authd/plugins/"+plugin] = "-rwxr-xr-x"
	}
	got := map[string]string{}
	for line := range strings.Lines(run(t, "dpkg-deb", "--contents", built.deb(t))) {
		fields := strings.Fields(line)
		mode, owner, path := fields[0], fields[1], fields[5]
		if owner != "root/root" {
			t.Errorf("%s belongs to %s", path, owner)
		}
		if _, ok := want[path]; ok || !strings.HasPrefix(mode, "d") {
			got[path] = mode
		} else if mode != "drwxr-xr-x" {
			t.Errorf("%s has the mode %s", path, mode)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files of the package (-want +got):\n%s", diff)
	}
}

func TestTarball(t *testing.T) {
	f, err := os.Open(built.tarball(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	packed, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	modes := map[string]os.FileMode{}
	for archive := tar.NewReader(packed); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Uid != 0 || header.Gid != 0 {
			t.Errorf("%s belongs to %d:%d", header.Name, header.Uid, header.Gid)
		}
		_, name, _ := strings.Cut(header.Name, "/")
		modes[name] = header.FileInfo().Mode().Perm()
	}
	want := map[string]os.FileMode{
		"bin/authd": 0o755, "authd.toml": 0o644, "LICENSE": 0o644, "README.md": 0o644,
		"systemd/authd.service": 0o644, "systemd/authd.socket": 0o644, "systemd/authd-admin.socket": 0o644, "systemd/sysusers.conf": 0o644,
	}
	for _, plugin := range plugins(t) {
		want["plugins/"+plugin] = 0o755
	}
	for name, mode := range want {
		if modes[name] != mode {
			t.Errorf("%s has the mode %v, want %v", name, modes[name], mode)
		}
	}
}

// Versions sort for dpkg as they follow one another.
func TestDebVersion(t *testing.T) {
	inOrder := []struct{ described, want string }{
		{"dev", "0~dev"},
		{"v1.2.3-rc.1", "1.2.3~rc.1"},
		{"v1.2.3-rc.1-4-g0abc-dirty", "1.2.3~rc.1+4.g0abc.dirty"},
		{"v1.2.3", "1.2.3"},
		{"v1.2.3-4-g0abc", "1.2.3+4.g0abc"},
		{"v1.2.3-14-g0abc", "1.2.3+14.g0abc"},
		{"v1.2.3-dirty", "1.2.3+dirty"},
		{"v1.2.4", "1.2.4"},
	}
	last := "0~"
	for _, c := range inOrder {
		cmd := exec.Command("../../packaging/build", "version")
		cmd.Env = append(os.Environ(), "VERSION="+c.described)
		out, err := cmd.Output()
		if got := strings.TrimSpace(string(out)); err != nil || got != c.want {
			t.Errorf("%s: %q, want %q (%v)", c.described, got, c.want, err)
		}
		run(t, "dpkg", "--compare-versions", last, "lt", c.want)
		last = c.want
	}
}

// The configuration that is shipped is one that authd accepts, as it stands and with all its examples.
func TestShippedConfiguration(t *testing.T) {
	cfg, err := config.Load("../../packaging/authd.toml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Warnings) != 1 || !strings.HasPrefix(cfg.Warnings[0], "server.public_url is not set") {
		t.Errorf("warnings: %q; want one, that nobody else can reach it", cfg.Warnings)
	}
	text, err := os.ReadFile("../../packaging/authd.toml")
	if err != nil {
		t.Fatal(err)
	}
	// With every "#key" and "#[table]" made real it must be accepted too; "# text" stays a comment.
	var whole strings.Builder
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "# ") && line != "#\n" {
			line = line[1:]
		}
		whole.WriteString(line)
	}
	secret := filepath.Join(t.TempDir(), "github")
	if err := os.WriteFile(secret, []byte("hush"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "authd.toml")
	example := strings.ReplaceAll(whole.String(), "/run/credentials/authd.service/github", secret)
	if err := os.WriteFile(path, []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err = config.Load(path, nil)
	if err != nil {
		t.Fatalf("with its examples: %v\n%s", err, example)
	}
	if len(cfg.Providers) != 1 || cfg.Server.PublicURL != "https://auth.example.com" {
		t.Errorf("the examples are not among what was read: %+v", cfg)
	}
}
