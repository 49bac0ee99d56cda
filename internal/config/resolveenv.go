package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/authd/authd/sdk"
)

// nameSetting is the setting that renames a provider that the environment made (OAUTH_KEYCLOAK_NAME).
const nameSetting = "name"

var clientIDName = regexp.MustCompile(`^OAUTH_([A-Z0-9_]+)_CLIENT_ID$`)

// envName is the name in the environment of a setting of the provider with that id. The provider whose id equals its
// type has the names that the type declares; any other has names of its own, so that two providers of one type don't
// share a secret by accident.
func envName(t sdk.Type, id string, s sdk.Setting) string {
	if id == t.Name && s.Env != "" {
		return s.Env
	}
	return idPrefix(id) + "_" + strings.ToUpper(s.Name)
}

func idPrefix(id string) string {
	return "OAUTH_" + strings.ToUpper(strings.ReplaceAll(id, "-", "_"))
}

// named returns the type with the environment names that count for the provider with that id, so that diagnostics
// name the right ones.
func named(t sdk.Type, id string) sdk.Type {
	t.Settings = slices.Clone(t.Settings)
	for i := range t.Settings {
		t.Settings[i].Env = envName(t, id, t.Settings[i])
	}
	return t
}

// promptNames are the names of a provider's prompt in the environment, the strongest first. ofType says that the
// provider goes by the names of its type.
func promptNames(t sdk.Type, id string, ofType bool) []string {
	names := []string{idPrefix(id) + "_PROMPT"}
	if !ofType {
		return names
	}
	names = append(names, idPrefix(t.Name)+"_PROMPT")
	for _, s := range t.Settings {
		if prefix, ok := strings.CutSuffix(s.Env, "_CLIENT_ID"); ok {
			names = append(names, prefix+"_PROMPT") // OAUTH_COGNITO_PROMPT for aws-cognito
		}
	}
	return names
}

// needed are the environment names without which a type can't be used, each with whether it is set.
func needed(t sdk.Type, env map[string]string) (set, missing []string) {
	for _, s := range t.Settings {
		if !s.Required || s.Default != "" {
			continue
		}
		name := envName(t, t.Name, s)
		if env[name] != "" || (s.Secret && env[name+envFileSuffix] != "") {
			set = append(set, name)
		} else {
			missing = append(missing, name)
		}
	}
	return set, missing
}

// fromEnvironment returns the tables of the providers that the environment alone switches on, in the order of types.
func (c *Config) fromEnvironment(types []sdk.Type, env map[string]string) []draft {
	taken := map[string]bool{}
	var on []sdk.Type
	for _, t := range types {
		set, missing := needed(t, env)
		if len(set) > 0 && len(missing) == 0 && !c.hasTable(t.Name) && !taken[t.Name] {
			on = append(on, t)
			taken[t.Name] = true
		}
	}
	var drafts []draft
	for _, t := range on {
		d := draft{table: ProviderTable{ID: t.Name, Type: t.Name}, fromEnv: true, origin: "environment"}
		if name := renamed(t, env); name != "" {
			d.rename(name, envName(t, t.Name, sdk.Setting{Name: nameSetting}), taken)
		}
		if d.table.ID == t.Name || !c.hasTable(d.table.ID) { // a table with the new id stands in for the environment
			drafts = append(drafts, d)
		}
	}
	return drafts
}

func (c *Config) hasTable(id string) bool {
	return slices.ContainsFunc(c.Providers, func(p ProviderTable) bool { return p.ID == id })
}

// renamed is what the type's own setting "name" holds in the environment.
func renamed(t sdk.Type, env map[string]string) string {
	for _, s := range t.Settings {
		if s.Name == nameSetting {
			return strings.TrimSpace(env[envName(t, t.Name, s)])
		}
	}
	return ""
}

// rename gives the provider a name of the operator's: it is the label, and in lower case with - for spaces the id.
// taken holds the ids of the others that the environment made.
func (d *draft) rename(name, env string, taken map[string]bool) {
	id := strings.Map(func(r rune) rune {
		if r == ' ' || r == '_' || r == '.' {
			return '-'
		}
		return r
	}, strings.ToLower(name))
	switch {
	case !identName.MatchString(id):
		d.problem(env, quoted(name)+" can't be an id", "set it to a letter, then up to 31 letters, digits and -")
		return
	case taken[id] && id != d.table.ID:
		d.problem(env, "makes the id "+quoted(id)+", which another provider has", "give this one another name")
		return
	}
	taken[id] = true
	d.table.ID, d.table.Label = id, name
}

// EnvironmentWarnings names what the environment sets for providers without any effect: half of what a type needs,
// or the client of a type that no plugin serves. It also tells when nobody can sign in, since no provider is on.
// types are all that the plugins serve.
func (c *Config) EnvironmentWarnings(types []sdk.Type, environ []string) []string {
	env := environment(environ)
	var warnings []string
	used := map[string]bool{}
	for _, t := range types {
		for _, s := range t.Settings {
			used[envName(t, t.Name, s)] = true
		}
		set, missing := needed(t, env)
		if len(set) > 0 && len(missing) > 0 && !c.hasTable(t.Name) {
			warnings = append(warnings, fmt.Sprintf("provider %s is off: %s set, but not %s; set what is missing, or unset the rest",
				t.Name, isOrAre(set), strings.Join(missing, ", ")))
		}
	}
	for _, p := range c.Providers {
		used[idPrefix(p.ID)+"_CLIENT_ID"] = true
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if clientIDName.MatchString(name) && env[name] != "" && !used[name] {
			warnings = append(warnings, name+" is set, but "+c.useless(name, used, env))
		}
	}
	if len(c.Providers) == 0 && len(c.fromEnvironment(types, env)) == 0 {
		warnings = append(warnings, "no provider is on, so nobody can sign in; set what a type needs, which authd plugin describe TYPE shows")
	}
	return warnings
}

// useless says why the client id of that name has no effect, and what to do. used are the names that would have one.
func (c *Config) useless(name string, used map[string]bool, env map[string]string) string {
	prefix := clientIDName.FindStringSubmatch(name)[1]
	typeName := strings.ToLower(strings.ReplaceAll(prefix, "_", "-"))
	if path := c.pluginFile(typeName); path != "" {
		return path + " was refused, or does not serve type " + typeName + "; authd plugin list tells why"
	}
	var free []string // what is set already was meant for itself
	for other := range used {
		if m := clientIDName.FindStringSubmatch(other); m != nil && env[other] == "" {
			free = append(free, m[1])
		}
	}
	slices.Sort(free)
	mend := "put"
	if near := nearest(prefix, free); near != "" {
		mend = fmt.Sprintf("did you mean %q? Or put", "OAUTH_"+near+"_CLIENT_ID")
	}
	return "no plugin and no [[providers]] table has a use for it; " + mend + " the plugin into " + c.pluginsDir() +
		"; if it is there, authd plugin list tells why it is not used"
}

// pluginFile is where a plugin of that name stands in the plugins directories, whether it may be run or not; "" if
// there is none.
func (c *Config) pluginFile(name string) string {
	file := "authd-provider-" + name
	for _, dir := range c.Server.PluginsDir {
		for _, path := range []string{filepath.Join(dir, file), filepath.Join(dir, name, file)} {
			if info, err := os.Lstat(path); err == nil && !info.IsDir() {
				return path
			}
		}
	}
	return ""
}

func isOrAre(names []string) string {
	if len(names) == 1 {
		return names[0] + " is"
	}
	return strings.Join(names, ", ") + " are"
}

func (c *Config) pluginsDir() string { return strings.Join(c.Server.PluginsDir, " or ") }
