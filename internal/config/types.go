package config

import "time"

// Config is the whole configuration of one authd.
type Config struct {
	// Server says where authd listens and how it is reached.
	Server Server `toml:"server"`
	// Store says where sessions and other records are kept.
	Store Store `toml:"store"`
	// Session says how long a login lasts and how the browser holds it.
	Session Session `toml:"session"`
	// Login is about the sign-in page and where people go from there.
	Login Login `toml:"login"`
	// Access says who is let in, over all providers.
	Access Access `toml:"access"`
	// Admin guards the admin listener.
	Admin Admin `toml:"admin"`
	// Plugins says which plugins may be run, and what their processes may do.
	Plugins Plugins `toml:"plugins"`
	// Log says what authd writes on standard error.
	Log Log `toml:"log"`
	// Providers are the identity providers that people sign in with, in the order of the page. None: those that the
	// environment switches on.
	Providers []ProviderTable `toml:"providers"`
	// Apps are the sites behind forward auth, each with its rules. None: every site, for everybody whom access.allow
	// lets in. As soon as there is one, a host that no app has is refused.
	Apps []App `toml:"apps"`
	// Clients are the applications that use authd as their OpenID Provider. None: nobody can. They have no effect in
	// this version.
	Clients []Client `toml:"clients"`

	// Path of the file that was read; empty when there was none.
	Path string `toml:"-"`
	// Warnings are for the operator: things that work but should not stay so.
	Warnings []string `toml:"-"`

	origins map[string]Origin // :: key path ("providers[0].id") → where it was set
}

// Server is the table [server].
type Server struct {
	// Listen is the public listener: host:port, or unix: and the absolute path of a socket.
	Listen string `toml:"listen" default:"127.0.0.1:4180"`
	// PublicURL is the origin under which browsers reach authd, such as "https://auth.example.com". Callbacks, cookies
	// and the issuer derive from it, never from a request. It is https, or http on loopback; it has no path. Empty:
	// http and the address of listen when that is on loopback; otherwise it must be set.
	PublicURL string `toml:"public_url"`
	// TrustedProxies are the addresses or CIDR ranges of the proxies whose X-Forwarded-* and X-Original-* headers are
	// believed. Empty: nobody's.
	TrustedProxies []string `toml:"trusted_proxies"`
	// AdminListen is the listener of /metrics and /admin/*: host:port, or unix: and the absolute path of a socket.
	// Empty: there is none. Whoever reaches it reads /metrics; the rest needs admin.token, or a unix socket.
	AdminListen string `toml:"admin_listen" default:"127.0.0.1:4181"`
	// PluginsDir is the directory of the provider plugins, or a list of them; the first that has a name wins.
	PluginsDir OneOrMore `toml:"plugins_dir" default:"plugins"`
}

// Store is the table [store].
type Store struct {
	// URL names the store: file: and a path for the embedded one, or memory:, which is forgotten at the end. It may
	// hold a password, so it counts as secret.
	URL string `toml:"url" default:"file:authd.db" secret:"url"`
}

// Session is the table [session].
type Session struct {
	// Secret keys all that authd seals and signs for itself: 32 bytes or more, as `authd keygen` prints them. In a
	// list the first signs and all verify, so that a secret can be rotated. Empty: made once and kept in the store.
	Secret OneOrMore `toml:"secret" secret:"yes"`
	// CookieName is the name of the session cookie. On https without cookie_domain it is sent with the prefix __Host-.
	CookieName string `toml:"cookie_name" default:"authd"`
	// CookieDomain shares the login with subdomains: ".example.com". It must cover the host of public_url. Empty: the
	// cookie is for that host alone.
	CookieDomain string `toml:"cookie_domain"`
	// Lifetime is the time after which everybody signs in again, however busy: a duration such as "24h", at most
	// 9600h, the longest that browsers keep a cookie.
	Lifetime time.Duration `toml:"lifetime" default:"720h"`
	// IdleTimeout is the time after which an unused session ends: a duration not above lifetime.
	IdleTimeout time.Duration `toml:"idle_timeout" default:"168h"`
}

