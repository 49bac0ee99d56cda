package importer

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/authd/authd/internal/config"
)

const discoveryPath = "/.well-known/openid-configuration"

// tomlTable is a table of a document, with the lines of its keys.
type tomlTable struct {
	path   string
	values map[string]any
	lines  map[string]int
}

func (t tomlTable) at(key string) string {
	if t.path == "" {
		return key
	}
	return t.path + "." + key
}

// variable is the value of a key as text; ok is false when it is not there or has no text.
func (t tomlTable) variable(key string) (v variable, ok bool) {
	v = variable{name: t.at(key), line: t.lines[t.at(key)]}
	value, found := t.values[key]
	if !found {
		return v, false
	}
	v.value, ok = scalarText(value)
	return v, ok
}

// below is the table of that key; ok is false when it is none.
func (t tomlTable) below(key string) (tomlTable, bool) {
	values, ok := t.values[key].(map[string]any)
	return tomlTable{path: t.at(key), values: values, lines: t.lines}, ok
}

// begin is where a key stands, or the first of the tables below it when it has no line of its own.
func (t tomlTable) begin(key string) variable {
	v := variable{name: t.at(key), line: t.lines[t.at(key)]}
	if v.line > 0 {
		return v
	}
	for path, line := range t.lines {
		if strings.HasPrefix(path, v.name+".") && (v.line == 0 || line < v.line) {
			v.line = line
		}
	}
	return v
}

// keys are in the order of the file.
func (t tomlTable) keys() []string {
	return slices.SortedFunc(func(yield func(string) bool) {
		for key := range t.values {
			if !yield(key) {
				return
			}
		}
	}, func(a, b string) int {
		return cmp.Or(cmp.Compare(t.lines[t.at(a)], t.lines[t.at(b)]), cmp.Compare(a, b))
	})
}

func scalarText(value any) (string, bool) {
	switch value := value.(type) {
	case string:
		return value, true
	case bool:
		return strconv.FormatBool(value), true
	case int64:
		return strconv.FormatInt(value, 10), true
	case float64:
		return strconv.FormatFloat(value, 'g', -1, 64), true
	case time.Time:
		return value.Format(time.RFC3339Nano), true
	}
	return "", false
}

// readStreamlit reads secrets.toml.
func readStreamlit(r *Result, src Source) error {
	if src.File == "" {
		return refuse(config.Fault{Summary: "Streamlit keeps its sign-in settings in a file", Mend: "name it: .streamlit/secrets.toml"})
	}
	root, lines, err := config.ParseDocument(src.File, src.Document)
	if err != nil {
		return err
	}
	top := tomlTable{values: root, lines: lines}
	auth, ok := top.below("auth")
	if !ok {
		return r.nothing("the table [auth]")
	}
	for _, key := range top.keys() {
		if key != "auth" {
			r.note(top.begin(key), "is not about signing in", "leave it with Streamlit")
		}
	}
	shared := tomlTable{path: auth.path, values: map[string]any{}, lines: lines} // the unnamed provider
	for _, key := range auth.keys() {
		named, isTable := auth.below(key)
		switch {
		case isTable && !slices.Contains([]string{"client_kwargs", "authorize_params", "access_token_params"}, key):
			r.streamlitProvider(named, key)
		case slices.Contains([]string{"redirect_uri", "cookie_secret", "expose_tokens"}, key):
			r.streamlitShared(auth, key)
		default:
			shared.values[key] = auth.values[key]
		}
	}
	if len(shared.values) > 0 {
		r.streamlitProvider(shared, "oidc")
	}
	return nil
}

func (r *Result) streamlitShared(auth tomlTable, key string) {
	v, ok := auth.variable(key)
	switch {
	case key == "cookie_secret":
		r.note(v, "is not carried: it signs Streamlit's own cookies", "remove it when authd signs people in; authd makes a secret of its own")
	case key == "expose_tokens":
		r.note(v, "is not carried: an application gets no tokens unless it asks", "see pass_access_token of [[apps]]")
	case !ok || strings.Contains(v.value, "{port}"):
		r.note(v, "holds no fixed address", "put the application's origin into login.return_to_allow")
	default:
		if _, ok := r.address(v); ok {
			r.note(v, "is Streamlit's address; people come back to authd now",
				"its origin was put into login.return_to_allow; register server.public_url and /oauth2callback as redirect URI")
		}
	}
}

