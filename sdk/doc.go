// Package sdk is all that you need to write a sign-in provider for authd.
//
// # What a plugin is
//
// A plugin is a program of its own, called authd-provider-NAME. Drop it into authd's plugins directory, and a button
// appears on the login page. It serves one or more types ("acme"), and each provider that an operator configures is a
// process of its own: it sees its own settings and no others, and if it falls over, nobody else does.
//
// What is the same for every provider is done already, by authd: state, nonce, PKCE, redirects, cookies, sessions,
// pages, rules. What is left to a provider is what differs: where people are sent, how a code becomes a token, and how
// a token becomes a user.
//
// # The three methods
//
//	AuthorizeParams   the authorization endpoint, and your own parameters for it: scope, prompt, …
//	GetToken          redeems the code: once, with the code_verifier and redirect_uri that you are handed
//	GetUserInfo       says who it is: an id that never changes, a name, perhaps an address, and all raw claims
//
// That is the interface [Provider]. You will rarely write it by hand: the engines sdk/oauth2 and sdk/oidc implement it
// for every identity provider that keeps to the standards, and for most that nearly do. You give them endpoints and a
// function.
//
// # A complete provider
//
// A [Type] is data: what to show to people, what to ask of the operator, and how to make a provider of it.
//
//	func Acme() sdk.Type {
//		return sdk.Type{
//			Name:  "acme",
//			Label: "Acme",
//			Settings: append(sdk.ClientSettings("OAUTH_ACME"), sdk.Setting{
//				Name: "base_url", Env: "OAUTH_ACME_BASE_URL", Default: "https://acme.example",
//				Pattern: `https?://[^\s?#]+`, Help: "Where Acme is.",
//			}),
//			Scopes: []string{"profile"},
//			New:    newAcme,
//		}
//	}
//
//	func newAcme(_ context.Context, c sdk.Config) (sdk.Provider, error) {
//		base := c.Settings["base_url"]
//		return oauth2.New(c, oauth2.Config{
//			AuthStyle: oauth2.AuthBasic,
//			Endpoint:  oauth2.Endpoint{Authorize: base + "/authorize", Token: base + "/token", UserInfo: base + "/userinfo"},
//			Map:       acmeUser,
//		})
//	}
//
//	func acmeUser(_ context.Context, _ *oauth2.Client, raw json.RawMessage, _ *sdk.Token) (*sdk.User, error) {
//		me, err := oauth2.ParseObject(raw)
//		if err != nil {
//			return nil, sdk.UpstreamErrorf("acme: userinfo: %w", err)
//		}
//		return &sdk.User{
//			Sub:               me.String("sub"),
//			PreferredUsername: me.String("preferred_username"),
//			Name:              me.String("name"),
//			Email:             me.String("email"),
//			EmailVerified:     me.Bool("email_verified"),
//		}, nil
//	}
//
// And the program:
//
//	func main() { sdk.Serve(Acme()) }
//
// Three things to get right, since nobody else can:
//
//   - Sub is the id that never changes and is never given to somebody else. Not the login name, not the address.
//   - EmailVerified has three values. Nil means that nobody said, and never counts as verified.
//   - Claims stay the JSON that arrived. A map[string]any turns ids above 2^53 into other people's ids.
//
// # Settings
//
// The operator's settings reach you in [Config], checked: what is Required is there, what has a Pattern matches it,
// defaults are filled in. authd reads them from its configuration file or from the environment name that you give;
// your process sees nothing of authd's environment. Secret ones are masked wherever they would be shown. Use
// Config.HTTP for every request: it has deadlines and bounds, follows no redirect and trusts the operator's
// certificate authorities.
//
// # Errors, and whose fault they are
//
// An error says whose fault it is, because that decides what a person sees, and whether authd tries again:
//
//	UserErrorf("access_denied", …)   the person said no, or is not let in     "You are not allowed in"
//	ConfigErrorf("realm", …)         a setting is wrong                       the operator is told which
//	UpstreamErrorf(…)                the identity provider failed             "Try again, or sign in another way"
//	any other error                  the plugin itself                        "Something went wrong", and a look at your code
//
// Texts go to the log, never to people; they must hold no secret. The engines return such errors by themselves, with
// retry-after and all.
//
// # More than logging in
//
// A provider that can do more says so by having the method, and that is all: [Refresher], [Revoker], [EndSessioner],
// [PasswordLogin], [OpenID], [LogoutTokenVerifier], [Checker]. The engines have those that their configuration allows.
//
// # Testing
//
// The package sdk/providertest is the acceptance kit: some hundred checks against a made-up identity provider that can
// fail, lie and hang on purpose. It takes a few lines and no account anywhere:
//
//	func TestAcme(t *testing.T) {
//		providertest.Run(t, providertest.Harness{
//			Type: Acme(),
//			Settings: func(idp *devidp.Server) map[string]string {
//				return map[string]string{"base_url": idp.URL(), "client_id": "demo", "client_secret": "demo-secret"}
//			},
//		})
//	}
//
// For a binary in any language there is "authd plugin check PATH".
//
// # Dropping it in
//
//	go build -o plugins/authd-provider-acme .
//	OAUTH_ACME_CLIENT_ID=… OAUTH_ACME_CLIENT_SECRET=… authd serve
//
// Run by hand, a plugin knows three flags: -describe prints what it can be configured as, -version its version, and
// -debug serves by hand, under a debugger, and prints where. A whole example with a README is in
// examples/custom-provider; docs/plugins/protocol.md is for those who write no Go.
//
// # The map of the package
//
//	type.go      Type, Setting, Config           provider.go    Provider, what else it may do, what it handles
//	errors.go    Error, and whose fault it is    httpclient.go  Config.HTTP
//	serve.go     Serve, the flags, the lifeline  plugin.go      go-plugin's handshake
//	server.go    the plugin's side of the wire   client.go      authd's side
//	wire.go      Go to protobuf and back         redact.go      messages without their secrets
package sdk
