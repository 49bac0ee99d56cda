package importer

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/authd/authd/internal/config"
)

const (
	chattoCallback = "/auth/providers/{id}/callback"
	chattoLegacy   = "/auth/oidc/callback"
)

var (
	chattoIndexed = regexp.MustCompile(`^CHATTO_AUTH_PROVIDERS_([0-9]{1,4})_([A-Z0-9_]+)$`)
	chattoEnvLine = regexp.MustCompile(`(?m)^[ \t]*(?:export[ \t]+)?CHATTO_[A-Z0-9_]+[ \t]*=`)
)

// readChatto reads chatto.toml, or a file with CHATTO_* variables, or the environment.
func readChatto(r *Result, src Source) error {
	if src.File != "" && !chattoEnvLine.Match(src.Document) {
		return r.chattoDocument(src)
	}
	vs, err := r.variables(src)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(vs.list, func(v variable) bool { return strings.HasPrefix(v.name, "CHATTO_") }) {
		return r.nothing("names such as CHATTO_AUTH_PROVIDERS_0_ID")
	}
	r.chattoVariables(vs)
	return nil
}

// chattoProvider is one provider of Chatto, from whichever source: the values by the names of chatto.toml.
type chattoProvider struct {
	begin  variable
	values map[string]variable
	legacy bool
}

// chattoVariables collects the numbered providers, and the single one of before.
func (r *Result) chattoVariables(vs *variables) {
	numbered := map[int]*chattoProvider{}
	for _, v := range vs.list {
		m := chattoIndexed.FindStringSubmatch(v.name)
		if m == nil || v.value == "" {
			continue
		}
		n, _ := strconv.Atoi(m[1])
		p := numbered[n]
		if p == nil {
			p = &chattoProvider{begin: v, values: map[string]variable{}}
			numbered[n] = p
		}
		p.values[strings.ToLower(m[2])] = v
		vs.used[v.name] = true
	}
	for _, n := range sortedInts(numbered) {
		r.chattoProvider(*numbered[n])
	}
	if len(numbered) == 0 {
		r.chattoLegacy(vs)
	}
	if v, ok := vs.lookup("CHATTO_WEBSERVER_URL"); ok {
		r.chattoURL(v)
	}
	if v, ok := vs.lookup("CHATTO_AUTH_TOKEN_TTL"); ok {
		r.chattoLifetime(v)
	}
	for _, v := range vs.rest() {
		reason, mend := chattoLeft(strings.ToLower(strings.TrimPrefix(v.name, "CHATTO_")), v.value, len(numbered) > 0)
		r.note(v, reason, mend)
	}
}

func sortedInts[V any](m map[int]V) []int {
	var list []int
	for n := range m {
		list = append(list, n)
	}
	slices.Sort(list)
	return list
}

// chattoLegacy carries CHATTO_AUTH_OIDC_*, which knows one provider.
func (r *Result) chattoLegacy(vs *variables) {
	const prefix = "CHATTO_AUTH_OIDC_"
	p := chattoProvider{values: map[string]variable{}, legacy: true}
	on, given := vs.lookup(prefix + "ENABLED")
	for _, key := range []string{"issuer_url", "client_id", "client_secret", "label", "scopes"} {
		v, ok := vs.lookup(prefix + strings.ToUpper(key))
		if !ok {
			continue
		}
		p.values[key] = v
		if p.begin.name == "" {
			p.begin = v
		}
	}
	r.chattoLegacyProvider(p, on, given)
}

func (r *Result) chattoLegacyProvider(p chattoProvider, on variable, given bool) {
	if enabled, err := strconv.ParseBool(on.value); given && len(p.values) > 0 && err == nil && enabled {
		r.chattoProvider(p)
		return
	}
	if given {
		r.note(on, "leaves the provider oidc off", "set it to true and import again, if you want it")
	}
	for _, key := range sortedKeys(p.values) {
		r.note(p.values[key], "belongs to the provider oidc, which is off", "switch it on and import again, or remove this line")
	}
}

