package main

import (
	"bytes"
	goformat "go/format"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// goIn runs the go command in dir, with nothing to fetch from and no say over go.mod.
func goIn(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly", "GOWORK=off", "PWD="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// What is scaffolded compiles, passes its own tests and the kit, and is written as Go is.
func TestPluginNewWorks(t *testing.T) {
	for _, kind := range []string{"oauth2", "oidc"} {
		t.Run(kind, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "new")
			var out, errOut bytes.Buffer
			a := &app{out: &out, errOut: &errOut}
			args := []string{"plugin", "new", "my-sso", "--kind", kind, "--dir", dir, "--sdk", filepath.Join("..", "..")}
			if code := a.run(t.Context(), args); code != exitOK {
				t.Fatalf("plugin new: exit code %d\n%s", code, errOut.String())
			}
			if n := strings.Count(out.String(), "\n"); n > 24 {
				t.Errorf("what is to be done next takes %d lines, more than a screen:\n%s", n, out.String())
			}
			for _, name := range []string{"main.go", "provider.go", "provider_test.go"} {
				text, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				formatted, err := goformat.Source(text)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(formatted), string(text)); diff != "" {
					t.Errorf("%s is not formatted (-want +got):\n%s", name, diff)
				}
			}
			goIn(t, dir, "vet", ".")
			goIn(t, dir, "test", "-count=1", ".")
			// One check alone, with and without those that it builds on.
			goIn(t, dir, "test", "-count=1", "-run", "TestProvider/^(configure|login|login-sub)$", ".")
			goIn(t, dir, "test", "-count=1", "-run", "TestProvider/login-sub", ".")
			goIn(t, dir, "test", "-count=1", "-run", "TestProvider/(configure|login-sub)", ".")
			binary := filepath.Join(t.TempDir(), "authd-provider-my-sso")
			goIn(t, dir, "build", "-o", binary, ".")
			out.Reset()
			if code := a.run(t.Context(), []string{"plugin", "check", binary}); code != exitOK {
				t.Errorf("plugin check: exit code %d\n%s%s", code, out.String(), errOut.String())
			}
			if !strings.Contains(out.String(), "ok   my-sso/") {
				t.Errorf("plugin check has checked nothing of the type:\n%s", out.String())
			}
		})
	}
}

// The templates leave nothing of themselves in any file, whatever the name.
func TestPluginNewNames(t *testing.T) {
	for _, name := range []string{"a", "acme", "x9", "my-sso-2", "a" + strings.Repeat("b", 30), "a-"} {
		dir := filepath.Join(t.TempDir(), "new")
		var out bytes.Buffer
		a := &app{out: &out, errOut: &bytes.Buffer{}}
		if err := a.newPlugin(&blueprint{Name: name, Kind: "oauth2", Dir: dir, Version: "v1.2.3"}, ""); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for file := range newFiles("oauth2") {
			text, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "{{") && !strings.HasSuffix(file, ".go") || strings.Contains(string(text), "<no value>") {
				t.Errorf("%s of %s still holds a template:\n%s", file, name, text)
			}
		}
		if strings.Contains(out.String(), "<no value>") {
			t.Errorf("%s: %s", name, out.String())
		}
	}
}

func TestBlueprintRefuses(t *testing.T) {
	for _, test := range []struct {
		b    blueprint
		want string
	}{
		{blueprint{Name: "Acme"}, `"Acme" can't be the name of a provider`},
		{blueprint{Name: "9acme"}, "can't be the name"},
		{blueprint{Name: "-acme"}, "can't be the name"},
		{blueprint{Name: "../acme"}, "can't be the name"},
		{blueprint{Name: ""}, "can't be the name"},
		{blueprint{Name: "acme\n"}, "can't be the name"},
		{blueprint{Name: strings.Repeat("a", 32)}, "can't be the name"},
		{blueprint{Name: "acme", Kind: "saml"}, `--kind "saml" is neither oauth2 nor oidc`},
		{blueprint{Name: "acme", Kind: "oidc", Module: "example.com/a b"}, "is not the path of a Go module"},
		{blueprint{Name: "acme", Kind: "oidc", Module: "x\nreplace a => b"}, "is not the path of a Go module"},
	} {
		if err := test.b.complete(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %s", test.b, err, test.want)
		}
	}
}

// The SDK is fetched at the version of a release; of any other build its source is asked for.
func TestBlueprintVersion(t *testing.T) {
	for version, want := range map[string]string{
		"v1.2.3": "v1.2.3", "v0.1.0-rc.1": "v0.1.0-rc.1",
		"(devel)": "v0.0.0", "dev": "v0.0.0", "468031d": "v0.0.0", "v1.2.3-dirty": "v0.0.0", "v1.2.3-4-g468031d": "v0.0.0",
		"v0.0.0-20261121070225-468031d00000+dirty": "v0.0.0",
	} {
		b := blueprint{Name: "acme", Kind: "oidc", Version: version}
		if err := b.complete(); err != nil {
			t.Fatal(err)
		}
		if b.Version != want || b.Dev != (want == "v0.0.0") || !b.Tidy {
			t.Errorf("authd %s requires the SDK at %s (dev %v)", version, b.Version, b.Dev)
		}
	}
}

func TestTakeSDK(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "with space")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fails := func(want string) {
		t.Helper()
		var b blueprint
		if _, err := b.takeSDK(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("takeSDK: %v, want %s", err, want)
		}
	}
	fails("is not the source of authd")
	write("go.mod", "module example.com/other\n")
	fails("is not the source of authd")
	write("go.mod", "module "+sdkModule+"\n\ngo 1.26.0\n\nrequire (\n\tb.example/b v1.0.0\n)\n\nrequire (\n\ta.example/a v0.1.0 // indirect\n)\n")
	fails("go.sum")
	write("go.sum", "sums\n")
	var b blueprint
	files, err := b.takeSDK(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := blueprint{
		Version: "v0.0.0", Replace: `"` + dir + `"`,
		Requires: "require (\n\ta.example/a v0.1.0 // indirect\n\tb.example/b v1.0.0 // indirect\n)",
	}
	if diff := cmp.Diff(want, b); diff != "" || string(files["go.sum"]) != "sums\n" {
		t.Errorf("takeSDK (-want +got):\n%s\ngo.sum: %q", diff, files["go.sum"])
	}
}

// A module may not ask for an older Go than what it imports.
func TestNewPluginsGoVersion(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	b := blueprint{Name: "acme", Kind: "oidc"}
	if err := b.complete(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(mod), "\ngo "+b.Go+"\n") {
		t.Errorf("a new plugin asks for Go %s, the SDK for another", b.Go)
	}
}
