// Package languages holds providers that are not written in Go against the acceptance kit, and signs people in through
// them with a real authd: examples/python-provider on sdk/python, and examples/node-provider. It also runs the tests
// that they have in their own languages. scripts/deps installs what it needs.
package languages