// chattoDocument reads chatto.toml.
func (r *Result) chattoDocument(src Source) error {
	root, lines, err := config.ParseDocument(src.File, src.Document)
	if err != nil {
		return err
	}
	top := tomlTable{values: root, lines: lines}
	auth, hasAuth := top.below("auth")
	web, hasWeb := top.below("webserver")
	if !hasAuth && !hasWeb {
		return r.nothing("[[auth.providers]]")
	}
	list, _ := auth.values["providers"].([]any)
	for i, element := range list {
		path := fmt.Sprintf("auth.providers[%d]", i)
		values, ok := element.(map[string]any)
		if !ok {
			return refuse(config.Fault{File: src.File, Line: lines["auth.providers"], Key: path, Summary: "is no table", Mend: "write [[auth.providers]] on a line of its own"})
		}
		t := tomlTable{path: path, values: values, lines: lines}
		r.chattoProvider(r.chattoTable(t))
	}
	r.chattoAuth(auth, len(list) > 0)
	for _, key := range web.keys() {
		v, _ := web.variable(key)
		if key == "url" {
			r.chattoURL(v)
			continue
		}
		reason, mend := chattoLeft("webserver_"+key, "set", false)
		r.note(v, reason, mend)
	}
	for _, key := range top.keys() {
		if key != "auth" && key != "webserver" {
			r.note(top.begin(key), "is not about signing in", "leave it with Chatto")
		}
	}
	return nil
}

// chattoAuth reads the rest of the table [auth].
func (r *Result) chattoAuth(auth tomlTable, providers bool) {
	for _, key := range auth.keys() {
		v, _ := auth.variable(key)
		legacy, isTable := auth.below(key)
		switch {
		case key == "providers":
		case key == "token_ttl":
			r.chattoLifetime(v)
		case key == "oidc" && isTable && !providers:
			p := r.chattoTable(legacy)
			p.legacy = true
			on, given := p.values["enabled"]
			delete(p.values, "enabled")
			r.chattoLegacyProvider(p, on, given)
		default:
			reason, mend := chattoLeft("auth_"+key, "set", providers)
			r.note(v, reason, mend)
		}
	}
}

// chattoTable takes the values of a table as text, lists joined with commas as in the environment.
func (r *Result) chattoTable(t tomlTable) chattoProvider {
	p := chattoProvider{begin: variable{name: t.path, line: t.lines[t.path]}, values: map[string]variable{}}
	for _, key := range t.keys() {
		v, ok := t.variable(key)
		if list, isList := t.values[key].([]any); isList {
			v.value, ok = strings.ReplaceAll(joined(list), " ", ","), true
		}
		if options, isTable := t.below(key); isTable && len(options.values) == 0 {
			continue
		}
		if !ok && key != "provider_options" {
			r.note(v, "is no text", "set it in authd.toml by hand")
			continue
		}
		if v.value != "" || key == "provider_options" {
			p.values[key] = v
		}
	}
	return p
}

func (r *Result) chattoProvider(p chattoProvider) {
	typ, id := p.values["type"], p.values["id"]
	if p.legacy {
		typ.value, id.value = "oidc", "oidc"
	}
	types := []string{"oidc", "github", "gitlab", "google", "discord"}
	switch {
	case id.value == "" || typ.value == "":
		r.note(p.begin, "has no id or no type, so Chatto would not start with it", "set both and import again")
		return
	case !slices.Contains(types, typ.value):
		r.note(typ, fmt.Sprintf("%.40q is no type of Chatto's", typ.value), "use one of "+strings.Join(types, ", ")+" and import again")
		return
	}
	d := r.provider(id.value, typ.value, p.begin)
	d.callback = chattoCallback
	if p.legacy {
		d.callback = chattoLegacy
	}
	d.identify(r, id.value, id, d.callback)
	r.chattoKeys(d, p)
	r.chattoScopes(d, p)
	missing := []string{"client_id", "client_secret"}
	if typ.value == "oidc" {
		missing = []string{"client_id", "issuer_url"} // a client without a secret is public
	}
	for _, key := range missing {
		if p.values[key].value == "" {
			r.note(p.begin, "has no "+key, "set "+strings.TrimSuffix(key, "_url")+" of provider "+d.id)
		}
	}
}

