package importer

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/authd/authd/internal/config"
)

var identName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// draft is one [[providers]] table on the way.
type draft struct {
	id, typ  string
	remarks  []string // :: comments above the table
	entries  []entry
	origin   variable // where the provider begins, for notes about all of it
	callback string   // callback_path; empty: authd's own
}

// entry is one key of the table. Exactly one of text, list and pairs is set.
type entry struct {
	key     string
	text    string
	list    []string
	pairs   map[string]string
	secret  bool
	comment string
}

func (r *Result) provider(id, typ string, origin variable) *draft {
	d := &draft{id: id, typ: typ, origin: origin}
	r.providers = append(r.providers, d)
	return d
}

// set adds a key, or replaces it.
func (d *draft) set(e entry) {
	if i := slices.IndexFunc(d.entries, func(other entry) bool { return other.key == e.key }); i >= 0 {
		d.entries[i] = e
		return
	}
	d.entries = append(d.entries, e)
}

// setting carries a value as it is.
func (d *draft) setting(r *Result, key string, v variable) {
	d.set(entry{key: key, text: v.value, secret: key == "client_secret", comment: r.origin(v)})
}

// endpoint carries a URL, and warns of one that authd will refuse to use.
func (d *draft) endpoint(r *Result, key string, v variable) {
	d.setting(r, key, v)
	u, err := url.Parse(v.value)
	switch {
	case err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "":
		r.note(v, "was carried, but is not an http(s) URL", "correct "+key+" of provider "+d.id)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		r.note(v, "was carried, but sends logins in clear over the network, which authd refuses", "make it https in the provider "+d.id+", or set insecure_http = true there")
	}
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || (err == nil && ip.Unmap().IsLoopback())
}

// domain carries a host name, of which the four systems want different forms, without its scheme.
func (d *draft) domain(r *Result, key string, v variable) {
	bare := strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(v.value), "https://"), "http://")
	d.set(entry{key: key, text: strings.TrimRight(bare, "/"), comment: r.origin(v)})
}

// scopes carries a list of scopes, with openid before it when the type needs that.
func (d *draft) scopes(r *Result, v variable, scopes []string, openid bool) {
	scopes = slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return s == "" })
	if len(scopes) == 0 {
		r.note(v, "holds no scope", "the type's own scopes are asked for; set scopes of provider "+d.id+" if that is not right")
		return
	}
	e := entry{key: "scopes", list: scopes, comment: r.origin(v)}
	if openid && !slices.Contains(scopes, "openid") {
		e.list = append([]string{"openid"}, scopes...)
		e.comment += "; openid is added, OpenID Connect needs it"
	}
	if fault := refusal(config.ProviderTable{Scopes: e.list}); fault != nil {
		r.note(v, fault.Summary, fault.Mend)
		return
	}
	d.set(e)
}

// prompt carries a prompt that authd knows.
func (d *draft) prompt(r *Result, v variable) {
	if fault := refusal(config.ProviderTable{Prompt: v.value}); fault != nil {
		r.note(v, fault.Summary, fault.Mend)
		return
	}
	if strings.TrimSpace(v.value) != "" {
		d.set(entry{key: "prompt", text: v.value, comment: r.origin(v)})
	}
}

// param adds one parameter of the authorization request.
func (d *draft) param(r *Result, name string, v variable) {
	if lower := strings.ToLower(name); strings.Contains(lower, "secret") || strings.Contains(lower, "password") {
		r.note(v, "looks like a secret, and the browser would see it in the authorization request", "set it by hand, where it belongs")
		return
	}
	if fault := refusal(config.ProviderTable{AuthorizeParams: map[string]string{name: v.value}}); fault != nil {
		r.note(v, fault.Summary, fault.Mend)
		return
	}
	e := entry{key: "authorize_params", pairs: map[string]string{name: v.value}, comment: r.origin(v)}
	if i := slices.IndexFunc(d.entries, func(e entry) bool { return e.key == "authorize_params" }); i >= 0 {
		maps.Copy(e.pairs, d.entries[i].pairs)
		e.pairs[name] = v.value
		e.comment = d.entries[i].comment + "; " + e.comment
	}
	d.set(e)
}

