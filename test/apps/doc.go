// Package apps opens real Streamlit, Panel and Chainlit applications, those of examples/, in a real browser: behind
// nginx as in examples/nginx and behind Caddy as in examples/caddy, with authd and an identity provider beside them.
//
//	main_test.go     builds authd; what the tests share
//	front_test.go    stands before the proxy: it sees what a browser asks for, and lies when it is told to
//	estate_test.go   the proxy, authd, the identity provider and one application
//	tab_test.go      a tab of a browser
//	apps_test.go     what holds for each application behind each proxy
//	panel_test.go    what holds for Panel alone
//
// The applications weigh hundreds of megabytes, so the tests have the build tag "apps": make e2e-apps installs what
// they need and runs them. They are for Linux. Screenshots go to test/e2e/artifacts, which git ignores.
package apps