func (r *Result) chattoKeys(d *draft, p chattoProvider) {
	if label, ok := p.values["label"]; ok {
		d.set(entry{key: "label", text: label.value, comment: r.origin(label)})
	} else if p.legacy {
		d.set(entry{key: "label", text: "Chatto Hub", comment: "Chatto's default"})
	}
	for _, key := range sortedKeys(p.values) {
		v := p.values[key]
		switch key {
		case "id", "type", "label", "scopes", "request_email":
		case "client_id", "client_secret":
			d.setting(r, key, v)
		case "issuer_url":
			if d.typ != "oidc" {
				r.note(v, "is read for type oidc only, in Chatto too", "remove it")
				continue
			}
			d.endpoint(r, "issuer", v)
		case "auto_provision":
			r.note(v, "has no counterpart: authd keeps no accounts", "say with access.allow, or allow of the provider, who gets in")
		default:
			reason := "is no key of a provider in Chatto"
			if strings.HasPrefix(key, "provider_options") {
				reason = "is not carried: Chatto reserves it and reads it nowhere"
			}
			r.note(v, reason, "see `authd plugin describe "+d.typ+"` for what can be set")
		}
	}
}

// chattoScopes carries the scopes, or those that follow from request_email. Without either the type's own are asked
// for: Chatto changed its mind about the default.
func (r *Result) chattoScopes(d *draft, p chattoProvider) {
	openID := slices.Contains([]string{"oidc", "google", "gitlab"}, d.typ)
	v, given := p.values["scopes"]
	email, asked := p.values["request_email"]
	if given {
		d.scopes(r, v, words(v.value), openID)
		return
	}
	if !asked {
		return
	}
	on, err := strconv.ParseBool(email.value)
	if err != nil {
		r.note(email, "is neither true nor false", "set scopes of provider "+d.id)
		return
	}
	scopes := map[string][]string{"github": {"read:user"}, "discord": {"identify"}}[d.typ]
	if scopes == nil {
		scopes = []string{"openid", "profile"}
	}
	if on {
		scopes = append(scopes, map[string]string{"github": "user:email"}[d.typ])
		scopes[len(scopes)-1] = cmp.Or(scopes[len(scopes)-1], "email")
	}
	d.scopes(r, email, scopes, openID)
}

// chattoURL takes Chatto's own address.
func (r *Result) chattoURL(v variable) {
	origin, ok := r.address(v)
	if !ok {
		return
	}
	r.server = append(r.server,
		"Chatto was reached at "+origin+" ("+r.origin(v)+"). Write here where browsers reach authd. It may be the",
		"same address, when the proxy before Chatto sends /auth/ to authd: then the registered redirect URIs stay as they are.",
		`public_url = "`+origin+`"`)
	r.note(v, "is the address of Chatto, not of authd", "it was put into login.return_to_allow; set server.public_url to where browsers reach authd")
}

func (r *Result) chattoLifetime(v variable) {
	d, err := time.ParseDuration(v.value)
	if days, ok := strings.CutSuffix(v.value, "d"); ok && err != nil {
		n, bad := strconv.ParseUint(days, 10, 12)
		d, err = time.Duration(n)*24*time.Hour, bad
	}
	if err != nil {
		r.note(v, "is not a duration", `set session.lifetime, such as "2160h"`)
		return
	}
	r.setLifetime(v, d)
}

// chattoLeft says why a key, by its path with _ between, has no counterpart.
func chattoLeft(key, value string, providers bool) (reason, mend string) {
	switch {
	case value == "":
		return "is empty, so it was not set for Chatto either", "nothing to do"
	case strings.HasPrefix(key, "auth_oidc") && providers:
		return "is not used beside numbered providers: Chatto takes only one of the two", "remove it"
	case strings.HasPrefix(key, "auth_providers"):
		return "is no variable of Chatto", "number providers as CHATTO_AUTH_PROVIDERS_0_ID"
	case strings.HasSuffix(key, "cookie_signing_secret"), strings.HasSuffix(key, "cookie_encryption_secret"):
		return "is not carried: it belongs to Chatto's own cookies", "leave it with Chatto; authd makes a secret of its own"
	case key == "auth_direct_login", key == "auth_direct_registration":
		return "is about Chatto's own accounts", "leave it with Chatto; authd has no password form unless a provider brings one"
	case key == "webserver_trusted_proxies":
		return "is not carried: whom authd believes is for you to say", "set server.trusted_proxies, if authd stands behind the same proxy"
	case strings.HasPrefix(key, "auth_"):
		return "has no counterpart", "leave it with Chatto"
	}
	return "is not about signing in", "leave it with Chatto"
}
