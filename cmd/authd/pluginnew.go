package main

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/spf13/cobra"
)

// sdkModule is the module that a plugin imports the SDK from.
const sdkModule = "github.com/authd/authd"

// newName is what a new plugin may be called: a type's name whose file authd takes for a plugin.
var newName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// released is the version of an authd whose SDK can be fetched.
var released = regexp.MustCompile(`^v\d+\.\d+\.\d+(-(alpha|beta|rc)[.0-9]*)?$`)

// modulePath is roughly what Go takes for the path of a module (https://go.dev/ref/mod#go-mod-file-ident).
var modulePath = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~-]*(/[A-Za-z0-9][A-Za-z0-9._~-]*)*$`)

//go:embed scaffold/*.tmpl
var scaffold embed.FS

// newFiles are the files of a new plugin, each with its template.
func newFiles(kind string) map[string]string {
	return map[string]string{
		"main.go": "main.go", "provider.go": kind + ".go", "provider_test.go": "provider_test.go", "README.md": "README.md",
		"go.mod": "go.mod", "Makefile": "Makefile", ".gitignore": "gitignore",
	}
}

// blueprint is what the templates are filled with.
type blueprint struct {
	Name, Kind, Dir, Module string // as asked for
	Version                 string // of the SDK

	Label, Host, Env, File, Go string
	Replace, Requires          string // :: "" unless the SDK is taken from a directory
	Dev, Tidy                  bool   // what is left to be done before it compiles
}

func newPluginNew(a *app) *cobra.Command {
	var (
		b      blueprint
		sdkDir string
	)
	c := &cobra.Command{
		Use:   "new NAME",
		Short: "Begin a provider: source, test and README, that compile and pass",
		Long: `Begin a provider in Go: source, test and README, that compile and pass the acceptance kit as they are. NAME is the name
of the type: the configuration's type = "NAME", and the executable authd-provider-NAME. No file is overwritten.`,
		Example: `  authd plugin new acme
  authd plugin new acme --kind oidc --sdk ~/src/authd`,
		Args: exactly("NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			b.Name, b.Version = args[0], thisVersion().Version
			if err := a.newPlugin(&b, sdkDir); err != nil {
				return usage(err)
			}
			return nil
		},
	}
	c.Flags().StringVar(&b.Kind, "kind", "oauth2", "what the identity provider speaks: oauth2 (with an API that says who somebody is) or oidc (OpenID Connect)")
	c.Flags().StringVar(&b.Dir, "dir", "", "directory to make (default authd-provider-NAME)")
	c.Flags().StringVar(&b.Module, "module", "", "path of the Go module (default authd-provider-NAME)")
	c.Flags().StringVar(&sdkDir, "sdk", "", "directory of authd's source to take the SDK from (default: the release of this authd)")
	return c
}

// newPlugin writes a new plugin and says what to do with it.
func (a *app) newPlugin(b *blueprint, sdkDir string) error {
	if err := b.complete(); err != nil {
		return err
	}
	files, err := b.takeSDK(sdkDir)
	if err != nil {
		return err
	}
	templates, err := template.ParseFS(scaffold, "scaffold/*.tmpl")
	if err != nil {
		return err
	}
	for file, from := range newFiles(b.Kind) {
		var text bytes.Buffer
		if err := templates.ExecuteTemplate(&text, from+".tmpl", b); err != nil {
			return err
		}
		files[file] = text.Bytes()
	}
	if err := writeNew(b.Dir, files); err != nil {
		return err
	}
	return templates.ExecuteTemplate(a.out, "next.txt.tmpl", b)
}

// complete checks what was asked for and fills in what follows from it.
func (b *blueprint) complete() error {
	if !newName.MatchString(b.Name) {
		return fmt.Errorf("%q can't be the name of a provider; take a lower-case letter, then up to 30 of a-z, 0-9 and -", b.Name)
	}
	if b.Kind != "oauth2" && b.Kind != "oidc" {
		return fmt.Errorf("--kind %q is neither oauth2 nor oidc; OpenID Connect with a discovery document is oidc, OAuth 2.0 with an API of its own is oauth2", b.Kind)
	}
	b.File, b.Host, b.Go = "authd-provider-"+b.Name, b.Name+".example", "1.26.0"
	b.Env = "OAUTH_" + strings.ToUpper(strings.ReplaceAll(b.Name, "-", "_"))
	for word := range strings.FieldsFuncSeq(b.Name, func(r rune) bool { return r == '-' }) {
		b.Label = strings.TrimSpace(b.Label + " " + strings.ToUpper(word[:1]) + word[1:])
	}
	b.Dir, b.Module = cmp.Or(b.Dir, b.File), cmp.Or(b.Module, b.File)
	if !modulePath.MatchString(b.Module) {
		return fmt.Errorf("--module %q is not the path of a Go module; write it like example.com/%s", b.Module, b.File)
	}
	b.Tidy = true
	if !released.MatchString(b.Version) {
		b.Version, b.Dev = "v0.0.0", true
	}
	return nil
}

// takeSDK has the SDK come from a directory, if one is named. Then the dependencies come from there as well, as files to
// be written, so that nothing needs to be fetched.
func (b *blueprint) takeSDK(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	if dir == "" {
		return files, nil
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	mod, err := os.ReadFile(filepath.Join(absolute, "go.mod"))
	if err != nil || !bytes.HasPrefix(mod, []byte("module "+sdkModule+"\n")) {
		return nil, fmt.Errorf("--sdk %s is not the source of authd; name the directory with its go.mod", dir)
	}
	if files["go.sum"], err = os.ReadFile(filepath.Join(absolute, "go.sum")); err != nil {
		return nil, fmt.Errorf("--sdk: %w", err)
	}
	b.Replace, b.Version, b.Dev, b.Tidy = goModString(absolute), "v0.0.0", false, false
	b.Requires = requirements(string(mod))
	return files, nil
}

// goModString writes a path as go.mod has it.
func goModString(path string) string {
	if strings.ContainsAny(path, " \t\"'`,()[]{}\\") {
		return fmt.Sprintf("%q", path)
	}
	return path
}

// requirements are the blocks of a go.mod that name what it depends on, all of it indirect from afar.
func requirements(mod string) string {
	var lines []string
	within := false
	for line := range strings.Lines(mod) {
		line = strings.TrimSpace(line)
		switch {
		case line == "require (":
			within = true
		case line == ")":
			within = false
		case within && line != "":
			line, _, _ = strings.Cut(line, " //")
			lines = append(lines, "\t"+line+" // indirect")
		}
	}
	slices.Sort(lines)
	return "require (\n" + strings.Join(lines, "\n") + "\n)"
}

// writeNew writes the files into dir, all of them or none where one is there already.
func writeNew(dir string, files map[string][]byte) error {
	var there []string
	for name := range files {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			there = append(there, name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if len(there) > 0 {
		slices.Sort(there)
		return fmt.Errorf("%s has %s already, and nothing is overwritten; name another directory with --dir", dir, strings.Join(there, ", "))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range files {
		if err := writeOne(filepath.Join(dir, name), text); err != nil {
			return err
		}
	}
	return nil
}

// writeOne makes a file that must not be there.
func writeOne(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
