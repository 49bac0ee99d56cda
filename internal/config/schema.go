package config

import _ "embed"

//go:embed schema.json
var schema string

// Schema returns the JSON Schema (draft 2020-12) of authd.toml, for editors. It is generated from types.go.
func Schema() string { return schema }
