package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLockPath(t *testing.T) {
	for _, test := range []struct {
		path, lockFile, want string
		required             bool
	}{
		{"", "", "authd.lock", false},
		{"/etc/authd/authd.toml", "", "/etc/authd/authd.lock", false},
		{"/etc/authd/authd.toml", "/srv/plugins.lock", "/srv/plugins.lock", true},
	} {
		c := &Config{Path: test.path, Plugins: Plugins{LockFile: test.lockFile}}
		if path, required := c.LockPath(); path != test.want || required != test.required {
			t.Errorf("LockPath of %+v = %q, %v", test, path, required)
		}
	}
}

func TestConfinement(t *testing.T) {
	c := load(t, minimal+`
[plugins]
sandbox = "strict"
memory_limit = "1GiB"
[[providers]]
id = "a"
[[providers]]
id = "b"
sandbox = "off"
run_as = "nobody"
egress_ports = [8443]
`)
	providers := c.Resolve(nil, nil)
	want := []Confinement{
		{Sandbox: "strict", MemoryLimit: 1 << 30},
		{Sandbox: "off", RunAs: "nobody", EgressPorts: []uint16{8443}, MemoryLimit: 1 << 30},
	}
	for i, p := range providers {
		if diff := cmp.Diff(want[i], c.Confinement(p)); diff != "" {
			t.Errorf("Confinement of %s (-want +got):\n%s", p.ID, diff)
		}
		if len(p.Settings) > 0 {
			t.Errorf("%s: a key of authd's became a setting: %q", p.ID, p.Settings)
		}
	}
	c.Plugins.SandboxBestEffort = true
	if got := c.Confinement(Provider{}); !got.BestEffort || got.Sandbox != "strict" {
		t.Errorf("Confinement of no provider = %+v", got)
	}
}

// Each key of the environment too.
func TestPluginsFromTheEnvironment(t *testing.T) {
	c := load(t, minimal, "AUTHD_PLUGINS_SANDBOX=strict", "AUTHD_PLUGINS_SANDBOX_BEST_EFFORT=yes", "AUTHD_PLUGINS_LOCK_FILE=x.lock",
		"AUTHD_PLUGINS_MEMORY_LIMIT=256MiB", "AUTHD_PROVIDERS_0_ID=a", "AUTHD_PROVIDERS_0_EGRESS_PORTS=8443, 22",
		"AUTHD_PROVIDERS_0_SANDBOX=basic", "AUTHD_PROVIDERS_0_RUN_AS=65534")
	want := Plugins{LockFile: "x.lock", Sandbox: "strict", SandboxBestEffort: true, MemoryLimit: "256MiB"}
	if c.Plugins != want {
		t.Errorf("Plugins = %+v, want %+v", c.Plugins, want)
	}
	p := c.Providers[0]
	if diff := cmp.Diff(ProviderTable{ID: "a", Sandbox: "basic", RunAs: "65534", EgressPorts: Ports{8443, 22}}, p); diff != "" {
		t.Errorf("provider (-want +got):\n%s", diff)
	}
}

func TestPluginsFaults(t *testing.T) {
	for text, want := range map[string]string{
		"[plugins]\nsandbox = \"loose\"":                      `plugins.sandbox: "loose" is not possible here; use one of off, basic, strict`,
		"[plugins]\nsandbox = \"\"":                           `plugins.sandbox: "" is not possible here`,
		"[plugins]\nmemory_limit = \"64MiB\"":                 `plugins.memory_limit: "64MiB" is less than the 128MiB`,
		"[plugins]\nmemory_limit = \"512\"":                   `plugins.memory_limit: "512" is not a number of MiB or GiB`,
		"[plugins]\nmemory_limit = \"-1GiB\"":                 `plugins.memory_limit: "-1GiB" is not a number of MiB or GiB`,
		"[[providers]]\nid = \"a\"\nsandbox = \"loose\"":      `providers[0].sandbox: "loose" is not possible here`,
		"[[providers]]\nid = \"a\"\nrun_as = \"a b\"":         `providers[0].run_as: "a b" is not the name of a user`,
		"[[providers]]\nid = \"a\"\negress_ports = 8443":      `providers[0].egress_ports: must be a list of ports in brackets, not a number`,
		"[[providers]]\nid = \"a\"\negress_ports = [0]":       `providers[0].egress_ports: must hold ports between 1 and 65535`,
		"[[providers]]\nid = \"a\"\negress_ports = [65536]":   `must hold ports between 1 and 65535`,
		"[[providers]]\nid = \"a\"\negress_ports = [\"ssh\"]": `must hold ports between 1 and 65535`,
	} {
		if got := strings.Join(faultsOf(t, minimal+"\n"+text), "\n"); !strings.Contains(got, want) {
			t.Errorf("%s: faults %q, want %q", text, got, want)
		}
	}
}
