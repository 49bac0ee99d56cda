//go:build unix

package realtest

import "testing"

// StartHAProxy runs HAProxy until the end of the test. conf is a whole configuration, with a "bind 127.0.0.1:${PORT}";
// scripts are files that stand beside it, by name. In all of them ${PORT} and ${DIR} are replaced. It returns when
// HAProxy accepts connections.
func StartHAProxy(t testing.TB, conf string, scripts map[string]string) *Proxy {
	t.Helper()
	bin := Find(t, "haproxy")
	p := newProxy(t)
	for name, text := range scripts {
		p.write(t, name, text)
	}
	p.start(t, "haproxy", nil, bin, "-db", "-f", p.write(t, "haproxy.cfg", conf))
	return p
}