// Login is the table [login].
type Login struct {
	// Title is the heading of the sign-in page.
	Title string `toml:"title" default:"Sign in"`
	// Logo is shown above the heading: a path on authd's own origin, an https URL on it, or a data:image/ URI. Empty: authd's mark.
	Logo string `toml:"logo"`
	// ReturnToAllow are the origins besides public_url that people may be sent back to: "https://app.example.com", or
	// "https://*.example.com" for every subdomain at any depth. Plain http is for loopback only. Empty: public_url alone.
	ReturnToAllow []string `toml:"return_to_allow"`
	// Auto skips the sign-in page when there is exactly one provider.
	Auto bool `toml:"auto"`
	// Prompt is sent to every provider that sets none of its own: "login", "consent", "select_account", or several of
	// them with spaces between (OpenID Connect Core section 3.1.2.1). Also OAUTH_PROMPT. Empty: the parameter is not sent.
	Prompt string `toml:"prompt"`
}

// Access is the table [access].
type Access struct {
	// Allow is a rule (CEL) that a person must meet to sign in at all, such as user.email.endsWith("@example.org").
	// Empty: whoever a provider lets in.
	Allow string `toml:"allow"`
}

// Admin is the table [admin].
type Admin struct {
	// Token is what a request to /admin/* must bear (RFC 6750), at least 16 bytes. Empty: none is accepted, and only a
	// unix socket guards the listener.
	Token string `toml:"token" secret:"yes"`
	// Pprof serves Go's profiles under /debug/pprof of the admin listener.
	Pprof bool `toml:"pprof"`
}

// Plugins is the table [plugins].
type Plugins struct {
	// LockFile is the path of the lock file, which `authd plugin lock` writes: while it is there no other plugins are run
	// than those in it, byte for byte. Empty: authd.lock beside the configuration file, if it exists. One that is named
	// here must exist.
	LockFile string `toml:"lock_file"`
	// Sandbox is what is kept from a plugin's process: off, basic (it gains no privileges, dumps no core, has 1024 files
	// at most) or strict (besides, it reads certificates and what it takes to resolve names, writes only into its own
	// directory, and connects over TCP to ports 443 and 53, the proxies and egress_ports; Linux 6.7 or later).
	Sandbox string `toml:"sandbox" default:"basic" enum:"off,basic,strict"`
	// SandboxBestEffort takes as much of the strict sandbox as the kernel can do. Without it a plugin is refused where
	// the kernel can't do all of it.
	SandboxBestEffort bool `toml:"sandbox_best_effort"`
	// MemoryLimit is the most memory that a process may have of its own, such as "512MiB", at least 128MiB; it has no
	// effect with sandbox off. Linux only. Empty: none.
	MemoryLimit string `toml:"memory_limit"`
}

// Log is the table [log].
type Log struct {
	// Level is the least important kind of line that is written: trace, debug, info, warn or error.
	Level string `toml:"level" default:"info" enum:"trace,debug,info,warn,error"`
	// Format says how a line is written: text or json.
	Format string `toml:"format" default:"text" enum:"text,json"`
}

