//go:build linux

package bench

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/authd/authd/internal/realtest"
)

// nginxConf asks as examples/nginx does. An empty file stands for the app: what is measured is the question.
const nginxConf = `%[1]sdaemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr error;
events { worker_connections 512; }
http {
	access_log off;
	keepalive_requests 1000000000; # of the load; those to authd are as they are by default
	client_body_temp_path tmp-body;
	proxy_temp_path tmp-proxy;
	fastcgi_temp_path tmp-fastcgi;
	uwsgi_temp_path tmp-uwsgi;
	scgi_temp_path tmp-scgi;
	upstream authd { server %[3]s; keepalive 32; }
	upstream bare { server %[4]s; keepalive 32; }
	server {
		listen %[2]s;
		root .;
		location = /nothing { return 204; }
		location = /open { try_files /empty =404; }
%[5]s%[6]s	}
}
`

// nginxAsks is a location that only signed-in people reach, and the question to the upstream.
func nginxAsks(upstream string) string {
	var known strings.Builder
	for _, name := range []string{"user", "subject", "email", "preferred_username", "name", "groups", "groups_omitted", "provider", "jwt", "access_token"} {
		fmt.Fprintf(&known, "\t\t\tauth_request_set $authd_%[1]s $upstream_http_x_auth_request_%[1]s;\n", name)
	}
	return fmt.Sprintf(`		location = /%[1]s {
			auth_request /ask-%[1]s;
%[2]s			try_files /empty =404;
		}
		location = /ask-%[1]s {
			internal;
			proxy_pass http://%[1]s/auth/check;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $host;
			proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
			proxy_set_header X-Forwarded-Proto $scheme;
			proxy_set_header X-Forwarded-Host "";
			proxy_set_header X-Forwarded-Uri "";
			proxy_set_header X-Original-Uri "";
			proxy_set_header X-Original-URL $scheme://$host$request_uri;
			proxy_set_header X-Original-Method $request_method;
			proxy_set_header Content-Length "";
			proxy_pass_request_body off;
		}
`, upstream, known.String())
}

// startNginx runs nginx on the server's core and returns it with its worker.
func startNginx(b *testing.B, addr, authd, bare string) (p *process, worker int) {
	b.Helper()
	dir := b.TempDir()
	user := ""
	if os.Getuid() == 0 {
		user = "user root;\n" // nobody could not read the directory
	}
	file := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(nginxConf, user, addr, authd, bare, nginxAsks("authd"), nginxAsks("bare"))
	for name, content := range map[string]string{file: text, filepath.Join(dir, "empty"): ""} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	p = start(b, exec.Command(realtest.Find(b, "nginx"), "-p", dir, "-e", "stderr", "-c", file), serverCore)
	awaitAddr(b, p, addr)
	workers := p.children()
	if len(workers) != 1 {
		b.Fatalf("nginx has the workers %v, not one\n%s", workers, p.errs)
	}
	return p, workers[0]
}

// awaitAddr waits until somebody listens.
func awaitAddr(b *testing.B, p *process, addr string) {
	b.Helper()
	_, err := p.Ready(5*time.Millisecond, limit, func() error {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	if err != nil {
		b.Fatal(err)
	}
}

// measureNginx compares nginx that asks authd with nginx that asks the reference, by the CPU of both processes: on a
// core that does nothing else, that is how many requests there are in a second.
func measureNginx(b *testing.B, t *table) {
	const rounds, requests = 11, 4000
	s := newSite(b, func(s *site) { s.tables += "[[apps]]\nhost = \"127.0.0.1\"\n" })
	id := s.signIn(nil)
	authd := s.serve(serverCore)
	bare, bareAddr := startBare(b, s.sameAs(proxyRequest("/auth/check", s.addr, id, "127.0.0.1")))
	addr := realtest.FreeAddr(b)
	nginx, worker := startNginx(b, addr, s.addr, bareAddr)
	to := func(name string, pids ...int) *target {
		request := strings.Replace(proxyRequest("/"+name, addr, id, ""), "X-Forwarded-For: 192.0.2.17\r\n", "", 1)
		return &target{name: name, pids: append(pids, worker), client: newClient(b, addr, connections, request)}
	}
	targets := []*target{to("nothing"), to("open"), to("bare", bare.pid), to("authd", authd.pid)}
	targets[0].client.expect("204 No Content")
	before := opened(b, s.addr)
	interleave(b, targets, rounds, requests)
	checks := rounds*requests + requests/2
	per := func(i int) float64 { return 1e6 / median(targets[i].spent) }
	of := ratios(targets[2], targets[3])
	t.add(b, row{
		what: "nginx that asks authd, requests / that asks bare Fiber", unit: "×", budget: 0.9, least: true, measured: median(of),
		note: fmt.Sprintf("%.0f / %.0f a second of CPU; no question %.0f, return 204 %.0f; %s", per(3), per(2), per(1), per(0), spread(of)),
	})
	t.add(b, row{
		what: "nginx, new connections to authd in 1,000 checks", unit: "", budget: 2, measured: 1000 * float64(opened(b, s.addr)-before) / float64(checks),
		note: "nginx by itself takes a new one after 1,000 requests",
	})
	nginx.stop()
	authd.stop()
}

// opened counts the connections to addr that are open or were a moment ago: the kernel remembers one for a minute.
func opened(b testing.TB, addr string) int {
	b.Helper()
	_, text, err := net.SplitHostPort(addr)
	if err != nil {
		b.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	sockets, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		b.Fatal(err)
	}
	// Either end may be the one that remembers: what tells connections apart is the port of the other.
	mark, others := fmt.Sprintf(":%04X", port), map[string]bool{}
	for line := range strings.Lines(string(sockets)) {
		fields := strings.Fields(line)
		switch local, remote := fields[1], fields[2]; {
		case strings.HasSuffix(remote, mark):
			others[local] = true
		case strings.HasSuffix(local, mark) && !strings.HasSuffix(remote, ":0000"):
			others[remote] = true
		}
	}
	return len(others)
}
