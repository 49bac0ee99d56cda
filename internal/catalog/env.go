package catalog

import (
	"fmt"
	"slices"
	"strings"
)

// inherited are the only variables of authd's own environment that a plugin sees: how to trust and how to reach
// the outside. PATH is added for scripts, whose first line names an interpreter.
var inherited = []string{"SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "TZ"}

// runtimeEnv keeps a plugin written in Go small, and has it print all its stacks when it is asked for them.
var runtimeEnv = []string{"GOMAXPROCS=2", "GOGC=200", "GOMEMLIMIT=128MiB", "GOTRACEBACK=all"}

// pluginEnv is the environment of a plugin's process: what is inherited from environ, then what the operator set
// for this provider, then what the handshake needs, each over the one before.
func pluginEnv(environ []string, script bool, extra map[string]string, handshake []string) []string {
	allowed := inherited
	if script {
		allowed = append([]string{"PATH"}, inherited...)
	}
	var env []string
	for _, entry := range environ {
		if name, _, ok := strings.Cut(entry, "="); ok && slices.Contains(allowed, name) {
			env = append(env, entry)
		}
	}
	env = append(env, runtimeEnv...)
	for name, value := range extra {
		env = append(env, fmt.Sprintf("%s=%s", name, value))
	}
	return append(env, handshake...)
}
