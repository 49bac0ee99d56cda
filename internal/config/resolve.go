package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/authd/authd/sdk"
)

// Provider is one provider as it is to be run: its table, the environment and the type's own defaults put together.
type Provider struct {
	// ID names it in URLs, Type is what the plugin is configured as, Label is for people.
	ID, Type, Label string
	// Icon is an SVG: the operator's, else the type's. Empty: neither has one.
	Icon string
	// Settings by name, complete with the type's defaults. Secrets are in it.
	Settings map[string]string
	// SecretValues are those values of Settings that must not be shown.
	SecretValues []string
	// Scopes to ask for; nil: the type's.
	Scopes []string
	// Prompt to send (OpenID Connect Core section 3.1.2.1); empty: do not send the parameter.
	Prompt string
	// AuthorizeParams to add to the authorization request.
	AuthorizeParams map[string]string
	// Identifier is the user field that names the user to applications.
	Identifier string
	// Allow is the provider's own rule (CEL); empty: none.
	Allow string
	// Claims are the expressions (CEL) that replace fields of the user, by field; nil: none.
	Claims map[string]string
	// Development: its type is not for passwords or accounts that matter.
	Development bool
	// Required makes authd not ready without it.
	Required bool
	// CallbackPath of the redirect URI, with the id filled in.
	CallbackPath string
	// InsecureHTTP allows http endpoints off the loopback.
	InsecureHTTP bool
	// CAPEM holds further certificate authorities; nil: none.
	CAPEM []byte
	// Sandbox, RunAs and EgressPorts are what its table says of its process; see [Config.Confinement].
	Sandbox, RunAs string
	EgressPorts    []uint16
	// Problems keep the provider from being run, each with how to mend it. Empty: it can be started.
	Problems []sdk.Diagnostic
	// Warnings do not.
	Warnings []string
	// Origin is where it comes from: "authd.toml:12", or "environment".
	Origin string
}

// Resolve returns the providers in the order of the sign-in page: the [[providers]] tables, then those that the
// environment alone switches on, in the order of types, which are all that the plugins serve.
//
// A setting comes from the provider's table, else the environment, else the type's default. In the environment the
// provider whose id equals its type has the names that the type declares (OAUTH_GITHUB_CLIENT_ID), every other one
// OAUTH_<ID>_<SETTING>, with - as _; a secret may be given as NAME_FILE. The prompt comes from the table, else
// OAUTH_<ID>_PROMPT (a provider that the environment made also has the prompt of its type: OAUTH_KEYCLOAK_PROMPT
// counts for a renamed Keycloak), else login.prompt.
//
// A provider that can't be run is returned too, with its Problems.
func (c *Config) Resolve(types []sdk.Type, environ []string) []Provider {
	env := environment(environ)
	var drafts []draft
	for i, table := range c.Providers {
		table.Type = cmp.Or(table.Type, table.ID)
		drafts = append(drafts, draft{table: table, origin: c.tableOrigin(i)})
	}
	drafts = append(drafts, c.fromEnvironment(types, env)...)
	providers := make([]Provider, len(drafts))
	for i, d := range drafts {
		d.resolve(c, types, env)
		providers[i] = d.out
	}
	return providers
}

// draft is a provider on the way from its table to what is run.
type draft struct {
	table   ProviderTable
	fromEnv bool // there is no table: the environment switched it on
	origin  string
	values  map[string]string // :: setting → value, as far as they are known
	failed  map[string]bool   // :: settings whose file could not be read
	out     Provider
}

func (d *draft) problem(setting, summary, mend string) {
	d.out.Problems = append(d.out.Problems, sdk.Diagnostic{Severity: sdk.SeverityError, Setting: setting, Summary: summary, Detail: mend})
}

