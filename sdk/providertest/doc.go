// Package providertest is the acceptance kit for providers: one suite, run in three ways. A provider that passes it
// behaves as authd expects, in good times and in bad ones; what it tests is what the package sdk promises.
//
//	Run          a type in this process, over gRPC in memory: in the provider's own tests, with -race
//	RunBinary    any executable, in any language, started as authd starts it
//	CheckBinary  the same without a test: behind "authd plugin check PATH"
//
// The identity provider is devidp, so nothing leaves the machine and no account is needed. A provider's test is:
//
//	func TestProvider(t *testing.T) {
//		providertest.Run(t, providertest.Harness{
//			Type: acme.Type,
//			Settings: func(idp *devidp.Server) map[string]string {
//				return map[string]string{"base_url": idp.URL(), "client_id": "demo", "client_secret": "demo-secret"}
//			},
//		})
//	}
//
// # The checks
//
//	manifest-…, settings-…, describe-…, before-configure, type-unknown    what is said without any configuration
//	process-…                                                            handshake, standard output, shutdown: binaries only
//	configure-…, capabilities, authorize-params, exchange, login, …      the ways of a login
//	token-…, userinfo-…                                                  an identity provider that fails, and whose fault that is
//	id-token-…, identity-…, hybrid-…                                     an identity provider that lies, or is lied about
//	refresh-…, revoke, end-session, password, logout-token-…, check      what only some providers can do
//	parallel, cancel, secrets                                            many at once, callers that leave, what reaches the log
//
// # The map of the package
//
//	harness.go   Harness, Run, RunBinary, CheckBinary    report.go   who is told
//	suite.go     the order of it all                     witness.go  secrets and texts that were seen
//	target.go    a provider in this process              child.go    a provider in another process
//	idp.go       the identity provider, and its people   login.go    the steps of a login
//	guess.go     settings for a binary nobody knows
//	configure.go readme.go    helpers of a provider's own tests: StartIDP, Configure, CheckMistake, CheckREADME
//	static.go process.go flow.go params.go accidents.go lies.go optional.go load.go: the checks
package providertest
