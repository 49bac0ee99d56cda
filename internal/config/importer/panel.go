package importer

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/authd/authd/internal/config"
)

var (
	panelCommand = regexp.MustCompile(`^[ \t]*--[a-z]|(?:^|[ \t/"'=])panel["']?[ \t]+["']?serve(?:["' \t]|$)`)
	bareDollar   = regexp.MustCompile(`\$([A-Za-z_][A-Za-z0-9_]*)`)
)

// readPanel reads a file with PANEL_* variables, the command line of `panel serve`, or both; or the environment.
func readPanel(r *Result, src Source) error {
	vs, err := r.panelVariables(src)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(vs.list, func(v variable) bool {
		return strings.HasPrefix(v.name, "PANEL_") || strings.HasPrefix(v.name, "--")
	}) {
		return r.nothing("names such as PANEL_OAUTH_PROVIDER, and `panel serve --oauth-provider=…`")
	}
	p := panel{r: r, vs: vs}
	if v, ok := p.pick("--oauth-provider", "PANEL_OAUTH_PROVIDER"); ok {
		p.provider(v)
	}
	p.expiry()
	for _, v := range vs.rest() {
		reason, mend := panelLeft(v, p.d != nil)
		r.note(v, reason, mend)
	}
	return nil
}

// panelVariables reads each line as an assignment or as a command; of scripts the rest is left out.
func (r *Result) panelVariables(src Source) (*variables, error) {
	if src.File == "" {
		return r.environment(src.Environ), nil
	}
	vs := &variables{used: map[string]bool{}}
	d := dotenv{file: src.File, lines: splitLines(src.Document)}
	for d.next() {
		if panelCommand.MatchString(d.lines[d.at-1]) {
			list, took, ok := shellWords(d.lines[d.at-1:], d.at)
			if !ok {
				return nil, refuse(config.Fault{File: src.File, Line: d.at, Summary: "has a quote that is never closed", Mend: "close it"})
			}
			d.at += took - 1
			r.panelFlags(vs, list)
			continue
		}
		v, ok, err := d.variable()
		switch {
		case err != nil:
			return nil, err
		case !ok:
			r.note(variable{line: d.at}, "is neither KEY=VALUE nor a `panel serve` command", "nothing to do, if it is not about signing in")
		case v.name == "Environment": // of a systemd unit
			list, _, _ := shellWords(d.lines[d.at-1:d.at], d.at)
			list[0].text = strings.TrimPrefix(list[0].text, "Environment=")
			r.panelFlags(vs, list)
		default:
			r.addExpanded(vs, v, d.literal)
		}
	}
	return vs, nil
}

// panelFlags takes the flags out of a command, and the assignments before it.
func (r *Result) panelFlags(vs *variables, list []word) {
	add := func(name, value string, line int) {
		value = bareDollar.ReplaceAllString(value, "$${$1}")
		r.addExpanded(vs, variable{name, value, line}, false)
		if len(vs.list) > 0 {
			last := &vs.list[len(vs.list)-1]
			last.value = strings.ReplaceAll(last.value, string(rune(literalDollar)), "$")
		}
	}
	for i := 0; i < len(list); i++ {
		name, value, given := strings.Cut(list[i].text, "=")
		switch {
		case strings.HasPrefix(name, "--"):
			takes := slices.ContainsFunc(panelKeys(), func(k panelKey) bool { return k.flag == name && k.takesValue })
			if !given && takes && i+1 < len(list) {
				i++
				value = list[i].text
			}
			if !given && !takes {
				value = "true"
			}
			add(name, value, list[i].line)
		case given && slices.ContainsFunc(r.system.prefixes, func(p string) bool { return strings.HasPrefix(name, p) }):
			add(name, value, list[i].line)
		}
	}
}

// panel carries the one provider of a Panel server.
type panel struct {
	r     *Result
	vs    *variables
	d     *draft
	extra []pyPair
	from  variable // of extra
}

// pick returns the first of several names that is set; the others are named as not used.
func (p *panel) pick(names ...string) (variable, bool) {
	var taken variable
	for _, name := range names {
		v, ok := p.vs.lookup(name)
		switch {
		case ok && taken.name == "":
			taken = v
		case ok:
			p.r.note(v, "is not used: "+taken.name+" says it already, and Panel takes only one of them", "remove one of them")
		}
	}
	return taken, taken.name != ""
}

// panelTypes maps Panel's names to authd's types; "": has none.
func panelTypes() map[string]string {
	return map[string]string{
		"github": "github", "gitlab": "gitlab", "google": "google", "azure": "azure-ad", "azurev2": "azure-ad", "okta": "okta",
		"auth0": "auth0", "bitbucket": "bitbucket", "generic": "generic", "auth_code": "code", "code": "code", "password": "password", "pam": "",
	}
}

