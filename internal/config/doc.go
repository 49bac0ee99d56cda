// Package config reads authd's configuration: what may be set, what it means, and what is wrong with it.
//
// Three layers make a [Config], each winning over the one before: the defaults, the file authd.toml, and the
// environment. In the environment a key is AUTHD_ and its path in upper case: server.public_url is
// AUTHD_SERVER_PUBLIC_URL, the client_id of the first [[providers]] table is AUTHD_PROVIDERS_0_CLIENT_ID. Lists are
// separated by commas. Every secret key also exists as KEY_file (AUTHD_…_FILE), the path of a file that holds it.
//
// A setting of a provider may also come from the names that its type declares (OAUTH_GITHUB_CLIENT_ID). They fill
// what the provider's table leaves open and never win over it; when all that a type needs is there, they switch on a
// provider without any table. See [Config.Resolve].
//
// All faults are collected and returned together as [*Faults], each with its file and line, what is wrong and how
// to mend it. No text of this package holds the value of a secret.
//
// # The map of the package
//
//	types.go      every key, with its meaning       load.go       Load, Default, the order of the layers
//	field.go      the keys of a table, by tag       file.go       TOML into the types, unknown keys
//	lines.go      key → line                        environ.go    AUTHD_* into the types
//	secret.go     KEY_file                          fault.go      Fault, Faults, "did you mean"
//	validate.go   what must hold                    urls.go       URLs, origins, listen addresses
//	tables.go     rules for [[providers]], [[clients]]
//	apps.go       rules for [[apps]]
//	resolve.go    tables + environment → providers  resolveenv.go which names count for a provider
//	print.go      the effective configuration       schema.go     JSON Schema for editors
package config

//go:generate go test -run ^TestGenerated -update .