// identifier carries the name of the claim that names the user, if it is one that authd has.
func (d *draft) identifier(r *Result, v variable) bool {
	known := map[string]string{
		"sub": "sub", "email": "email", "name": "name", "preferred_username": "preferred_username",
		"login": "preferred_username", "username": "preferred_username", "upn": "preferred_username", "unique_name": "preferred_username",
	}
	if known[v.value] == "" {
		return false
	}
	d.set(entry{key: "identifier", text: known[v.value], comment: r.origin(v)})
	return true
}

// identify sets the id from a name that the other system allowed, and tells when it had to change.
func (d *draft) identify(r *Result, name string, v variable, oldCallback string) {
	id := identFrom(name)
	if id == "" {
		id = d.typ
	}
	before := strings.ReplaceAll(oldCallback, "{id}", name)
	after := strings.ReplaceAll(cmp.Or(d.callback, callbackDefault), "{id}", id)
	mend := "register the redirect URI anew: " + before + " becomes " + after
	if before == after {
		mend = "nothing to do, if that suits you; the redirect URI stays"
	}
	if id != name {
		r.note(v, "can't be an id as it is; the provider is called "+id, mend)
	}
	d.id = id
}

const callbackDefault = "/auth/oauth/{id}/callback"

// identFrom makes an id that can stand in a URL; "" when nothing is left of the name.
func identFrom(name string) string {
	id := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-':
			return c
		case c == ' ' || c == '_' || c == '.':
			return '-'
		}
		return -1
	}, strings.ToLower(name))
	id = strings.Trim(id, "-")
	if id != "" && (id[0] < 'a' || id[0] > 'z') {
		id = "p-" + id
	}
	return strings.TrimRight(id[:min(len(id), 32)], "-")
}

// distinctIDs renames providers that would share an id.
func (r *Result) distinctIDs() {
	taken := map[string]bool{}
	for _, d := range r.providers {
		if !identName.MatchString(d.id) { // the readers make none such
			d.id = cmp.Or(identFrom(d.id), d.typ)
		}
		id := d.id
		for n := 2; taken[id]; n++ {
			suffix := fmt.Sprintf("-%d", n)
			id = d.id[:min(len(d.id), 32-len(suffix))] + suffix
		}
		if id != d.id {
			r.note(d.origin, fmt.Sprintf("would be a second provider with the id %s; it is called %s", d.id, id), "choose an id, and register the redirect URI of that")
			d.id = id
		}
		taken[id] = true
	}
}

// address takes the address of an application for one that people may be sent back to.
func (r *Result) address(v variable) (origin string, ok bool) {
	u, err := url.Parse(v.value)
	if err != nil || u.Host == "" {
		r.note(v, "is not a URL", "put the application's origin, such as https://app.example.com, into login.return_to_allow")
		return "", false
	}
	host := strings.ToLower(u.Host)
	if (u.Scheme == "https" && u.Port() == "443") || (u.Scheme == "http" && u.Port() == "80") {
		host = strings.TrimSuffix(host, ":"+u.Port())
	}
	origin = strings.ToLower(u.Scheme) + "://" + host
	if fault := tried(func(c *config.Config) { c.Login.ReturnToAllow = []string{origin} }); fault != nil {
		r.note(v, fault.Summary, fault.Mend+"; then put it into login.return_to_allow")
		return "", false
	}
	if !slices.ContainsFunc(r.returnTo, func(i item) bool { return i.value == origin }) {
		r.returnTo = append(r.returnTo, item{origin, r.origin(v)})
	}
	return origin, true
}

// tried puts a value into an otherwise good configuration and returns what authd says against it, or nil.
func tried(set func(*config.Config)) *config.Fault {
	c := config.Default()
	c.Server.PublicURL = "https://auth.example.com"
	set(c)
	var faults *config.Faults
	if errors.As(c.Validate(), &faults) {
		return &faults.List[0]
	}
	return nil
}

func refusal(p config.ProviderTable) *config.Fault {
	p.ID = "x"
	return tried(func(c *config.Config) { c.Providers = []config.ProviderTable{p} })
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// words splits a list of scopes written with spaces or commas.
func words(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r' })
}
