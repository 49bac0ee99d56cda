package sdk

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// Type is one kind of provider that a plugin can be configured as: data, plus how to make one.
type Type struct {
	// Name as the operator writes it in the configuration, e.g. "github": a lower-case letter, then up to 31 of [a-z0-9-].
	Name string
	// Label is the name for people, e.g. "GitHub".
	Label string
	// DocsURL tells where to register an application; optional.
	DocsURL string
	// Icon is an SVG of at most 32 KiB, shown on the login page; optional.
	Icon string
	// Settings are what the operator sets.
	Settings []Setting
	// Scopes are asked for when the operator names none.
	Scopes []string
	// Identifier is the user field that names the user to applications unless the operator picks another:
	// "sub", "preferred_username", "email" or "name". Empty means "preferred_username".
	Identifier string
	// Prompts are the values of the prompt parameter that the identity provider honours; empty means all of
	// OpenID Connect Core section 3.1.2.1.
	Prompts []string
	// Development means that the type is not for passwords or accounts that matter. The login page and the log say so.
	Development bool
	// New makes the provider from its settings, which have been checked against Settings.
	New func(context.Context, Config) (Provider, error)
}

// Setting is one thing that the operator sets for a provider.
type Setting struct {
	// Name in the configuration file, e.g. "client_id": a lower-case letter, then letters, digits and "_".
	Name string
	// Env is the name in the environment for the provider whose id equals its type, e.g. "OAUTH_GITHUB_CLIENT_ID". It
	// begins with "OAUTH_": a plugin may not ask for anything else that the operator has in the environment.
	Env string
	// Required settings must not be empty.
	Required bool
	// Secret values are masked wherever they would be shown, and may come from NAME_file.
	Secret bool
	// Default is used when the operator sets nothing.
	Default string
	// Pattern is a regular expression (RE2) that the whole value must match; empty means anything.
	Pattern string
	// Help is one sentence for the operator.
	Help string
}

// Config is what a provider is made from.
type Config struct {
	// Type is the name of the Type; ID is the provider's id as it appears in URLs.
	Type, ID string
	// Settings maps a setting's name to its value; defaults are filled in.
	Settings map[string]string
	// Scopes to ask for: the operator's, or the type's.
	Scopes []string
	// InsecureHTTP allows http endpoints off the loopback.
	InsecureHTTP bool
	// HTTP is the client for every request to the identity provider: it has deadlines, bounds the size of answers,
	// follows no redirect and trusts the operator's certificate authorities.
	HTTP *http.Client
	// Log ends up in authd's log under the provider's id. Secret settings are masked there.
	Log hclog.Logger
}

// Bool reports whether the named setting is switched on: "true", "1", "yes" or "on".
func (c Config) Bool(name string) bool {
	switch strings.ToLower(c.Settings[name]) {
	case "true", "1", "yes", "on":
		return true
	}
	return false
}

// ClientSettings are the client_id and client_secret that nearly every type needs, under the environment names
// prefix_CLIENT_ID and prefix_CLIENT_SECRET.
func ClientSettings(prefix string) []Setting {
	return []Setting{
		{Name: "client_id", Env: prefix + "_CLIENT_ID", Required: true, Help: "Client ID that the identity provider gave to this application."},
		{Name: "client_secret", Env: prefix + "_CLIENT_SECRET", Required: true, Secret: true, Help: "Client secret that belongs to the client ID."},
	}
}

// CheckSettings compares values with what the type declares, fills in defaults and returns the complete settings.
// The diagnostics name every setting that is missing, malformed or unknown, each with its environment name; there
// is at least one exactly when the settings can't be used.
func (t Type) CheckSettings(values map[string]string) (map[string]string, []Diagnostic) {
	complete := make(map[string]string, len(t.Settings))
	var found []Diagnostic
	for _, s := range t.Settings {
		value := values[s.Name]
		if value == "" {
			value = s.Default
		}
		if d := s.check(value); d != nil {
			found = append(found, *d)
		}
		if value != "" {
			complete[s.Name] = value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !t.declares(name) {
			found = append(found, Diagnostic{
				Severity: SeverityError, Setting: name, Summary: "is not a setting of type " + t.Name,
				Detail: "remove it; the settings are " + t.settingNames(),
			})
		}
	}
	return complete, found
}

func (s Setting) check(value string) *Diagnostic {
	if value == "" {
		if !s.Required {
			return nil
		}
		mend := "set it"
		if s.Env != "" {
			mend = "set it, or " + s.Env + " in the environment"
		}
		if s.Secret {
			mend += ", or " + s.Name + "_file"
		}
		return &Diagnostic{Severity: SeverityError, Setting: s.Name, Summary: "is not set", Detail: mend}
	}
	if s.Pattern == "" {
		return nil
	}
	pattern, err := regexp.Compile(`\A(?:` + s.Pattern + `)\z`)
	if err != nil {
		return &Diagnostic{Severity: SeverityError, Setting: s.Name, Summary: "has a pattern that does not compile", Detail: "tell the plugin's author"}
	}
	if pattern.MatchString(value) {
		return nil
	}
	return &Diagnostic{Severity: SeverityError, Setting: s.Name, Summary: "is malformed", Detail: s.Help}
}

func (t Type) declares(name string) bool {
	for _, s := range t.Settings {
		if s.Name == name {
			return true
		}
	}
	return false
}

func (t Type) settingNames() string {
	names := make([]string, len(t.Settings))
	for i, s := range t.Settings {
		names[i] = s.Name
	}
	return strings.Join(names, ", ")
}

// Severity ranks a Diagnostic.
type Severity int

// The severities, in rising order.
const (
	SeverityOK Severity = iota + 1
	SeverityWarning
	SeverityError
)

// String returns "ok", "warning" or "error".
func (s Severity) String() string {
	switch s {
	case SeverityOK:
		return "ok"
	case SeverityWarning:
		return "warning"
	}
	return "error"
}

// Diagnostic is one finding about a provider's configuration or its identity provider.
type Diagnostic struct {
	Severity Severity
	// Setting at fault, if one is.
	Setting string
	// Summary says what is; Detail says how to mend it.
	Summary, Detail string
}

// String renders the diagnostic as one line: "client_secret is not set; set it, or …".
func (d Diagnostic) String() string {
	line := d.Summary
	if d.Setting != "" {
		line = d.Setting + " " + d.Summary
	}
	if d.Detail != "" {
		line = fmt.Sprintf("%s; %s", line, d.Detail)
	}
	return line
}
