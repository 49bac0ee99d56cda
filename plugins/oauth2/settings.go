package main

import (
	"strings"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

// The patterns of settings that hold a whole URL, and one to which paths are added.
const (
	address = `https?://[^\s#]+`
	site    = `https?://[^\s?#]+`
)

// settingIn makes a setting of a type, whose environment names all begin alike.
func settingIn(prefix, name, standard, pattern, help string) sdk.Setting {
	return sdk.Setting{Name: name, Env: prefix + "_" + strings.ToUpper(name), Default: standard, Pattern: pattern, Help: help}
}

// endpointIn makes a required setting for an endpoint.
func endpointIn(prefix, name, help string) sdk.Setting {
	s := settingIn(prefix, name, "", address, help+", beginning with https:// and to the last slash as the identity provider has it.")
	s.Required = true
	return s
}

// sites returns base_url and api_url without a slash at the end, or which of them can't be used.
func sites(cfg sdk.Config) (base, api string, err error) {
	for _, name := range []string{"base_url", "api_url"} {
		if err := oauth2.ValidateEndpoint(cfg.Settings[name], cfg.InsecureHTTP); err != nil {
			return "", "", sdk.ConfigErrorf(name, "can't be used: %v", err)
		}
	}
	return strings.TrimRight(cfg.Settings["base_url"], "/"), strings.TrimRight(cfg.Settings["api_url"], "/"), nil
}