func (d *draft) resolve(c *Config, types []sdk.Type, env map[string]string) {
	table := d.table
	d.out.ID, d.out.Type, d.out.Label, d.out.Origin = table.ID, table.Type, table.Label, d.origin
	d.out.AuthorizeParams, d.out.Allow, d.out.Required = maps.Clone(table.AuthorizeParams), table.Allow, table.Required
	d.out.Claims = maps.Clone(table.Claims)
	d.out.InsecureHTTP, d.out.Identifier, d.out.Scopes = table.InsecureHTTP, table.Identifier, slices.Clone(table.Scopes)
	d.out.CallbackPath, _ = callbackPath(table.CallbackPath, table.ID)
	d.out.Sandbox, d.out.RunAs, d.out.EgressPorts = table.Sandbox, table.RunAs, slices.Clone(table.EgressPorts)
	d.readFiles()

	i := slices.IndexFunc(types, func(t sdk.Type) bool { return t.Name == table.Type })
	if i < 0 {
		d.unknownType(c, types)
		return
	}
	names := table.ID
	if d.fromEnv {
		names = table.Type // however it was renamed
	}
	t := named(types[i], names)
	d.settings(t, env)
	d.prompt(c, t, env)
	d.fromType(t)
}

// unknownType keeps the table's values, all as secrets: nobody can tell which of them are.
func (d *draft) unknownType(c *Config, types []sdk.Type) {
	d.out.Settings = maps.Clone(d.table.Settings)
	for _, name := range slices.Sorted(maps.Keys(d.table.Settings)) {
		d.addSecret(d.table.Settings[name])
	}
	d.fromType(sdk.Type{})
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.Name
	}
	slices.Sort(names)
	mend := fmt.Sprintf("put authd-provider-%s into %s; ", d.table.Type, c.pluginsDir())
	if guess := didYouMean(d.table.Type, names); guess != "" {
		mend = guess + " Or " + mend
	}
	if len(names) == 0 {
		mend += "no plugin was found there"
	} else {
		mend += "types found: " + strings.Join(names, ", ")
	}
	d.problem("type", fmt.Sprintf("%q is served by no plugin", d.table.Type), mend)
}

// settings collects the values of t, whose environment names are those of this provider, and checks them.
func (d *draft) settings(t sdk.Type, env map[string]string) {
	d.values, d.failed = map[string]string{}, map[string]bool{}
	rest := maps.Clone(d.table.Settings)
	for _, s := range t.Settings {
		value := d.tableValue(t, s, rest)
		if value == "" {
			value = d.envValue(s, env)
		}
		if value != "" {
			d.values[s.Name] = value
		}
	}
	maps.Copy(d.values, rest) // unknown ones, for CheckSettings to name
	d.shareScopes(t)
	complete, found := t.CheckSettings(d.values)
	d.out.Settings = complete
	for _, problem := range found {
		if !d.failed[problem.Setting] {
			d.out.Problems = append(d.out.Problems, d.hint(t, problem))
		}
	}
	for _, s := range t.Settings {
		if s.Secret {
			d.addSecret(complete[s.Name])
		}
	}
}

// tableValue takes a setting, or the file of a secret one, out of what is left of the table.
func (d *draft) tableValue(t sdk.Type, s sdk.Setting, rest map[string]string) string {
	if value, ok := rest[s.Name]; ok {
		delete(rest, s.Name)
		return value
	}
	file, ok := rest[s.Name+fileSuffix]
	isSetting := slices.ContainsFunc(t.Settings, func(other sdk.Setting) bool { return other.Name == s.Name+fileSuffix })
	if !ok || !s.Secret || isSetting {
		return ""
	}
	delete(rest, s.Name+fileSuffix)
	return d.fromFile(s, s.Name+fileSuffix, file)
}

func (d *draft) envValue(s sdk.Setting, env map[string]string) string {
	if value := env[s.Env]; value != "" {
		return value
	}
	if file := env[s.Env+envFileSuffix]; s.Secret && file != "" {
		return d.fromFile(s, s.Env+envFileSuffix, file)
	}
	return ""
}

func (d *draft) fromFile(s sdk.Setting, name, file string) string {
	secret, warning, err := readSecret(file)
	if err != nil {
		d.failed[s.Name] = true
		d.problem(name, err.Error(), "check the path and who may read it")
		return ""
	}
	if warning != "" {
		d.out.Warnings = append(d.out.Warnings, warning)
	}
	return secret
}

// shareScopes joins the two ways to say scopes: the key of every table, and the setting that some types have
// because Chainlit's environment has it (OAUTH_GENERIC_SCOPES).
func (d *draft) shareScopes(t sdk.Type) {
	for _, s := range t.Settings {
		if s.Name != "scopes" && s.Name != "scope" {
			continue
		}
		if len(d.out.Scopes) > 0 {
			d.values[s.Name] = strings.Join(d.out.Scopes, " ")
		} else if value := d.values[s.Name]; value != "" {
			d.out.Scopes = strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == ',' })
		}
	}
}

