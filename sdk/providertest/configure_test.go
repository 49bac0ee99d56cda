package providertest

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
)

// shop is a type that shows how it was configured.
func shop(configured *sdk.Config) sdk.Type {
	return sdk.Type{
		Name: "shop", Label: "Shop", Identifier: "email", Scopes: []string{"orders"},
		Settings: []sdk.Setting{
			{Name: "client_id", Env: "OAUTH_SHOP_CLIENT_ID", Required: true, Help: "Client ID."},
			{Name: "region", Env: "OAUTH_SHOP_REGION", Default: "eu", Help: "Where it is."},
		},
		New: func(_ context.Context, cfg sdk.Config) (sdk.Provider, error) {
			*configured = cfg
			if cfg.Settings["region"] == "moon" {
				return nil, sdk.ConfigErrorf("region", "there is no shop; set eu or us")
			}
			cfg.Log.Info("opened")
			return door{}, nil
		},
	}
}

func TestConfigure(t *testing.T) {
	var cfg sdk.Config
	var log bytes.Buffer
	p, err := Configure(t, shop(&cfg), map[string]string{"client_id": "c"}, hclog.New(&hclog.LoggerOptions{Output: &log}))
	if _, ok := p.(door); !ok || err != nil {
		t.Fatalf("Configure = %v, %v", p, err)
	}
	if cfg.Type != "shop" || cfg.ID != "shop" || cfg.Settings["region"] != "eu" || len(cfg.Scopes) != 1 || cfg.HTTP == nil || !strings.Contains(log.String(), "opened") {
		t.Errorf("it was configured with %+v and logged %q", cfg, log.String())
	}
	if _, err := Configure(t, shop(&cfg), map[string]string{"client_id": "c"}, nil); err != nil {
		t.Errorf("without a log: %v", err)
	}
	_, err = Configure(t, shop(&cfg), nil, nil)
	var typed *sdk.Error
	if !errors.As(err, &typed) || typed.Source != sdk.SourceConfig || len(typed.Diagnostics) != 1 || typed.Diagnostics[0].Setting != "client_id" {
		t.Errorf("without a client: %v, want one fault", err)
	}
}

// The address is taken as long as the test lasts, and no longer.
func TestStartIDP(t *testing.T) {
	var issuer string
	t.Run("runs", func(t *testing.T) {
		issuer = StartIDP(t, devidp.Options{SigningAlg: "ES256"}).Issuer()
		resp, err := http.Get(issuer + "/.well-known/openid-configuration")
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%v %v", resp, err)
		}
		_ = resp.Body.Close() // only the status is of interest
	})
	if resp, err := http.Get(issuer); err == nil {
		_ = resp.Body.Close()
		t.Error("it answers after the end of the test")
	}
}

// inChild names the helper that a child of this test process calls, so that a failure of it is seen from outside.
const inChild = "AUTHD_PROVIDERTEST_HELPER"

// helpers fail where the second value says how, and pass where that is empty.
func helpers(t *testing.T) map[string]struct {
	call func()
	want string
} {
	var cfg sdk.Config
	right := map[string]string{"client_id": "c"}
	mistake := func(set map[string]string, setting, says string) func() {
		return func() { CheckMistake(t, shop(&cfg), right, set, setting, says) }
	}
	const section = "| `client_id` | `OAUTH_SHOP_CLIENT_ID` | yes |  | Client ID. |\n| `region` | `OAUTH_SHOP_REGION` | no | `eu` | Where it is. |\n" +
		"/auth/oauth/shop/callback, `email` by default, orders\n"
	readme := func(text string) func() {
		return func() { CheckSection(t, text, shop(&cfg), "/auth/oauth/shop/callback") }
	}
	return map[string]struct {
		call func()
		want string
	}{
		"mistake-refused":     {mistake(map[string]string{"client_id": ""}, "client_id", "OAUTH_SHOP_CLIENT_ID"), ""},
		"mistake-later":       {mistake(map[string]string{"region": "moon"}, "region", "set eu or us"), ""},
		"mistake-accepted":    {mistake(map[string]string{"region": "us"}, "region", "set eu or us"), "got <nil>, want an error about the settings"},
		"mistake-other-name":  {mistake(map[string]string{"region": "moon"}, "client_id", "set eu or us"), "want it to name client_id"},
		"mistake-no-mend":     {mistake(map[string]string{"region": "moon"}, "region", "ask Houston"), `say "ask Houston"`},
		"readme-whole":        {readme(section), ""},
		"readme-other-row":    {readme(strings.Replace(section, "Where it is", "Where", 1)), "lacks the row of shop"},
		"readme-row-too-many": {readme(section + "| `OAUTH_SHOP_OTHER` |\n"), "has 3 settings of shop, the type has 2"},
		"readme-no-callback":  {readme(strings.Replace(section, "/callback", "", 1)), `does not name "/auth/oauth/shop/callback"`},
		"readme-no-scope":     {readme(strings.Replace(section, "orders", "", 1)), `does not name "orders"`},
	}
}

// TestHelpers calls each of them in a child, where a failure is what is wanted of some.
func TestHelpers(t *testing.T) {
	if name := os.Getenv(inChild); name != "" {
		helpers(t)[name].call()
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, helper := range helpers(t) {
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestHelpers$")
		cmd.Env = append(os.Environ(), inChild+"="+name)
		out, err := cmd.CombinedOutput()
		if (err == nil) != (helper.want == "") || !strings.Contains(string(out), helper.want) {
			t.Errorf("%s: %v, want %q in\n%s", name, err, helper.want, out)
		}
	}
}
