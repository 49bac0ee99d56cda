package importer

import (
	"slices"
	"strings"

	"github.com/authd/authd/internal/config"
)

// chainlitType is one provider of Chainlit, of which it has one instance each.
type chainlitType struct {
	id       string // the same here and at Chainlit
	prefix   string // of its names in the environment
	required []string
	optional []string
	openID   bool
}

// chainlitTypes stand in the order of Chainlit's own list, which is that of its buttons.
func chainlitTypes() []chainlitType {
	client := []string{"CLIENT_ID", "CLIENT_SECRET"}
	with := func(more ...string) []string { return append(slices.Clone(client), more...) }
	return []chainlitType{
		{id: "github", prefix: "GITHUB", required: client, optional: []string{"AUTH_URL", "TOKEN_URL", "USER_INFO_URL"}},
		{id: "google", prefix: "GOOGLE", required: client, openID: true},
		{id: "azure-ad", prefix: "AZURE_AD", required: with("TENANT_ID"), optional: []string{"SCOPES", "ENABLE_SINGLE_TENANT"}, openID: true},
		{id: "azure-ad-hybrid", prefix: "AZURE_AD_HYBRID", required: with("TENANT_ID"), optional: []string{"SCOPES", "ENABLE_SINGLE_TENANT"}, openID: true},
		{id: "okta", prefix: "OKTA", required: with("DOMAIN"), optional: []string{"AUTHORIZATION_SERVER_ID"}, openID: true},
		{id: "auth0", prefix: "AUTH0", required: with("DOMAIN"), optional: []string{"ORIGINAL_DOMAIN"}, openID: true},
		{id: "descope", prefix: "DESCOPE", required: client, openID: true},
		{id: "aws-cognito", prefix: "COGNITO", required: with("DOMAIN"), optional: []string{"SCOPE"}, openID: true},
		{id: "gitlab", prefix: "GITLAB", required: with("DOMAIN"), openID: true},
		{id: "keycloak", prefix: "KEYCLOAK", required: with("REALM", "BASE_URL"), optional: []string{"NAME"}, openID: true},
		{id: "generic", prefix: "GENERIC", required: with("AUTH_URL", "TOKEN_URL", "USER_INFO_URL", "SCOPES"), optional: []string{"NAME", "USER_IDENTIFIER"}},
	}
}

// readChainlit reads an .env file of Chainlit, or the environment.
func readChainlit(r *Result, src Source) error {
	vs, err := r.variables(src)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(vs.list, func(v variable) bool {
		return strings.HasPrefix(v.name, "OAUTH_") || strings.HasPrefix(v.name, "CHAINLIT_")
	}) {
		return r.nothing("names such as OAUTH_GITHUB_CLIENT_ID and CHAINLIT_URL")
	}
	if v, ok := vs.lookup("OAUTH_PROMPT"); ok {
		if fault := refusal(config.ProviderTable{Prompt: v.value}); fault != nil {
			r.note(v, fault.Summary, fault.Mend)
		} else {
			r.prompt = item{v.value, r.origin(v)}
		}
	}
	for _, t := range chainlitTypes() {
		r.chainlitProvider(vs, t)
	}
	r.chainlitURL(vs)
	for _, v := range vs.rest() {
		reason, mend := chainlitLeft(v)
		r.note(v, reason, mend)
	}
	return nil
}

func (t chainlitType) name(suffix string) string { return "OAUTH_" + t.prefix + "_" + suffix }

// chainlitProvider carries one provider, if Chainlit would have shown it: when all that it needs is set.
func (r *Result) chainlitProvider(vs *variables, t chainlitType) {
	var missing, set []string
	for _, suffix := range t.required {
		if vs.has(t.name(suffix)) {
			set = append(set, t.name(suffix))
		} else {
			missing = append(missing, t.name(suffix))
		}
	}
	if len(missing) > 0 {
		for _, name := range set {
			v, _ := vs.lookup(name)
			r.note(v, t.id+" was off, it also needs "+strings.Join(missing, " and "), "set that and import again, or remove this line")
		}
		return
	}
	first, _ := vs.lookup(t.name("CLIENT_ID"))
	d := r.provider(t.id, t.id, first)
	name, renamed := vs.lookup(t.name("NAME"))
	if renamed && slices.Contains(t.optional, "NAME") {
		d.identify(r, name.value, name, callbackDefault)
		d.set(entry{key: "label", text: name.value, comment: r.origin(name)})
	}
	for _, suffix := range append(slices.Clone(t.required), t.optional...) {
		if v, ok := vs.lookup(t.name(suffix)); ok && suffix != "NAME" {
			r.chainlitSetting(d, t, suffix, v)
		}
	}
	if d.typ == "azure-ad" || d.typ == "azure-ad-hybrid" {
		r.chainlitTenant(vs, d, t)
		r.chainlitGraph(vs, d, t)
	}
	r.chainlitPrompt(vs, d, t, name.value)
}

func (r *Result) chainlitSetting(d *draft, t chainlitType, suffix string, v variable) {
	switch suffix {
	case "SCOPES", "SCOPE":
		d.scopes(r, v, words(v.value), t.openID)
	case "DOMAIN", "ORIGINAL_DOMAIN":
		d.domain(r, strings.ToLower(suffix), v)
	case "AUTH_URL", "TOKEN_URL", "USER_INFO_URL", "BASE_URL":
		d.endpoint(r, strings.ToLower(suffix), v)
	case "ENABLE_SINGLE_TENANT":
		d.remarks = append(d.remarks, r.origin(v)+": authd admits the tenant below alone in any case.")
	case "USER_IDENTIFIER":
		d.setting(r, "user_identifier", v) // it becomes the preferred_username, which is the identifier of the type
	default:
		d.setting(r, strings.ToLower(suffix), v)
	}
}

