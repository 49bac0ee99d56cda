package oidc_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oidc"
)

func TestSettingsFillAConfig(t *testing.T) {
	kind := sdk.Type{Name: "acme", Settings: oidc.Settings("OAUTH_ACME")}
	tests := map[string]struct {
		values map[string]string
		want   oidc.Config
	}{
		"public client": {map[string]string{"client_id": "c"}, oidc.Config{ClientID: "c", GroupsClaim: "groups"}},
		"everything": {
			map[string]string{"client_id": "c", "client_secret": "s", "token_endpoint_auth_method": "client_secret_post", "userinfo": "false", "groups_claim": "roles"},
			oidc.Config{ClientID: "c", ClientSecret: "s", AuthMethod: "client_secret_post", NoUserInfo: true, GroupsClaim: "roles"},
		},
	}
	for name, test := range tests {
		complete, faults := kind.CheckSettings(test.values)
		if len(faults) > 0 {
			t.Fatalf("%s: %v", name, faults)
		}
		if diff := cmp.Diff(oidc.FromSettings(sdk.Config{Settings: complete}), test.want); diff != "" {
			t.Errorf("%s (got -, want +):\n%s", name, diff)
		}
	}
	if got := oidc.FromSettings(sdk.Config{Settings: map[string]string{"client_id": "c"}}); got.NoUserInfo {
		t.Error("a type that does not offer the userinfo setting has userinfo switched off")
	}
	for _, bad := range []map[string]string{
		{}, {"client_id": "c", "userinfo": "maybe"}, {"client_id": "c", "token_endpoint_auth_method": "private_key_jwt"},
	} {
		if _, faults := kind.CheckSettings(bad); len(faults) != 1 {
			t.Errorf("%v: got %v, want one fault", bad, faults)
		}
	}
}

func TestEverySettingHasAnEnvironmentName(t *testing.T) {
	for _, s := range oidc.Settings("OAUTH_ACME") {
		if len(s.Env) < len("OAUTH_ACME_X") || s.Env[:len("OAUTH_ACME_")] != "OAUTH_ACME_" || s.Help == "" {
			t.Errorf("setting %s: got environment name %q and help %q", s.Name, s.Env, s.Help)
		}
		if s.Secret != (s.Name == "client_secret") {
			t.Errorf("setting %s: secret is %v", s.Name, s.Secret)
		}
	}
}
