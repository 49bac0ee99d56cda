//go:build linux

package packaged

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/authd/authd/internal/realtest"
)

// unit is a systemd unit: what each setting of it is set to last.
type unit map[string]string

func readUnit(t *testing.T, path string) unit {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	u := unit{}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			u[key] = value
		}
	}
	return u
}

// service is what systemd does for authd.service, as far as it can be done without it: the directories, the user, the
// sockets, the credentials, the notifications.
type service struct {
	*realtest.Process
	t      *testing.T
	public string // address of authd.socket; the unit's own may be taken on this machine
	admin  string // path of authd-admin.socket
	notify *net.UnixConn
}

// installation says where the package is and whom authd runs as.
type installation struct {
	root       string // "" when it is installed
	credential *syscall.Credential
	environ    []string // what an installation that is elsewhere needs
}

func (in installation) path(name string) string { return in.root + name }

// start starts the service; at the end of the test it is ended if it still runs.
func (in installation) start(t *testing.T, environ ...string) *service {
	t.Helper()
	u := readUnit(t, in.path("/usr/lib/systemd/system/authd.service"))
	dir := realtest.ShortDir(t)
	s := &service{t: t, admin: filepath.Join(dir, "admin")}
	runtime, credentials := filepath.Join(dir, u["RuntimeDirectory"]), filepath.Join(dir, "credentials")
	state := in.path("/var/lib/" + u["StateDirectory"])
	for _, made := range []string{runtime, credentials, state} {
		if err := os.MkdirAll(made, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	secret := filepath.Join(credentials, "session_secret")
	if err := os.WriteFile(secret, []byte("unit-test-session-secret-0123456789"), 0o400); err != nil {
		t.Fatal(err)
	}
	sockets := s.listen(dir)
	for _, owned := range []string{dir, runtime, credentials, secret, state, filepath.Join(dir, "notify"), s.admin} {
		if c := in.credential; c != nil {
			if err := os.Chown(owned, int(c.Uid), int(c.Gid)); err != nil {
				t.Fatal(err)
			}
		}
	}
	// LISTEN_PID is the id that the shell hands on to authd.
	args := append([]string{"-c", `umask ` + u["UMask"] + `; LISTEN_PID=$$ exec "$0" "$@"`}, in.execStart(u)...)
	cmd := exec.Command("/bin/sh", args...)
	cmd.Dir = state
	cmd.Env = append(append(append([]string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "NOTIFY_SOCKET=" + filepath.Join(dir, "notify"), "WATCHDOG_USEC=3000000",
		"LISTEN_FDS=2", "LISTEN_FDNAMES=authd:authd-admin", "RUNTIME_DIRECTORY=" + runtime, "STATE_DIRECTORY=" + state,
		"CREDENTIALS_DIRECTORY=" + credentials, "AUTHD_SESSION_SECRET_FILE=" + secret,
	}, in.environ...), environ...), "AUTHD_LOG_FORMAT=json")
	cmd.ExtraFiles = sockets
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: in.credential}
	s.Process = realtest.Start(t, cmd)
	return s
}

// execStart is the unit's command line, with the paths of this installation.
func (in installation) execStart(u unit) []string {
	words := strings.Fields(u["ExecStart"])
	for i, word := range words {
		if strings.HasPrefix(word, "/") {
			words[i] = in.path(word)
		}
	}
	return words
}

// listen opens the sockets that systemd would hold.
func (s *service) listen(dir string) []*os.File {
	s.t.Helper()
	var err error
	if s.notify, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"}); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = s.notify.Close() })
	public, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = public.Close() })
	s.public = public.Addr().String()
	admin, err := net.Listen("unix", s.admin)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = admin.Close() })
	files := make([]*os.File, 2)
	for i, l := range []interface{ File() (*os.File, error) }{public.(*net.TCPListener), admin.(*net.UnixListener)} {
		if files[i], err = l.File(); err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { _ = files[i].Close() })
	}
	return files
}

// await reads what systemd is told until it holds text.
func (s *service) await(text string) {
	s.t.Helper()
	if err := s.notify.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		s.t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	for {
		n, err := s.notify.Read(buffer)
		if err != nil {
			s.t.Fatalf("systemd was not told %q: %v; the log:\n%s", text, err, s.Log())
		}
		if strings.Contains(string(buffer[:n]), text) {
			return
		}
	}
}

// stop does what systemctl stop does and returns the exit code.
func (s *service) stop() int {
	s.t.Helper()
	seconds, err := strconv.Atoi(readUnit(s.t, "../../packaging/authd.service")["TimeoutStopSec"])
	if err != nil {
		s.t.Fatal(err)
	}
	code, err := s.Stop(syscall.SIGTERM, time.Duration(seconds)*time.Second)
	if err != nil {
		s.t.Errorf("the time that the unit allows: %v", err)
	}
	return code
}