// ProviderTable is one [[providers]] table. Keys that are not listed here are settings of the provider's type, as
// `authd plugin describe TYPE` shows them; a secret one may be given as KEY_file.
type ProviderTable struct {
	// ID names the provider in URLs: a lower-case letter, then up to 31 of [a-z0-9-]. It is unique, and changing it
	// breaks registered redirect URIs.
	ID string `toml:"id"`
	// Type is what kind of provider this is; a plugin must serve it. Empty: the same as id.
	Type string `toml:"type"`
	// Label is the name for people. Empty: the type's.
	Label string `toml:"label"`
	// Icon is the path of an SVG file for the button, at most 32 KiB. Empty: the type's.
	Icon string `toml:"icon"`
	// Scopes are what to ask for. Empty: the type's.
	Scopes []string `toml:"scopes"`
	// Prompt is what to send to this provider, as login.prompt. Empty: OAUTH_<ID>_PROMPT, else login.prompt.
	Prompt string `toml:"prompt"`
	// AuthorizeParams are added to the authorization request. Never state, nonce, redirect_uri, client_id,
	// response_type or code_challenge*: those are authd's own. Empty: none.
	AuthorizeParams map[string]string `toml:"authorize_params"`
	// Identifier is the field that names the user to applications: sub, preferred_username, email or name. Empty: the
	// type's.
	Identifier string `toml:"identifier" enum:"sub,preferred_username,email,name"`
	// Allow is a rule (CEL) that a person who comes through this provider must meet, besides access.allow. Empty: no
	// further rule.
	Allow string `toml:"allow"`
	// Claims replaces what the provider says of a person, field by field: email, email_verified, groups, name and
	// preferred_username, each with an expression (CEL) over claims and user, such as groups = 'claims.roles'. Empty:
	// everything stays as the provider says.
	Claims map[string]string `toml:"claims"`
	// Required makes /readyz fail while this provider is not usable.
	Required bool `toml:"required"`
	// CallbackPath is the path of the redirect URI, for applications registered before authd came: one of
	// /auth/oauth/{id}/callback, /auth/providers/{id}/callback, /auth/oidc/callback, /oauth2callback and
	// /oauth2/callback. Empty: the first.
	CallbackPath string `toml:"callback_path"`
	// InsecureHTTP lets the provider's endpoints be plain http off the loopback. Everybody on the way can then read
	// and change logins.
	InsecureHTTP bool `toml:"insecure_http"`
	// CAFile is the path of further certificate authorities (PEM) for the identity provider. Empty: the system's alone.
	CAFile string `toml:"ca_file"`
	// Sandbox is the one for this provider's process. Empty: plugins.sandbox.
	Sandbox string `toml:"sandbox" enum:"off,basic,strict"`
	// RunAs is the user that the provider's process belongs to; authd must be root. Empty: authd's own.
	RunAs string `toml:"run_as"`
	// EgressPorts are the TCP ports besides 443 that the provider's process may connect to in the strict sandbox. Empty:
	// those of the lock file, if it names any.
	EgressPorts Ports `toml:"egress_ports"`
	// Settings are the keys that belong to the type. Empty: all come from the environment, or the type needs none.
	Settings map[string]string `toml:"-"`
}

// App is one [[apps]] table: a site behind forward auth.
type App struct {
	// Host is the name of the site as browsers use it, without scheme; a port only if it is not the scheme's own, and
	// without one the app is for all ports. "*.example.com" is for all names below example.com that have no app of their
	// own; of two such apps the longer name wins.
	Host string `toml:"host"`
	// PassAccessToken adds X-Auth-Request-Access-Token, the identity provider's token, to the headers of this app.
	PassAccessToken bool `toml:"pass_access_token"`
	// Rules guard paths; the first that matches decides. Empty: every signed-in user.
	Rules []Rule `toml:"rules"`
}

// Rule is one [[apps.rules]] table.
type Rule struct {
	// Path is what the rule is for, letter case included: "/admin", or "/admin/*" for what begins with "/admin/", which
	// "/admin" itself does not. No rule sees the query.
	Path string `toml:"path"`
	// Methods are the HTTP methods that the rule is for, in capitals; HEAD counts as GET. Empty: all.
	Methods []string `toml:"methods"`
	// Public lets everybody through, signed in or not.
	Public bool `toml:"public"`
	// Allow is a rule (CEL) that the user must meet; it may look at request.host, request.path and request.method. It
	// can't stand beside public. Empty: every signed-in user.
	Allow string `toml:"allow"`
}

// Client is one [[clients]] table: an application that uses authd as its OpenID Provider.
type Client struct {
	// ID is the client_id.
	ID string `toml:"id"`
	// Secret is the client_secret, at least 16 bytes. Empty: a public client, which must use PKCE (RFC 7636).
	Secret string `toml:"secret" secret:"yes"`
	// RedirectURIs are all that the client may name, compared byte by byte. At least one.
	RedirectURIs []string `toml:"redirect_uris"`
	// PostLogoutRedirectURIs are all that the client may name at logout. Empty: none.
	PostLogoutRedirectURIs []string `toml:"post_logout_redirect_uris"`
	// RequirePKCE refuses authorization requests without a code challenge. Public clients always need one.
	RequirePKCE bool `toml:"require_pkce" default:"true"`
}

// OneOrMore is a string in the file, or a list of strings.
type OneOrMore []string

// Ports are TCP ports, numbers in the file.
type Ports []uint16

// Origin is where a value was set.
type Origin struct {
	// File that holds the key; empty for the environment.
	File string
	// Line in File, from 1.
	Line int
	// Env is the name in the environment; empty for a file.
	Env string
}
