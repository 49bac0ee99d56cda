package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/oidc"
)

// TestMain lets the test binary, linked under a plugin's name, be that plugin, and under authd's name authd.
func TestMain(m *testing.M) {
	name := filepath.Base(os.Args[0])
	if strings.HasPrefix(name, "authd") && !strings.HasSuffix(name, ".test") {
		hurry()
	}
	switch name {
	case "authd-provider-acme":
		sdk.Serve(acme(), oidcType("acme-sso", "OAUTH_ACME_SSO"))
	case "authd-provider-oidc", "authd-provider-other":
		sdk.Serve(oidcType("oidc", "OAUTH_OIDC"))
	case "authd-provider-people":
		sdk.Serve(people())
	case "authd-provider-broken":
		fmt.Fprintln(os.Stderr, "this plugin does not work")
		os.Exit(3)
	default:
		testscript.Main(m, map[string]func(){"authd": main})
	}
}

// hurry starts this process anew with the race detector told not to wait a second before each exit: authd gives a
// plugin two seconds to describe itself.
func hurry() {
	const name, value = "GORACE", "atexit_sleep_ms=0"
	if os.Getenv(name) != "" {
		return
	}
	self, err := os.Executable()
	if strings.HasPrefix(self, "/memfd:") { // a sealed copy has no path
		self = "/proc/self/exe"
	}
	if err == nil {
		err = syscall.Exec(self, os.Args, append(os.Environ(), name+"="+value))
	}
	fmt.Fprintln(os.Stderr, "not started anew:", err)
	os.Exit(1)
}

// acme is a provider that asks nobody: it can be configured and no more.
func acme() sdk.Type {
	return sdk.Type{
		Name: "acme", Label: "Acme", DocsURL: "https://acme.example/apps", Scopes: []string{"read"},
		Settings: append(sdk.ClientSettings("OAUTH_ACME"),
			sdk.Setting{Name: "region", Env: "OAUTH_ACME_REGION", Default: "eu", Pattern: "eu|us", Help: "Either eu or us."},
			sdk.Setting{Name: "name", Env: "OAUTH_ACME_NAME", Help: "Id and label."}),
		New: func(_ context.Context, c sdk.Config) (sdk.Provider, error) {
			if c.Settings["client_id"] == "wrong" {
				return nil, sdk.ConfigErrorf("client_id", "is not known at Acme")
			}
			return quiet{}, nil
		},
	}
}

type quiet struct{}

func (quiet) AuthorizeParams(context.Context, sdk.AuthorizeRequest) (sdk.AuthorizeParams, error) {
	return sdk.AuthorizeParams{Endpoint: "https://acme.example/authorize"}, nil
}

func (quiet) GetToken(context.Context, sdk.CodeExchange) (*sdk.Token, error) {
	return nil, sdk.UserErrorf("invalid_grant", "Acme takes no code")
}

func (quiet) GetUserInfo(context.Context, *sdk.Token) (*sdk.User, error) {
	return nil, sdk.UpstreamErrorf("Acme knows nobody")
}

// oidcType is what the plugins of authd are made of.
func oidcType(name, prefix string) sdk.Type {
	return sdk.Type{
		Name: name, Label: "OpenID Connect", Scopes: []string{"openid", "profile", "email", "groups"},
		Settings: append(oidc.Settings(prefix), sdk.Setting{Name: "issuer", Env: prefix + "_ISSUER", Required: true, Help: "Issuer identifier."}),
		New: func(ctx context.Context, cfg sdk.Config) (sdk.Provider, error) {
			c := oidc.FromSettings(cfg)
			c.Issuer = cfg.Settings["issuer"]
			return oidc.New(ctx, cfg, c)
		},
	}
}

// linkPlugin puts the test binary into dir under the plugin's name: as a link, so its mode is that of all others.
func linkPlugin(dir, name string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "authd-provider-"+name)
	if err := os.Link(self, path); err != nil { // another file system
		content, err := os.ReadFile(self)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o755); err != nil {
			return err
		}
	}
	return errors.Join(os.Chmod(path, 0o755), os.Chmod(dir, 0o755))
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			for _, v := range os.Environ() { // nothing of the machine's own configuration reaches the stories
				if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AUTHD_") || strings.HasPrefix(name, "OAUTH_") {
					env.Setenv(name, "")
				}
			}
			// A unix socket must fit into it.
			short, err := os.MkdirTemp("", "authd")
			if err != nil {
				return err
			}
			env.Defer(func() { _ = os.RemoveAll(short) })
			env.Setenv("TMPDIR", short)
			return os.Chmod(env.WorkDir, 0o755)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"plugin":   scriptPlugin,
			"idp":      scriptIDP,
			"exitcode": scriptExitCode,
			"same":     scriptSame,
		},
	})
}

// scriptPlugin is "plugin NAME [DIR]": it puts a plugin into $WORK/plugins, or into DIR.
func scriptPlugin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: plugin NAME [DIR]")
	}
	dir := "plugins"
	if len(args) == 2 {
		dir = args[1]
	}
	ts.Check(linkPlugin(ts.MkAbs(dir), args[0]))
}

// scriptIDP is "idp": it starts the developer identity provider and sets $IDP to its issuer.
func scriptIDP(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: idp")
	}
	idp, err := devidp.Start(devidp.Options{})
	ts.Check(err)
	ts.Defer(func() { _ = idp.Close() })
	ts.Setenv("IDP", idp.Issuer())
}

// scriptExitCode is "exitcode N PROGRAM ARGS…": it runs the program, which must end with that exit code, and keeps
// what it printed for stdout and stderr.
func scriptExitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exitcode N PROGRAM ARGS…")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if exit := (interface{ ExitCode() int })(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

// scriptSame is "same A B": two files that a story has written hold the same; "! same" that they don't.
func scriptSame(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: same A B")
	}
	if (ts.ReadFile(args[0]) == ts.ReadFile(args[1])) == neg {
		ts.Fatalf("%s and %s: same = %v", args[0], args[1], neg)
	}
}