// hint adds to the problem of an unknown setting which one may have been meant.
func (d *draft) hint(t sdk.Type, problem sdk.Diagnostic) sdk.Diagnostic {
	candidates := []string{"label", "icon", "scopes", "prompt", "authorize_params", "identifier", "allow", "claims", "required", "callback_path", "insecure_http", "ca_file", "sandbox", "run_as", "egress_ports"}
	for _, s := range t.Settings {
		if s.Name == problem.Setting {
			return problem
		}
		candidates = append(candidates, s.Name)
		if s.Secret {
			candidates = append(candidates, s.Name+fileSuffix)
		} else if s.Name+fileSuffix == problem.Setting {
			problem.Detail = s.Name + " is no secret: write its value into the table"
			return problem
		}
	}
	if guess := didYouMean(problem.Setting, candidates); guess != "" {
		problem.Detail = guess + " " + problem.Detail
	}
	return problem
}

func (d *draft) prompt(c *Config, t sdk.Type, env map[string]string) {
	d.out.Prompt = d.table.Prompt
	for _, name := range promptNames(t, d.table.ID, d.fromEnv || d.table.ID == t.Name) {
		if d.out.Prompt != "" {
			break
		}
		d.out.Prompt = env[name]
		if p := checkPrompt(env[name]); p != (problem{}) {
			d.problem(name, p.summary, p.mend)
		}
	}
	if d.out.Prompt == "" {
		d.out.Prompt = c.Login.Prompt
	}
	for value := range strings.FieldsSeq(d.out.Prompt) {
		if len(t.Prompts) > 0 && !slices.Contains(t.Prompts, value) {
			d.out.Warnings = append(d.out.Warnings, fmt.Sprintf("prompt %q has no effect at %s, which honours only %s", value, t.Name, strings.Join(t.Prompts, ", ")))
		}
	}
}

// fromType fills what neither table nor environment says.
func (d *draft) fromType(t sdk.Type) {
	d.out.Label = cmp.Or(d.out.Label, d.values[nameSetting], t.Label, d.out.ID)
	d.out.Identifier = cmp.Or(d.out.Identifier, t.Identifier, "preferred_username")
	d.out.Icon, d.out.Development = cmp.Or(d.out.Icon, t.Icon), t.Development
	if len(d.out.Scopes) == 0 {
		d.out.Scopes = slices.Clone(t.Scopes)
	}
}

// readFiles reads the icon and the certificate authorities.
func (d *draft) readFiles() {
	read := func(key, file string) []byte {
		if file == "" {
			return nil
		}
		content, _, err := readBounded(file)
		if err != nil {
			d.problem(key, err.Error(), "check the path and who may read it")
		}
		return content
	}
	d.out.Icon = string(read("icon", d.table.Icon))
	d.out.CAPEM = read("ca_file", d.table.CAFile)
}

func (d *draft) addSecret(value string) {
	if value != "" && !slices.Contains(d.out.SecretValues, value) {
		d.out.SecretValues = append(d.out.SecretValues, value)
	}
}

// tableOrigin tells where the i-th table stands; a table made in code stands nowhere.
func (c *Config) tableOrigin(i int) string {
	at := fmt.Sprintf("providers[%d]", i)
	if origin, ok := c.origins[at]; ok {
		return fmt.Sprintf("%s:%d", origin.File, origin.Line)
	}
	if _, ok := c.origins[at+".id"]; ok {
		return "environment"
	}
	return ""
}

// ProviderFaults are the problems of resolved providers as faults, each at its place in the file.
func (c *Config) ProviderFaults(providers []Provider) []Fault {
	var faults []Fault
	for i, p := range providers {
		for _, problem := range p.Problems {
			at := c.FaultAt(fmt.Sprintf("providers[%d].%s", i, problem.Setting), "", "")
			if i >= len(c.Providers) {
				at = Fault{}
			}
			summary := strings.TrimSpace(problem.Setting + " " + problem.Summary)
			faults = append(faults, Fault{File: at.File, Line: at.Line, Key: "provider " + p.ID, Summary: summary, Mend: problem.Detail})
		}
	}
	return faults
}
