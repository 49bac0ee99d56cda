// Package e2e tests authd as a whole and from outside: the real program with its real plugins, run as a process, with
// real identity providers, real proxies and a real browser around it.
//
//	main_test.go      builds authd and the plugins once; the parts that tests share
//	process_test.go   one run of the program, the plugins that it starts, its end
//	server_test.go    authd serve: configuration, readiness, the check
//	client_test.go    a browser without JavaScript     tab_test.go  a tab of a real one
//	relay_test.go     what stands between two parts to see what they say
//
//	keycloak_test.go  Keycloak                         node_test.go     npm's oidc-provider
//	proxies_test.go   nginx, Caddy, HAProxy and Apache with the files of examples/, all through one list of
//	behaviours_test.go raw_test.go                     behaviours; raw: what no HTTP client would say
//	nginx_test.go     the estate behind them           dropin_test.go   oauth2-proxy's own configuration
//	replay_test.go    what Traefik and Envoy ask       docs_test.go     docs/proxies.md shows the same files
//	chromium_test.go  pages, screenshots
//	demo_test.go      authd demo                       plugins_test.go  plugins that die, hang and babble
//	start_test.go     from nothing to ready, and what it weighs
//	returnto_test.go  return_to as browsers read it
//
// The tests read processes from /proc, so they are for Linux. Screenshots go to artifacts/, which git ignores;
// go test ./test/e2e -run TestChromium -update makes docs/images/login.png anew, -run TestProxiesPage the files in
// docs/proxies.md.
package e2e