// streamlitProvider carries one [auth.NAME], which is always an OpenID provider.
func (r *Result) streamlitProvider(t tomlTable, name string) {
	begin := tomlTable{values: t.values, lines: t.lines}.begin(t.path)
	issuer, ok := r.streamlitIssuer(t, begin)
	if !ok {
		return
	}
	d := r.provider(name, "oidc", begin)
	d.callback = "/oauth2callback"
	d.identify(r, name, begin, "/oauth2callback")
	if d.id != "oidc" {
		d.set(entry{key: "label", text: name, comment: "the name of [" + t.path + "]"})
	}
	d.endpoint(r, "issuer", issuer)
	// Streamlit always sends this unless told otherwise.
	d.set(entry{key: "prompt", text: "select_account", comment: "Streamlit's default"})
	for _, key := range t.keys() {
		r.streamlitKey(d, t, key)
	}
	if !slices.ContainsFunc(d.entries, func(e entry) bool { return e.key == "client_id" }) {
		r.note(begin, "has no client_id", "set client_id of provider "+d.id)
	}
}

// streamlitIssuer finds the issuer behind the address of the discovery document (OpenID Connect Discovery section 4).
func (r *Result) streamlitIssuer(t tomlTable, begin variable) (variable, bool) {
	v, ok := t.variable("server_metadata_url")
	const mend = `write a [[providers]] table with type = "oidc" and the issuer`
	if !ok || v.value == "" {
		r.note(begin, "has no server_metadata_url, so it is no provider", mend)
		return v, false
	}
	issuer, ok := strings.CutSuffix(strings.TrimSpace(v.value), discoveryPath)
	u, err := url.Parse(issuer)
	switch {
	case !ok || err != nil || u.Host == "" || u.RawQuery != "":
		r.note(v, "does not end in "+discoveryPath+", so the issuer can't be told from it", mend+" that the document names")
		return v, false
	case strings.HasSuffix(u.Hostname(), ".auth0.com") && u.Path == "":
		issuer += "/" // Auth0's own documents name it so
	case u.Hostname() == "login.microsoftonline.com" && slices.Contains([]string{"common", "organizations"}, strings.Split(strings.Trim(u.Path, "/"), "/")[0]):
		r.note(v, "was carried, but the document there names no fixed issuer, so no login will pass", "put the id of your tenant into issuer, or use type azure-ad")
	}
	v.value = issuer
	return v, true
}

func (r *Result) streamlitKey(d *draft, t tomlTable, key string) {
	v, ok := t.variable(key)
	below, isTable := t.below(key)
	switch {
	case key == "server_metadata_url":
	case key == "client_kwargs" && isTable:
		r.streamlitKwargs(d, below)
	case key == "authorize_params" && isTable:
		for _, name := range below.keys() {
			r.streamlitParam(d, below, name)
		}
	case !ok:
		r.note(v, "is no text", "set it in provider "+d.id+" by hand")
	case key == "client_id":
		d.setting(r, key, v)
	case key == "client_secret":
		if v.value != "" {
			d.setting(r, key, v)
		}
	case key == "userinfo_endpoint", key == "jwks_uri":
		d.endpoint(r, key, v)
	default:
		r.note(v, "has no counterpart", "nothing to do, if the discovery document holds it; else see the settings of type oidc")
	}
}

func (r *Result) streamlitParam(d *draft, t tomlTable, name string) {
	v, ok := t.variable(name)
	switch {
	case !ok:
		r.note(v, "is no text", "set authorize_params of provider "+d.id+" by hand")
	case name == "prompt":
		d.streamlitPrompt(r, v)
	default:
		d.param(r, name, v)
	}
}

// streamlitPrompt replaces Streamlit's default, with nothing when the prompt is empty.
func (d *draft) streamlitPrompt(r *Result, v variable) {
	d.entries = slices.DeleteFunc(d.entries, func(e entry) bool { return e.key == "prompt" })
	d.prompt(r, v)
}

// streamlitKwargs carries what Streamlit hands to Authlib's client.
func (r *Result) streamlitKwargs(d *draft, t tomlTable) {
	for _, key := range t.keys() {
		v, ok := t.variable(key)
		switch key {
		case "scope", "scopes":
			if list, isList := t.values[key].([]any); isList {
				v.value, ok = joined(list), true
			}
			if ok {
				d.scopes(r, v, words(v.value), true)
			}
		case "token_endpoint_auth_method":
			d.setting(r, key, v)
		case "code_challenge_method":
			if v.value != "S256" {
				r.note(v, "is not carried: authd always sends PKCE with S256", "nothing to do")
			}
		case "timeout", "headers", "verify", "trust_env", "proxies", "cert":
			r.note(v, fmt.Sprintf("is about how %s makes requests", r.system.label), "for certificate authorities set ca_file of provider "+d.id)
		default:
			r.streamlitParam(d, t, key)
		}
	}
}

func joined(list []any) string {
	var parts []string
	for _, element := range list {
		if text, ok := element.(string); ok {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, " ")
}
