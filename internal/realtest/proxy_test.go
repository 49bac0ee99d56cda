//go:build unix

package realtest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A proxy answers as its configuration says, with marks replaced in all its files.
func TestProxiesServeWhatTheyAreTold(t *testing.T) {
	for name, start := range map[string]func() *Proxy{
		"Caddy": func() *Proxy {
			return StartCaddy(t, ":${PORT} {\n\trespond \"port ${PORT}\"\n}\n")
		},
		"HAProxy": func() *Proxy {
			return StartHAProxy(t, `global
	lua-load ${DIR}/answer.lua
defaults
	mode http
	timeout connect 5s
	timeout client 5s
	timeout server 5s
frontend all
	bind 127.0.0.1:${PORT}
	http-request lua.answer
	http-request return status 200 content-type text/plain lf-string "port %[var(txn.port)]"
`, map[string]string{"answer.lua": `core.register_action("answer", { "http-req" }, function(txn) txn:set_var("txn.port", "${PORT}") end, 0)` + "\n"})
		},
		"Apache": func() *Proxy {
			return StartApache(t, `<VirtualHost 127.0.0.1:${PORT}>
	<Location "/">
		SetHandler lua-script
	</Location>
	LuaHookTranslateName ${DIR}/answer.lua answer
	LuaMapHandler / ${DIR}/answer.lua handle
</VirtualHost>
`, map[string]string{"answer.lua": `local socket = require "socket"
function answer(r) r.filename = "answer" return apache2.OK end
function handle(r) r:puts("port ${PORT}") return apache2.OK end
`})
		},
	} {
		p := start()
		if status, body := get(t, fmt.Sprintf("http://127.0.0.1:%d/", p.Port)); status != http.StatusOK || body != fmt.Sprintf("port %d", p.Port) {
			t.Errorf("%s: %d %q, want 200 and its port", name, status, body)
		}
	}
}

// A proxy that is not installed is named with the command that installs it.
func TestMissingProxy(t *testing.T) {
	for _, name := range []string{"nginx", "caddy", "haproxy", "apache2"} {
		missing := part{names: []string{"/nonexistent/" + name}, install: parts[name].install}
		if _, err := missing.find(name); err == nil || !strings.Contains(err.Error(), "apt-get install "+strings.TrimSuffix(name, "-light")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
