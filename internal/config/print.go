package config

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/authd/authd/sdk"
)

// mask stands for a secret in everything that is printed.
const mask = "***"

// Print writes the effective configuration as TOML, each secret as "***". providers are what [Config.Resolve] made
// of it; types tell which of their settings are secret, and settings of a type that is not among them are all masked.
func (c *Config) Print(w io.Writer, providers []Provider, types []sdk.Type) error {
	shown := *c
	shown.Providers = make([]ProviderTable, len(providers))
	for i, p := range providers {
		shown.Providers[i] = p.table(types)
		if i < len(c.Providers) { // paths, of which the provider only has the contents
			shown.Providers[i].Icon, shown.Providers[i].CAFile = c.Providers[i].Icon, c.Providers[i].CAFile
		}
	}
	return shown.write(w, true)
}

// table is the [[providers]] table that would make the provider, with its secrets masked.
func (p Provider) table(types []sdk.Type) ProviderTable {
	table := ProviderTable{
		ID: p.ID, Type: p.Type, Label: p.Label, Scopes: p.Scopes, Prompt: p.Prompt, AuthorizeParams: p.AuthorizeParams,
		Identifier: p.Identifier, Allow: p.Allow, Claims: p.Claims, Required: p.Required, CallbackPath: p.CallbackPath, InsecureHTTP: p.InsecureHTTP,
		Sandbox: p.Sandbox, RunAs: p.RunAs, EgressPorts: p.EgressPorts, Settings: map[string]string{},
	}
	i := slices.IndexFunc(types, func(t sdk.Type) bool { return t.Name == p.Type })
	for name, value := range p.Settings {
		public := i >= 0 && slices.ContainsFunc(types[i].Settings, func(s sdk.Setting) bool { return s.Name == name && !s.Secret })
		if !public || slices.Contains(p.SecretValues, value) {
			value = mask
		}
		table.Settings[name] = value
	}
	return table
}

// write renders the configuration so that Load reads the same again, but for what is masked.
func (c *Config) write(w io.Writer, masked bool) error {
	p := printer{w: bufio.NewWriter(w), masked: masked}
	p.table("", reflect.ValueOf(c).Elem())
	return p.w.Flush()
}

type printer struct {
	w      *bufio.Writer
	masked bool
}

// table writes the keys of a table, and below them the tables in it. What a bufio.Writer can't write it remembers
// until Flush.
func (p *printer) table(path string, v reflect.Value) {
	fields := fieldsOf(v.Type())
	for _, f := range fields {
		if !f.isTable() && !f.isTables() {
			p.key(f, v.Field(f.index))
		}
	}
	if table, ok := v.Addr().Interface().(*ProviderTable); ok {
		for _, name := range slices.Sorted(maps.Keys(table.Settings)) {
			fmt.Fprintf(p.w, "%s = %s\n", tomlKey(name), tomlString(table.Settings[name]))
		}
	}
	for _, f := range fields {
		at, target := join(path, f.key), v.Field(f.index)
		switch {
		case f.isTable():
			fmt.Fprintf(p.w, "\n[%s]\n", at)
			p.table(at, target)
		case f.isTables():
			for i := range target.Len() {
				fmt.Fprintf(p.w, "\n[[%s]]\n", at)
				p.table(at, target.Index(i))
			}
		}
	}
}

// key writes one line. What is empty and has no default is left out.
func (p *printer) key(f field, v reflect.Value) {
	if v.IsZero() && f.def == "" {
		return
	}
	if p.masked && f.secret != "" {
		v = maskValue(f, v)
	}
	fmt.Fprintf(p.w, "%s = %s\n", f.key, tomlValue(v))
}

func maskValue(f field, v reflect.Value) reflect.Value {
	if f.secret == "url" {
		return reflect.ValueOf(maskURL(v.String()))
	}
	if v.Kind() != reflect.Slice {
		return reflect.ValueOf(mask)
	}
	masks := make([]string, v.Len())
	for i := range masks {
		masks[i] = mask
	}
	return reflect.ValueOf(masks)
}

// maskURL hides a store's URL but for its scheme, unless it is one that holds no password.
func maskURL(text string) string {
	scheme, _, _ := strings.Cut(text, ":")
	if scheme == "file" || scheme == "memory" {
		return text
	}
	return scheme + ":" + mask
}

func tomlValue(v reflect.Value) string {
	switch value := v.Interface().(type) {
	case string:
		return tomlString(value)
	case time.Duration:
		return tomlString(shortDuration(value))
	case map[string]string:
		var pairs []string
		for _, name := range slices.Sorted(maps.Keys(value)) {
			pairs = append(pairs, tomlKey(name)+" = "+tomlString(value[name]))
		}
		return "{ " + strings.Join(pairs, ", ") + " }"
	case bool:
		return fmt.Sprint(value)
	case Ports:
		return strings.ReplaceAll(fmt.Sprint([]uint16(value)), " ", ", ")
	}
	elements := make([]string, v.Len())
	for i := range elements {
		elements[i] = tomlString(v.Index(i).String())
	}
	return "[" + strings.Join(elements, ", ") + "]"
}

// shortDuration writes a duration as people do: 720h rather than 720h0m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func tomlKey(name string) string {
	if settingName.MatchString(name) {
		return name
	}
	return tomlString(name)
}

// tomlString writes a basic string (TOML 1.0, section String).
func tomlString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