func (p *panel) provider(v variable) {
	typ, known := panelTypes()[v.value]
	switch {
	case v.value == "pam":
		p.r.note(v, "pam is not carried: authd asks no operating system for passwords", "use type users or password, or write a plugin (examples/custom-provider)")
		return
	case !known:
		p.r.note(v, fmt.Sprintf("%.40q is no provider of Panel's own", v.value), "write a plugin for it, or use type oidc or generic")
		return
	}
	p.d = p.r.provider(typ, typ, v)
	p.readExtra()
	if key, ok := p.pick("--oauth-key", "PANEL_OAUTH_KEY"); ok {
		p.d.setting(p.r, "client_id", key)
	} else {
		p.r.note(v, "has no key beside it, so the provider lacks its client_id", "set client_id of provider "+p.d.id)
	}
	p.secret(v)
	switch typ {
	case "azure-ad":
		p.tenant()
	case "okta":
		p.place("url", "domain", "", true)
		p.oktaServer()
	case "gitlab":
		p.place("url", "domain", "", false)
	case "auth0":
		p.place("subdomain", "domain", ".auth0.com", true)
	case "generic", "code", "password":
		p.endpoints()
	}
	p.scopes()
	p.user()
	p.redirect()
	p.params()
}

func (p *panel) secret(provider variable) {
	secret, ok := p.pick("--oauth-secret", "PANEL_OAUTH_SECRET")
	switch {
	case ok && p.d.typ == "code":
		p.r.note(secret, "is not carried: Panel never sent it with auth_code, and type code has none", "use type generic, if the identity provider wants a secret")
	case ok:
		p.d.setting(p.r, "client_secret", secret)
	case p.d.typ != "code" && p.d.typ != "password":
		p.r.note(provider, "has no secret beside it, so the provider lacks its client_secret", "set client_secret of provider "+p.d.id)
	}
}

// readExtra reads the dictionary of extra parameters.
func (p *panel) readExtra() {
	v, ok := p.pick("--oauth-extra-params", "PANEL_OAUTH_EXTRA_PARAMS")
	if !ok {
		return
	}
	dict, err := pyDict(v.value)
	if err != nil {
		p.r.note(v, "is not a Python dictionary", "write what is in it into the provider "+p.d.id+" of authd.toml")
		return
	}
	p.extra, p.from = dict, v
}

// take removes a parameter from the extra ones and returns it as text.
func (p *panel) take(key string) (variable, bool) {
	i := slices.IndexFunc(p.extra, func(e pyPair) bool { return e.key == key })
	if i < 0 {
		return variable{}, false
	}
	value := p.extra[i].value
	p.extra = slices.Delete(p.extra, i, i+1)
	v := variable{name: p.from.name + " " + key, line: p.from.line}
	switch value := value.(type) {
	case string:
		v.value = value
	case []any:
		var parts []string
		for _, element := range value {
			text, ok := element.(string)
			if !ok {
				p.r.note(v, "holds more than text", "write it into the provider "+p.d.id+" by hand")
				return v, false
			}
			parts = append(parts, text)
		}
		v.value = strings.Join(parts, " ")
	default:
		p.r.note(v, "holds more than text", "write it into the provider "+p.d.id+" by hand")
		return v, false
	}
	return v, true
}

// place carries where the identity provider is.
func (p *panel) place(extra, key, suffix string, needed bool) {
	v, ok := p.take(extra)
	if !ok || v.value == "" {
		if needed {
			p.r.note(p.d.origin, "has no extra parameter "+extra+", without which Panel asked a made-up host", "set "+key+" of provider "+p.d.id)
		}
		return
	}
	v.value += suffix
	p.d.domain(p.r, key, v)
}

// oktaServer: Panel's empty string, the organisation's own server, is false for authd as for Chainlit.
func (p *panel) oktaServer() {
	v, ok := p.take("server")
	if !ok {
		return
	}
	if v.value == "" {
		v.value = "false"
	}
	p.d.setting(p.r, "authorization_server_id", v)
}

func (p *panel) tenant() {
	v, ok := p.pick("AAD_TENANT_ID")
	extra, both := p.take("tenant")
	switch {
	case !ok:
		v, ok = extra, both
	case both:
		p.r.note(extra, "is not used: AAD_TENANT_ID wins in Panel too", "remove one of them")
	}
	const mend = "set tenant_id to the id of your tenant; for several tenants set allowed_tenants too"
	switch {
	case !ok || v.value == "":
		p.r.note(p.d.origin, "has no tenant beside it: Panel let in accounts of every tenant, authd does not", mend)
	case slices.Contains([]string{"common", "organizations", "consumers"}, v.value):
		p.r.note(v, v.value+" lets in accounts of every tenant, which is not carried", mend)
	default:
		p.d.setting(p.r, "tenant_id", v)
	}
}

