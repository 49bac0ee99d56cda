//go:build unix

package realtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// portMark stands for the port of nginx in the configuration given to StartNginx.
const portMark = "${PORT}"

// Nginx is a running nginx.
type Nginx struct {
	Port int    // of 127.0.0.1
	URL  string // http://127.0.0.1:PORT
	Dir  string // its prefix: configuration, logs, temporary files
}

// nginxFrame keeps everything that nginx writes inside its own prefix.
const nginxFrame = `%sdaemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr notice;
events { worker_connections 512; }
http {
	access_log access.log;
	client_body_temp_path tmp-body;
	proxy_temp_path tmp-proxy;
	fastcgi_temp_path tmp-fastcgi;
	uwsgi_temp_path tmp-uwsgi;
	scgi_temp_path tmp-scgi;
%s
}
`

// StartNginx runs nginx until the end of the test. conf is what stands inside the
// http block: at least one server that listens on 127.0.0.1:${PORT}; every ${PORT} is
// replaced by the port that was chosen. It returns when nginx accepts connections.
func StartNginx(t testing.TB, conf string) *Nginx {
	t.Helper()
	if !strings.Contains(conf, portMark) {
		t.Fatalf("StartNginx: the configuration does not listen on 127.0.0.1:%s", portMark)
	}
	bin := Find(t, "nginx")
	n := &Nginx{Port: FreePort(t), Dir: t.TempDir()}
	n.URL = "http://127.0.0.1:" + strconv.Itoa(n.Port)

	user := ""
	if os.Getuid() == 0 {
		user = "user root;\n" // the workers of root would become nobody, which can't read the prefix
	}
	text := fmt.Sprintf(nginxFrame, user, strings.ReplaceAll(conf, portMark, strconv.Itoa(n.Port)))
	file := filepath.Join(n.Dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := launch("nginx", n.Dir, nil, bin, "-p", n.Dir, "-e", "stderr", "-c", file)
	if err != nil {
		t.Fatal(err)
	}
	p.attach(t)
	if _, err := p.Ready(pollEvery, 30*time.Second, accepts(n.Port)); err != nil {
		t.Fatal(err)
	}
	return n
}
