package main

import (
	"strings"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

// The shapes of settings that hold a domain: a host name, with or without a scheme, a port and a last slash, as people
// copy it out of an address bar.
const (
	hostShape   = `(https?://)?([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|localhost)(:[0-9]+)?`
	domainShape = hostShape + `/?`
)

// atDomain makes an address, without a last slash, of a setting that holds a domain.
func atDomain(cfg sdk.Config, name string) (string, error) {
	base := strings.TrimRight(cfg.Settings[name], "/")
	if !strings.Contains(base, "://") {
		base = "https://" + base
	}
	if err := oauth2.ValidateEndpoint(base, cfg.InsecureHTTP); err != nil {
		return "", sdk.ConfigErrorf(name, "%v", err)
	}
	return base, nil
}

// standard changes the default of one of the settings.
func standard(name, value string, settings []sdk.Setting) []sdk.Setting {
	for i := range settings {
		if settings[i].Name == name {
			settings[i].Default = value
		}
	}
	return settings
}
