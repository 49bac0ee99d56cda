//go:build unix

package realtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// apacheModules are those that Debian's apache2 brings; a2enmod switches them on in a real one.
var apacheModules = []string{"mpm_event", "authz_core", "headers", "lua", "proxy", "proxy_http", "ssl"}

// apacheFrame keeps everything that Apache writes inside its own directory.
const apacheFrame = `ServerRoot "${DIR}"
ServerName localhost
Listen 127.0.0.1:${PORT}
PidFile "${DIR}/apache.pid"
DefaultRuntimeDir "${DIR}"
Mutex file:${DIR} default
ErrorLog "/dev/stderr"
LogLevel warn
StartServers 1
ThreadsPerChild 25
`

// StartApache runs Apache's httpd until the end of the test. conf is what stands beside the usual directives: at least
// one <VirtualHost 127.0.0.1:${PORT}>; scripts are files that stand beside it, by name. In all of them ${PORT} and ${DIR}
// are replaced. It returns when Apache accepts connections.
func StartApache(t testing.TB, conf string, scripts map[string]string) *Proxy {
	t.Helper()
	bin := Find(t, "apache2")
	if found, err := filepath.Glob(luaSocket); err != nil || len(found) == 0 {
		t.Fatalf("lua-socket is not installed (looked for %s); run \"make deps\", or: apt-get install lua-socket", luaSocket)
	}
	p := newProxy(t)
	var frame strings.Builder
	for _, module := range apacheModules {
		frame.WriteString("LoadModule " + module + "_module " + filepath.Join(apacheModuleDir, "mod_"+module+".so") + "\n")
	}
	frame.WriteString(apacheFrame)
	for name, text := range scripts {
		p.write(t, name, text)
	}
	if os.Getuid() == 0 { // it does not serve as root, and who it serves as has to read the scripts
		frame.WriteString("User www-data\nGroup www-data\n")
		p.open(t, scripts)
	}
	p.start(t, "apache", nil, bin, "-DFOREGROUND", "-f", p.write(t, "apache.conf", frame.String()+conf))
	return p
}

// open lets everybody read the scripts.
func (p *Proxy) open(t testing.TB, scripts map[string]string) {
	t.Helper()
	if err := os.Chmod(p.Dir, 0o711); err != nil {
		t.Fatal(err)
	}
	for name := range scripts {
		if err := os.Chmod(filepath.Join(p.Dir, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const (
	apacheModuleDir = "/usr/lib/apache2/modules"
	luaSocket       = "/usr/lib/*/lua/5.3/socket/core.so"
)
