//go:build unix

package realtest

import "testing"

// caddyFrame keeps Caddy to itself: no administration, no certificates from anywhere, no redirects on port 80.
const caddyFrame = `{
	admin off
	auto_https off
	http_port 1
	https_port ${PORT}
	default_bind 127.0.0.1
}
`

// StartCaddy runs Caddy until the end of the test. conf is a Caddyfile without global options; a site without a port is
// served on the https port of the Proxy, which also replaces every ${PORT}. It returns when Caddy accepts connections.
func StartCaddy(t testing.TB, conf string) *Proxy {
	t.Helper()
	bin := Find(t, "caddy")
	p := newProxy(t)
	file := p.write(t, "Caddyfile", caddyFrame+conf)
	p.start(t, "caddy", []string{"HOME=" + p.Dir, "XDG_DATA_HOME=" + p.Dir, "XDG_CONFIG_HOME=" + p.Dir},
		bin, "run", "--config", file, "--adapter", "caddyfile")
	return p
}
