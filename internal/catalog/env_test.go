package catalog

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Threat 132: the environment of a plugin is a short list.
func TestPluginEnv(t *testing.T) {
	environ := []string{
		"PATH=/bin", "HOME=/root", "AUTHD_SESSION_SECRET=s", "OAUTH_GITHUB_CLIENT_SECRET=s", "LD_PRELOAD=/evil.so",
		"SSL_CERT_FILE=/ca.pem", "HTTPS_PROXY=http://proxy:3128", "TZ=UTC", "broken",
	}
	want := []string{
		"SSL_CERT_FILE=/ca.pem", "HTTPS_PROXY=http://proxy:3128", "TZ=UTC",
		"GOMAXPROCS=2", "GOGC=200", "GOMEMLIMIT=128MiB", "GOTRACEBACK=all", "GOMEMLIMIT=1GiB", "PLUGIN_X=1",
	}
	got := pluginEnv(environ, false, map[string]string{"GOMEMLIMIT": "1GiB"}, []string{"PLUGIN_X=1"})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pluginEnv (-want +got):\n%s", diff)
	}
	if !slices.Contains(pluginEnv(environ, true, nil, nil), "PATH=/bin") {
		t.Error("a script does not see PATH, so that env can't find its interpreter")
	}
}