// chainlitTenant says that fewer people get in than before: Chainlit asked at "common" and never looked at the tenant.
func (r *Result) chainlitTenant(vs *variables, d *draft, t chainlitType) {
	if vs.has(t.name("ENABLE_SINGLE_TENANT")) {
		return
	}
	v, _ := vs.lookup(t.name("TENANT_ID"))
	r.note(v, "was carried, and now counts: Chainlit let in accounts of every tenant, because "+t.name("ENABLE_SINGLE_TENANT")+" is not set",
		"nothing to do, if only this tenant should get in; for others see the settings of type "+d.typ)
}

// chainlitGraph keeps the identifiers: Chainlit names people by the userPrincipalName of Microsoft Graph, which it reads
// with User.Read, a scope that is among those of its own choice.
func (r *Result) chainlitGraph(vs *variables, d *draft, t chainlitType) {
	v, given := vs.lookup(t.name("SCOPES"))
	if given && !slices.ContainsFunc(words(v.value), func(scope string) bool {
		return scope == "User.Read" || strings.HasSuffix(scope, "/User.Read")
	}) {
		r.note(v, "holds no User.Read, so Microsoft Graph is not asked, whose userPrincipalName Chainlit named people by; the preferred_username of the ID token stands in for it, mostly the same",
			`set graph = "true" in the provider `+d.id+" if it has to be that name")
		return
	}
	d.set(entry{key: "graph", text: "true", comment: "Chainlit names people by the userPrincipalName of Microsoft Graph"})
}

// chainlitPrompt looks under the name that Chainlit reads first, which follows the provider's id, and then under that
// of the other variables.
func (r *Result) chainlitPrompt(vs *variables, d *draft, t chainlitType, renamed string) {
	id := t.id
	if renamed != "" {
		id = renamed
	}
	names := []string{
		"OAUTH_" + strings.ToUpper(strings.ReplaceAll(id, "-", "_")) + "_PROMPT",
		"OAUTH_" + strings.ToUpper(strings.ReplaceAll(d.id, "-", "_")) + "_PROMPT",
		"OAUTH_" + strings.ToUpper(strings.ReplaceAll(t.id, "-", "_")) + "_PROMPT",
		t.name("PROMPT"),
	}
	taken := ""
	for i, name := range names {
		v, ok := vs.lookup(name)
		switch {
		case !ok || slices.Contains(names[:i], name):
		case taken != "":
			r.note(v, "is not used: "+taken+" says the prompt of "+d.id+" already", "remove one of them")
		default:
			taken = name
			d.prompt(r, v)
		}
	}
}

// chainlitURL explains that authd has an address of its own.
func (r *Result) chainlitURL(vs *variables) {
	v, ok := vs.lookup("CHAINLIT_URL")
	if !ok {
		return
	}
	origin, ok := r.address(v)
	if !ok {
		return
	}
	r.server = append(r.server,
		"Chainlit was reached at "+origin+" ("+r.origin(v)+"). Write here where browsers reach authd. It may be the",
		"same address, when the proxy before Chainlit sends /auth/ to authd: then the registered redirect URIs stay as they are.",
		`public_url = "`+origin+`"`)
	r.note(v, "is the address of Chainlit, not of authd", "it was put into login.return_to_allow; set server.public_url to where browsers reach authd")
}

// chainlitLeft says why a variable has no counterpart.
func chainlitLeft(v variable) (reason, mend string) {
	if v.value == "" {
		return "is empty, so it was not set for Chainlit either", "nothing to do"
	}
	switch v.name {
	case "CHAINLIT_AUTH_SECRET":
		return "is not carried: it signs Chainlit's own cookies, and whoever has it can make sessions", "leave it with Chainlit; authd makes a secret of its own (or set session.secret to what `authd keygen` prints)"
	case "CHAINLIT_AUTH_COOKIE_NAME", "CHAINLIT_AUTH_COOKIE_PATH", "CHAINLIT_COOKIE_SAMESITE", "CHAINLIT_COOKIE_PATH":
		return "is about Chainlit's own cookie", "leave it with Chainlit; authd's cookie has session.cookie_name and cookie_domain, and is always SameSite=Lax"
	case "CHAINLIT_STATE_COOKIE_LIFETIME":
		return "has no counterpart: authd gives each login its own time", "nothing to do"
	case "CHAINLIT_ROOT_PATH", "CHAINLIT_PARENT_ROOT_PATH":
		return "has no counterpart: authd has no path before its routes", "give authd a host of its own, or let the proxy send /auth/ to it"
	case "CHAINLIT_CUSTOM_AUTH":
		return "means a login of your own code, which authd can't run", "make a provider of it: `authd plugin` and docs/plugins tell how"
	}
	switch {
	case strings.HasSuffix(v.name, "_PROMPT") && strings.HasPrefix(v.name, "OAUTH_"):
		return "belongs to a provider that is not switched on", "remove it, or set what that provider needs and import again"
	case slices.ContainsFunc(chainlitTypes(), func(t chainlitType) bool {
		return slices.ContainsFunc(t.optional, func(suffix string) bool { return t.name(suffix) == v.name })
	}):
		return "belongs to a provider that is not switched on", "remove it, or set what that provider needs and import again"
	case strings.HasPrefix(v.name, "OAUTH_"):
		return "is no name that Chainlit's own providers read", "for a provider of your own code write a plugin, or use type oidc or generic"
	case strings.HasPrefix(v.name, "CHAINLIT_"):
		return "is not about signing in", "leave it with Chainlit"
	}
	return "is not about signing in", "leave it where it is"
}
