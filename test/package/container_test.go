//go:build linux

package packaged

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/authd/authd/internal/config"
)

var (
	copied    = regexp.MustCompile(`(?m)^COPY (?:--chown=\S+ )?([^-\s]\S*(?: \S+)*) \S+$`)
	fromBuild = regexp.MustCompile(`(?m)^COPY --from=build (?:--chown=\S+ )?(\S+) (\S+)$`)
	variable  = regexp.MustCompile(`(?m)^(?:ENV| {3}) (AUTHD_[A-Z_]+)=(\S*)`)
	setting   = regexp.MustCompile(`(?m)^ {6}((?:AUTHD|OAUTH)_[A-Z_]+): (.*)$`)
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What the Dockerfile copies is there: in the checkout, and after make build.
func TestDockerfileCopies(t *testing.T) {
	dockerfile := read(t, "Dockerfile")
	var sources []string
	for _, line := range copied.FindAllStringSubmatch(dockerfile, -1) {
		sources = append(sources, strings.Fields(line[1])...)
	}
	if len(sources) < 4 {
		t.Fatalf("found no more than %q to be copied", sources)
	}
	ignored := strings.Fields(read(t, ".dockerignore"))
	for _, source := range sources {
		if _, err := os.Stat(filepath.Join("../..", source)); err != nil || slices.Contains(ignored, source) {
			t.Errorf("COPY %s: not in the build's context (%v)", source, err)
		}
	}
	makefile, images := read(t, "Makefile"), map[string]string{}
	for _, line := range fromBuild.FindAllStringSubmatch(dockerfile, -1) {
		images[line[1]] = line[2]
	}
	for source, target := range map[string]string{"/src/bin/authd": "/usr/bin/authd", "/src/bin/plugins": "/usr/lib/authd/plugins", "/state": "/var/lib/authd"} {
		if images[source] != target {
			t.Errorf("the Dockerfile copies %s to %q, want %s", source, images[source], target)
		}
	}
	for _, target := range []string{"bin/authd:", "bin/plugins/authd-provider-%:"} {
		if !strings.Contains(makefile, "\n"+target) {
			t.Errorf("make build does not make %s", target)
		}
	}
}

// The image's and compose's variables together are a configuration that authd accepts, and the image's alone lacks
// nothing but the public URL.
func TestComposeConfiguration(t *testing.T) {
	image := map[string]string{}
	for _, v := range variable.FindAllStringSubmatch(read(t, "Dockerfile"), -1) {
		image[v[1]] = v[2]
	}
	if len(image) != 4 {
		t.Fatalf("the variables of the Dockerfile: %q", image)
	}
	t.Chdir(t.TempDir()) // no authd.toml is there
	if _, err := config.Load("", environ(image)); err == nil || !strings.Contains(err.Error(), "public_url") {
		t.Errorf("without a public URL: %v", err)
	}
}

func TestComposeVariables(t *testing.T) {
	all := map[string]string{}
	for _, v := range variable.FindAllStringSubmatch(read(t, "Dockerfile"), -1) {
		all[v[1]] = v[2]
	}
	for _, v := range setting.FindAllStringSubmatch(read(t, "compose.yaml"), -1) {
		all[v[1]] = strings.TrimSpace(v[2])
	}
	t.Chdir(t.TempDir())
	cfg, err := config.Load("", environ(all))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Server.PublicURL != "http://localhost:8080" || cfg.Server.AdminListen != "" || len(cfg.Server.TrustedProxies) != 1 {
		t.Errorf("compose.yaml makes %+v", cfg.Server)
	}
	if all["OAUTH_GITHUB_CLIENT_ID"] == "" || all["OAUTH_GITHUB_CLIENT_SECRET"] == "" {
		t.Errorf("compose.yaml sets no provider: %q", slices.Sorted(maps.Keys(all)))
	}
}

func environ(variables map[string]string) (list []string) {
	for name, value := range variables {
		list = append(list, name+"="+value)
	}
	return list
}
