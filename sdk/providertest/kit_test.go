package providertest

import (
	"testing"

	"github.com/authd/authd/sdk"
)

// Good providers pass, in this process and in another one.

func TestPlain(t *testing.T) { Run(t, plainHarness(plainType())) }

func TestOpenID(t *testing.T) { Run(t, openIDHarness(openIDType())) }

func TestPassword(t *testing.T) { Run(t, plainHarness(passwordType())) }

func TestPlainBinary(t *testing.T) {
	RunBinary(t, link(t, ""), plainHarness(sdk.Type{Name: "plain"}))
}

func TestOpenIDBinary(t *testing.T) {
	RunBinary(t, link(t, ""), openIDHarness(sdk.Type{Name: "openid"}))
}
