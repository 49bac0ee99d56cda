package sdk_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
)

func TestErrorText(t *testing.T) {
	for _, test := range []struct {
		err  *sdk.Error
		want string
	}{
		{&sdk.Error{}, "plugin"},
		{&sdk.Error{Source: sdk.SourceUser, Code: "access_denied"}, "user: access_denied"},
		{sdk.UserErrorf("access_denied", "%s is not in org %s", "ada", "acme"), "user: access_denied: ada is not in org acme"},
		{sdk.UpstreamErrorf("token endpoint: %w", io.ErrUnexpectedEOF), "upstream: token endpoint: unexpected EOF"},
		{&sdk.Error{Source: sdk.SourceUpstream, HTTPStatus: 429, RetryAfter: time.Minute}, "upstream: HTTP 429"},
		{&sdk.Error{Source: sdk.SourceUpstream, Err: io.EOF}, "upstream: EOF"},
		{&sdk.Error{Source: sdk.SourceUpstream, Description: "said once", Err: io.EOF}, "upstream: said once"},
		{sdk.ConfigErrorf("realm", "does not exist at %s", "acme"), "config: realm does not exist at acme"},
		{&sdk.Error{Source: 99}, "plugin"},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestErrorKeepsItsCause(t *testing.T) {
	if err := sdk.UpstreamErrorf("discovery: %w", io.ErrUnexpectedEOF); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v does not wrap its cause", err)
	}
	if err := sdk.UpstreamErrorf("discovery"); err.Unwrap() != nil {
		t.Errorf("%v wraps %v, want nothing", err, err.Unwrap())
	}
}

func TestConfigErrorNamesTheSetting(t *testing.T) {
	want := []sdk.Diagnostic{{Severity: sdk.SeverityError, Setting: "realm", Summary: "does not exist"}}
	if diff := cmp.Diff(want, sdk.ConfigErrorf("realm", "does not exist").Diagnostics); diff != "" {
		t.Errorf("diagnostics (-want +got):\n%s", diff)
	}
}
