package oauth2_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/authd/authd/sdk/oauth2"
)

// Threat 47: https, or http to this machine; anything else only where the operator says so.
func TestValidateEndpoint(t *testing.T) {
	tests := []struct {
		url            string
		safe, insecure bool
	}{
		{"https://idp.example.com/token", true, true},
		{"https://idp.example.com/token?tenant=a", true, true},
		{"HTTPS://idp.example.com", true, true},
		{"http://127.0.0.1:8080/token", true, true},
		{"http://127.9.9.9/", true, true},
		{"http://[::1]:8080/", true, true},
		{"http://localhost/", true, true},
		{"http://LOCALHOST:1/", true, true},
		{"http://idp.example.com/token", false, true},
		{"http://192.0.2.1/", false, true},
		{"http://localhost.example.com/", false, true},
		{"http://127.0.0.1.example.com/", false, true},
		{"http://[::ffff:127.0.0.1]/", true, true},
		{"https://idp.example.com/#fragment", false, false},
		{"https://idp.example.com/#", false, false},
		{"https://user@idp.example.com/", false, false},
		{"https://user:s3cret@idp.example.com/", false, false},
		{"https:///token", false, false},
		{"https://:443/token", false, false},
		{"https:idp.example.com", false, false},
		{"//idp.example.com/", false, false},
		{"idp.example.com/token", false, false},
		{"ftp://127.0.0.1/", false, false},
		{"javascript:alert(1)", false, false},
		{"file:///etc/passwd", false, false},
		{"https://idp.example.com/%zz", false, false},
		{"https://idp.example.com/\x00", false, false},
		{"", false, false},
	}
	for _, test := range tests {
		for _, insecure := range []bool{false, true} {
			want := test.safe
			if insecure {
				want = test.insecure
			}
			err := oauth2.ValidateEndpoint(test.url, insecure)
			if (err == nil) != want || err != nil && !errors.Is(err, oauth2.ErrEndpoint) {
				t.Errorf("%q, insecure %v: got error %v, want acceptance: %v", test.url, insecure, err, want)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%q: the error %q holds the password", test.url, err)
			}
		}
	}
}
