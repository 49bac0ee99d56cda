package importer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/authd/authd/internal/config"
)

// SecretFile is a file that a configuration without secrets in it names.
type SecretFile struct {
	// Path of the file, from the directory that authd starts in.
	Path string
	// Provider is the id of the provider whose secret belongs there, From where that is now.
	Provider, From string
}

// SecretFiles are the files that the configuration names when it holds no secrets itself.
func (r *Result) SecretFiles() []SecretFile {
	var files []SecretFile
	for _, d := range r.providers {
		for _, e := range d.entries {
			if e.secret {
				files = append(files, SecretFile{secretPath(d.id), d.id, e.comment})
			}
		}
	}
	return files
}

// secretPath is where the client secret of a provider is looked for. A provider has but one secret.
func secretPath(id string) string { return "secrets/" + id }

// Providers is how many were carried.
func (r *Result) Providers() int { return len(r.providers) }

// TOML writes the configuration. With secrets it holds them; without, it names [Result.SecretFiles] instead.
func (r *Result) TOML(secrets bool) []byte {
	w := writer{secrets: secrets}
	w.comment("Made by `authd config import --from " + r.system.id + "` of " + cmp.Or(r.file, "the environment") + ".")
	w.comment("A comment says where a value comes from. `authd config check` looks at the whole.")
	w.server(r)
	if r.lifetime > 0 {
		w.line("\n[session]")
		w.key("lifetime", tomlString(duration(r.lifetime)), r.lifetimeFrom)
		if r.lifetime < config.Default().Session.IdleTimeout {
			w.key("idle_timeout", tomlString(duration(r.lifetime)), "not longer than lifetime")
		}
	}
	if len(r.returnTo) > 0 || r.prompt.value != "" {
		w.line("\n[login]")
		w.returnTo(r.returnTo)
		if r.prompt.value != "" {
			w.key("prompt", tomlString(r.prompt.value), r.prompt.comment)
		}
	}
	for _, d := range r.providers {
		w.provider(d)
	}
	return []byte(w.b.String())
}

type writer struct {
	b       strings.Builder
	secrets bool
}

func (w *writer) line(text string) { w.b.WriteString(text + "\n") }

// comment writes what may hold anything: a comment ends with its line.
func (w *writer) comment(text string) { w.line("# " + plain(text)) }

func (w *writer) key(key, value, comment string) {
	if comment != "" {
		value += " # " + plain(comment)
	}
	w.line(key + " = " + value)
}

// server is all comments: where authd is reached only its operator knows.
func (w *writer) server(r *Result) {
	w.line("\n[server]")
	if len(r.server) == 0 {
		w.comment("Write here where browsers reach authd.")
		w.comment(`public_url = "https://auth.example.com"`)
	}
	for _, text := range r.server {
		w.comment(text)
	}
}

func (w *writer) returnTo(items []item) {
	if len(items) == 0 {
		return
	}
	var values, comments []string
	for _, i := range items {
		values, comments = append(values, i.value), append(comments, i.comment)
	}
	w.key("return_to_allow", tomlList(values), strings.Join(comments, "; "))
}

func (w *writer) provider(d *draft) {
	w.line("")
	callback := strings.ReplaceAll(cmp.Or(d.callback, callbackDefault), "{id}", d.id)
	w.comment("Redirect URI to register at the identity provider: server.public_url and " + callback)
	for _, remark := range d.remarks {
		w.comment(remark)
	}
	w.line("[[providers]]")
	w.key("id", tomlString(d.id), "")
	w.key("type", tomlString(d.typ), "")
	for _, e := range ordered(d.entries) {
		w.entry(d, e)
	}
	if d.callback != "" {
		w.key("callback_path", tomlString(d.callback), "where the redirect URI was registered")
	}
}

// ordered puts the label first and the keys of all providers after the settings of the type.
func ordered(entries []entry) []entry {
	rank := func(e entry) int {
		return slices.Index([]string{"label", "", "scopes", "prompt", "authorize_params", "identifier"}, e.key)
	}
	sorted := slices.Clone(entries)
	slices.SortStableFunc(sorted, func(a, b entry) int {
		ra, rb := rank(a), rank(b)
		if ra < 0 {
			ra = 1
		}
		if rb < 0 {
			rb = 1
		}
		return ra - rb
	})
	return sorted
}

func (w *writer) entry(d *draft, e entry) {
	switch {
	case e.secret && !w.secrets:
		w.key(e.key+"_file", tomlString(secretPath(d.id)), e.comment+"; put it into that file, which only authd may read")
	case e.pairs != nil:
		var pairs []string
		for _, name := range sortedKeys(e.pairs) {
			pairs = append(pairs, tomlString(name)+" = "+tomlString(e.pairs[name]))
		}
		w.key(e.key, "{ "+strings.Join(pairs, ", ")+" }", e.comment)
	case e.list != nil:
		w.key(e.key, tomlList(e.list), e.comment)
	default:
		w.key(e.key, tomlString(e.text), e.comment)
	}
}

// duration is one without the zeros that time.Duration puts at its end.
func duration(d time.Duration) string {
	if d%time.Hour == 0 {
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return d.String()
}

func tomlList(values []string) string {
	quoted := make([]string, len(values))
	for i, value := range values {
		quoted[i] = tomlString(value)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// tomlString writes a basic string (TOML 1.0, section String).
func tomlString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// plain keeps a comment on its line.
func plain(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || (c >= 0x7f && c < 0xa0) || c == '\ufffd' {
			return ' '
		}
		return c
	}, text)
}
