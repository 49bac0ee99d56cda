package providertest

import (
	"context"
	"strings"
	"testing"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/oidc"
)

// hybridType is a good OpenID provider of the hybrid flow that asks no userinfo endpoint.
func hybridType() sdk.Type {
	typ := openIDType()
	typ.New = func(ctx context.Context, c sdk.Config) (sdk.Provider, error) {
		config := oidc.FromSettings(c)
		config.Issuer, config.Hybrid, config.NoUserInfo = c.Settings["issuer"], true, true
		return oidc.New(ctx, c, config)
	}
	return typ
}

func TestHybrid(t *testing.T) { Run(t, openIDHarness(hybridType())) }

// hasty asks for the hybrid flow and never looks at what came with the code.
type hasty struct{ gullible }

func (h hasty) Metadata() sdk.Metadata {
	m := h.gullible.Metadata()
	m.ResponseType = sdk.ResponseTypeHybrid
	return m
}

// TestHasty: each lie about the ID token in front is caught by a check of its own when nobody refuses it.
func TestHasty(t *testing.T) {
	typ := openIDType()
	typ.New = func(ctx context.Context, c sdk.Config) (sdk.Provider, error) {
		good, err := openIDProvider(ctx, c)
		return hasty{gullible{good, c}}, err
	}
	for _, flaw := range frontFlaws() {
		check := "hybrid-" + string(flaw)
		t.Run(check, func(t *testing.T) {
			caught(t, check, "taken for good", openIDHarness(typ), inProcess{types: []sdk.Type{typ}})
		})
	}
	for _, flaw := range []devidp.Flaw{
		devidp.FlawWrongCHash, devidp.FlawNoCHash, devidp.FlawCallbackNoToken, devidp.FlawWrongNonce, devidp.FlawWrongAudience,
		devidp.FlawOtherUser, devidp.FlawAlgNone,
	} {
		if !hasCheck(lieChecks(), "hybrid-"+string(flaw)) {
			t.Errorf("no check is about %s", flaw)
		}
	}
}

// TestWhoIsAsked: nothing is demanded of a type that it can't know. Who is asked neither at userinfo nor by a second ID
// token can't tell one person's right token from another's.
func TestWhoIsAsked(t *testing.T) {
	alone := openIDType()
	alone.New = func(ctx context.Context, c sdk.Config) (sdk.Provider, error) {
		config := oidc.FromSettings(c)
		config.Issuer, config.NoUserInfo = c.Settings["issuer"], true
		return oidc.New(ctx, c, config)
	}
	for _, test := range []struct {
		name   string
		typ    sdk.Type
		check  string
		wanted bool
	}{
		{"code alone", alone, "id-token-other-user", false},
		{"code alone, all else", alone, "id-token-wrong-nonce", true},
		{"code and userinfo", openIDType(), "id-token-other-user", true},
		{"hybrid", hybridType(), "id-token-other-user", true},
		{"code alone, hybrid lies", alone, "hybrid-wrong-c-hash", false},
		{"hybrid lies", hybridType(), "hybrid-wrong-c-hash", true},
	} {
		r := &picky{want: test.check, failed: map[string]error{}}
		runSuite(t.Context(), r, openIDHarness(test.typ), inProcess{types: []sdk.Type{test.typ}})
		if r.ran != test.wanted || r.failed[test.check] != nil {
			t.Errorf("%s: %s ran: %v, failed: %v; want it to run: %v", test.name, test.check, r.ran, r.failed[test.check], test.wanted)
		}
	}
	for _, c := range lieChecks() {
		if strings.HasPrefix(c.name, "hybrid-") && c.when == nil {
			t.Errorf("%s is asked of every type", c.name)
		}
	}
}
