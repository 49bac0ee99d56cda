// Package realtest starts the real software that authd is tested against: nginx,
// Caddy, HAProxy, Apache, Keycloak, npm's oidc-provider and Chromium; and finds Python and npm packages.
//
//	find.go       where a part is, and how to install it
//	port.go       a free loopback port that no other test takes
//	process.go    start, wait until it answers, collect its log, stop it
//	nginx.go      StartNginx
//	proxy.go      what the next three share
//	caddy.go      StartCaddy
//	haproxy.go    StartHAProxy
//	apache.go     StartApache
//	keycloak.go   StartKeycloak, SharedKeycloak
//	node.go       StartOIDCProvider
//	chromium.go   Chromium, Screenshot
//	python.go     Python, NodeModules: what providers in other languages run with
//	venv.go       Venv, StartService: the applications of examples/
//
// Every server listens on loopback and lives in a directory of its own. A part that
// is not installed fails the test with the command that installs it; nothing is
// skipped. Only tests import this package, and it needs a Unix system.
package realtest