// endpoints carries the URLs of the providers that have none of their own; extra parameters win over the environment.
func (p *panel) endpoints() {
	authorize, user := "auth_url", "user_info_url"
	if p.d.typ == "code" {
		authorize, user = "authorize_url", "user_url"
	}
	for _, e := range []struct{ extra, env, key string }{
		{"AUTHORIZE_URL", "PANEL_OAUTH_AUTHORIZE_URL", authorize},
		{"TOKEN_URL", "PANEL_OAUTH_TOKEN_URL", "token_url"},
		{"USER_URL", "PANEL_OAUTH_USER_URL", user},
		{"LOGOUT_URL", "PANEL_OAUTH_LOGOUT_URL", "logout_url"},
	} {
		v, ok := p.extraOrEnv(e.extra, e.env)
		unasked := p.d.typ == "password" && (e.key == "auth_url" || e.key == "logout_url")
		switch {
		case ok && unasked:
			p.r.note(v, "is not asked when people type a password", "nothing to do")
		case ok:
			p.d.endpoint(p.r, e.key, v)
		case !unasked && e.key != "logout_url":
			p.r.note(p.d.origin, "has no "+e.env+" beside it", "set "+e.key+" of provider "+p.d.id)
		}
	}
}

func (p *panel) extraOrEnv(extra, env string) (variable, bool) {
	v, ok := p.take(extra)
	other, both := p.pick(env)
	if !ok {
		return other, both
	}
	if both {
		p.r.note(other, "is not used: "+v.name+" wins in Panel too", "remove one of them")
	}
	return v, true
}

func (p *panel) scopes() {
	openID := slices.Contains([]string{"google", "azure-ad", "okta", "auth0", "gitlab"}, p.d.typ)
	if v, ok := p.extraOrEnv("scope", "PANEL_OAUTH_SCOPE"); ok {
		p.d.scopes(p.r, v, words(v.value), openID)
	}
}

// user carries the claim that names people.
func (p *panel) user() {
	own := slices.Contains([]string{"generic", "code", "password"}, p.d.typ)
	v, ok := p.pick("--oauth-jwt-user", "PANEL_OAUTH_JWT_USER")
	key, both := p.extraOrEnv("USER_KEY", "PANEL_USER_KEY")
	switch {
	case !ok:
		v, ok = key, both
	case both:
		p.r.note(key, "is not used: "+v.name+" wins", "remove one of them")
	}
	if !ok {
		p.userDefault()
		return
	}
	if own { // what it names becomes the preferred_username, which is the identifier of these types
		p.d.setting(p.r, map[string]string{"generic": "user_identifier", "code": "user_key", "password": "user_key"}[p.d.typ], v)
	} else if !p.d.identifier(p.r, v) {
		p.r.note(v, fmt.Sprintf("%.40q is no field that can name a user", v.value), "set identifier of provider "+p.d.id+" to sub, preferred_username, email or name")
	}
}

// userDefault keeps the identifiers where Panel's own choice is another one than that of authd's type.
func (p *panel) userDefault() {
	switch p.d.origin.value {
	case "gitlab":
		p.d.set(entry{key: "identifier", text: "preferred_username", comment: "Panel names people by their user name at GitLab"})
	case "azurev2":
		p.r.note(p.d.origin, "named people by the claim email, for which Entra ID does not vouch; authd names them by preferred_username, mostly the same",
			`set identifier = "email" in the provider `+p.d.id+" once Entra ID sends the claims email and xms_edov")
	}
}

func (p *panel) redirect() {
	v, ok := p.pick("--oauth-redirect-uri", "PANEL_OAUTH_REDIRECT_URI")
	if !ok {
		return
	}
	if _, ok := p.r.address(v); ok {
		p.r.note(v, "is Panel's address; people come back to authd now", "it was put into login.return_to_allow; register server.public_url and /auth/oauth/"+p.d.id+"/callback as redirect URI")
	}
}

// params carries what is left of the extra parameters.
func (p *panel) params() {
	for len(p.extra) > 0 {
		key := p.extra[0].key
		v, ok := p.take(key)
		switch {
		case !ok || v.value == "":
		case slices.Contains([]string{"tenant", "subdomain", "url", "server", "AUTHORIZE_URL", "TOKEN_URL", "USER_URL", "LOGOUT_URL"}, key):
			p.r.note(v, "is not read by this provider, in Panel neither", "remove it")
		case key == "audience" && p.d.typ == "auth0":
			p.d.setting(p.r, key, v)
		case key == "prompt":
			p.d.prompt(p.r, v)
		default:
			p.d.param(p.r, key, v)
		}
	}
}

// expiry carries for how many days a login lasts.
func (p *panel) expiry() {
	v, ok := p.pick("--oauth-expiry-days", "PANEL_OAUTH_EXPIRY")
	if !ok {
		return
	}
	days, err := strconv.ParseFloat(v.value, 64)
	if err != nil || math.IsNaN(days) || days > 1e5 || days < 0 {
		p.r.note(v, "is not a number of days", `set session.lifetime, such as "24h"`)
		return
	}
	p.r.setLifetime(v, time.Duration(days*24*float64(time.Hour)).Round(time.Second))
}

// setLifetime takes the time that a login lasts, if authd can keep it.
func (r *Result) setLifetime(v variable, d time.Duration) {
	if fault := tried(func(c *config.Config) { c.Session.Lifetime, c.Session.IdleTimeout = d, min(d, c.Session.IdleTimeout) }); fault != nil {
		r.note(v, fault.Summary, fault.Mend)
		return
	}
	r.lifetime, r.lifetimeFrom = d, r.origin(v)
}
