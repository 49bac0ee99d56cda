// Package docs writes and checks the pages of docs/providers, from the manifests of the plugins and their READMEs, and
// the page about a further provider, from code that is tested here. It also holds what the four systems that authd takes
// over from call their providers against the plugins that serve them.
package docs

//go:generate go test -run ^TestPages$ -update .
