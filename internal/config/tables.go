package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The callback paths that a provider may be registered with: authd's own, and those of the systems it stands in for.
const callbackDefault = "/auth/oauth/{id}/callback"

// callbackPaths are the possible values of callback_path.
func callbackPaths() []string {
	return []string{callbackDefault, "/auth/providers/{id}/callback", "/auth/oidc/callback", "/oauth2callback", "/oauth2/callback"}
}

// callbackPath returns the path for a provider; ok is false when it is none of the known ones.
func callbackPath(path, id string) (concrete string, ok bool) {
	if path == "" {
		path = callbackDefault
	}
	for _, known := range callbackPaths() {
		if known = strings.ReplaceAll(known, "{id}", id); known == strings.ReplaceAll(path, "{id}", id) {
			return known, true
		}
	}
	return "", false
}

func (k checker) providers() {
	first := map[string]int{}
	for i := range k.cfg.Providers {
		p, at := &k.cfg.Providers[i], fmt.Sprintf("providers[%d]", i)
		k.provider(at, p)
		if other, twice := first[p.ID]; twice {
			k.fault(at+".id", fmt.Sprintf("%s is also the id of providers[%d]", quoted(p.ID), other), "give each provider an id of its own")
		} else if p.ID != "" {
			first[p.ID] = i
		}
	}
}

func (k checker) provider(at string, p *ProviderTable) {
	const idForm = "use a lower-case letter, then up to 31 of a-z, 0-9 and -"
	switch {
	case p.ID == "":
		k.fault(at+".id", "is not set", idForm)
	case !identName.MatchString(p.ID):
		k.fault(at+".id", quoted(p.ID)+" can't stand in a URL as it is", idForm)
	}
	if p.Type != "" && !identName.MatchString(p.Type) {
		k.fault(at+".type", quoted(p.Type)+" is not the name of a type", "`authd plugin list` shows the types")
	}
	if _, ok := callbackPath(p.CallbackPath, p.ID); !ok {
		k.fault(at+".callback_path", quoted(p.CallbackPath)+" is not a path that authd answers", "use one of "+strings.Join(callbackPaths(), ", "))
	}
	if slices.Contains(p.Scopes, "") || strings.ContainsAny(strings.Join(p.Scopes, ""), " ,\t\n") {
		k.fault(at+".scopes", "has an element that is not one scope", `write each scope on its own: ["openid", "email"]`)
	}
	k.found(at+".prompt", checkPrompt(p.Prompt))
	if strings.ContainsFunc(p.RunAs, func(r rune) bool { return r <= ' ' || r == ':' }) {
		k.fault(at+".run_as", quoted(p.RunAs)+" is not the name of a user", "use a name, or a number, that the system knows")
	}
	k.authorizeParams(at+".authorize_params", p.AuthorizeParams)
	k.claims(at+".claims", p.Claims)
	for name := range p.Settings {
		k.setting(at, p, name)
	}
}

// claims looks at the names alone: the expressions are compiled with the other rules.
func (k checker) claims(at string, claims map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		switch {
		case name == "sub":
			k.fault(join(at, name), "can't be mapped: who somebody is stays with the provider", "remove it")
		case !slices.Contains(claimFields(), name):
			k.fault(join(at, name), "is not a field that can be mapped", "use one of "+strings.Join(claimFields(), ", "))
		case strings.TrimSpace(claims[name]) == "":
			k.fault(join(at, name), "is empty", "remove it to keep what the provider says")
		}
	}
}

// claimFields are the fields of a user that claims may replace.
func claimFields() []string {
	return []string{"email", "email_verified", "groups", "name", "preferred_username"}
}

// authorizeParams keeps out the parameters on which the safety of a login rests, and the request object (RFC 9101),
// which could replace any of them.
func (k checker) authorizeParams(at string, params map[string]string) {
	for name := range params {
		switch lower := strings.ToLower(strings.TrimSpace(name)); {
		case lower == "":
			k.fault(at, "has a parameter without a name", "remove it")
		case slices.Contains([]string{"state", "nonce", "redirect_uri", "client_id", "response_type", "request", "request_uri"}, lower),
			strings.HasPrefix(lower, "code_challenge"):
			k.fault(join(at, name), "is authd's own parameter", "remove it")
		}
	}
}

func (k checker) setting(at string, p *ProviderTable, name string) {
	if !settingName.MatchString(name) {
		k.fault(join(at, name), "is not a name for a setting", "use a lower-case letter, then a-z, 0-9 and _")
	}
	if base, isFile := strings.CutSuffix(name, fileSuffix); isFile {
		if _, both := p.Settings[base]; both {
			k.fault(join(at, base), "and "+name+" are both set", "keep one of them")
		}
	}
}

func (k checker) clients() {
	seen := map[string]bool{}
	for i, client := range k.cfg.Clients {
		at := fmt.Sprintf("clients[%d]", i)
		switch {
		case client.ID == "":
			k.fault(at+".id", "is not set", "set it to the client_id of the application")
		case len(client.ID) > 128 || strings.ContainsFunc(client.ID, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
			k.fault(at+".id", quoted(client.ID)+" can't be a client_id", "use up to 128 printable ASCII characters without spaces")
		case seen[client.ID]:
			k.fault(at+".id", quoted(client.ID)+" is the id of another client", "give each client an id of its own")
		}
		seen[client.ID] = true
		k.client(at, client)
	}
}

func (k checker) client(at string, client Client) {
	if client.Secret != "" && len(client.Secret) < minToken {
		k.fault(at+".secret", fmt.Sprintf("has %d bytes, fewer than %d", len(client.Secret), minToken), "make one with `authd keygen`")
	}
	if client.Secret == "" && !client.RequirePKCE {
		k.fault(at+".require_pkce", "is off for a client without a secret", "remove it, or give the client a secret: nothing else would protect its codes")
	}
	if len(client.RedirectURIs) == 0 {
		k.fault(at+".redirect_uris", "is not set", "list at least one")
	}
	for _, uri := range client.RedirectURIs {
		k.found(at+".redirect_uris", checkRedirectURI(uri, client.Secret == ""))
	}
	for _, uri := range client.PostLogoutRedirectURIs {
		k.found(at+".post_logout_redirect_uris", checkRedirectURI(uri, client.Secret == ""))
	}
}
