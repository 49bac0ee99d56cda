// Package realtest starts the real software that authd is tested against: nginx,
// Caddy, HAProxy, Apache, Keycloak, npm's oidc-provider and Chromium; and finds Python and npm packages.
// It also builds and starts authd itself, for the tests that run it as a process.
//
//	find.go       where a part is, and how to install it; Checkout
//	port.go       FreePort, FreeAddr: no other test takes them
//	programs.go   Programs: authd and its plugins, built once; Run for TestMain
//	process.go    Start, Launch: start, wait until it is ready, read its log, stop it
//	supervise.go  the same for software that is not ours and may forget its own children
//	child_linux.go  Child, Status, Memory: what /proc says, of the plugins of a process too
//	poll.go       Await, Poll, Answers: wait for what must come
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
