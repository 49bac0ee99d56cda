package sdk_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
)

func TestCapabilities(t *testing.T) {
	all := []sdk.Capability{
		sdk.CapabilityOpenID, sdk.CapabilityRefresh, sdk.CapabilityRevocation, sdk.CapabilityEndSession, sdk.CapabilityBackchannelLogout,
	}
	for _, test := range []struct {
		name     string
		provider sdk.Provider
		want     []sdk.Capability
	}{
		{"the three methods alone", &plain{}, nil},
		{"all but a password form", &everything{}, append(all[:len(all):len(all)], sdk.CapabilityCheck)},
		{"all", &doorman{}, append(all[:len(all):len(all)], sdk.CapabilityPassword, sdk.CapabilityCheck)},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, sdk.Capabilities(test.provider)); diff != "" {
				t.Errorf("capabilities (-want +got):\n%s", diff)
			}
		})
	}
}
