package catalog

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDescribe(t *testing.T) {
	for plugin, version := range map[string]string{"well": "(devel)", "noflag": "v0.0.1-fat"} {
		m, err := Describe(background(t), testPlugin(t, plugin))
		if err != nil {
			t.Errorf("Describe %s: %v", plugin, err)
			continue
		}
		typ, ok := m.Type("test")
		if !ok || m.Version != version || typ.Label != "Test" || typ.Settings[0].Env != "OAUTH_TEST_CLIENT_ID" {
			t.Errorf("Describe %s = %+v", plugin, m)
		}
	}
}

func TestDescribeFails(t *testing.T) {
	_, err := Describe(background(t), testPlugin(t, "exits"))
	fails(t, "Describe", err, "exited with status 3 right after start; last lines: no licence file; client_secret=***")
	fails(t, "Describe", err, "(and with -describe it exited with status 3")

	refused := At("/usr", false)
	_, err = Describe(background(t), refused)
	fails(t, "Describe of a directory", err, "plugin /usr is not a regular file")

	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = Describe(canceled, testPlugin(t, "silent"))
	fails(t, "Describe without time", err, "did not end: context canceled")
}

// Threat 136: a manifest is bounded; Threat 132: one that names another's environment is not believed.
func TestDescribeScripts(t *testing.T) {
	const open = `{"types":[{"name":"x","label":"X","settings":[{"name":"a","env":`
	for script, want := range map[string]string{
		`echo '` + open + `"OAUTH_X_A"}]}]}'`:    "",
		`echo '` + open + `"DATABASE_URL"}]}]}'`: "can't be used: type x: setting a: the environment name does not begin with OAUTH_",
		`echo '{"types":[]}'`:                    "can't be used: serves 0 types",
		`echo no JSON`:                           "the manifest is not the JSON",
		`exit 1`:                                 "(and with -describe it exited with status 1)",
		`i=0; while [ $i -lt 20000 ]; do echo "$i 0123456789012345678901234567890123456789012345678901234567890123456789"; i=$((i+1)); done`: "printed more than 1048576 bytes",
	} {
		dir := pluginDir(t)
		path := filepath.Join(dir, "authd-provider-x")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		_, err := Describe(background(t), At(path, false))
		fails(t, script[:min(60, len(script))], err, want)
	}
}

// -describe runs in the same jail as a provider: it sees no secret of the environment either.
func TestDescribeInJail(t *testing.T) {
	t.Setenv("AUTHD_SESSION_SECRET", "do-not-show")
	dir := pluginDir(t)
	path := filepath.Join(dir, "authd-provider-x")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nenv >&2\npwd >&2\nexit 9\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := Describe(background(t), At(path, false))
	fails(t, "Describe", err, "exited with status 9")
	if strings.Contains(err.Error(), "do-not-show") || !strings.Contains(err.Error(), "PATH=") || !strings.Contains(err.Error(), "/"+socketPrefix) {
		t.Errorf("Describe: %v; want a short environment and a directory of its own", err)
	}
}
