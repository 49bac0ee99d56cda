package policy

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

func TestConstraints(t *testing.T) {
	for query, want := range map[string]bool{
		"":                             true,
		"rd=/x&allowed=nobody":         true,
		"allowed_groups=admins":        true,
		"allowed_groups=nobody,admins": true,
		"allowed_groups=nobody&allowed_groups=%20staff%20": true,
		"allowed_groups=nobody":                            false,
		"allowed_groups=Admins":                            false,
		"allowed_groups=admin":                             false,
		"allowed_emails=ada@example.org":                   true,
		"allowed_emails=ADA@Example.ORG":                   true,
		"allowed_emails=bob@example.org":                   false,
		"allowed_emails=bob@example.org,ada@example.org":   true,
		"allowed_email_domains=example.org":                true,
		"allowed_email_domains=EXAMPLE.org":                true,
		"allowed_email_domains=.example.org":               true,
		"allowed_email_domains=.org":                       true,
		"allowed_email_domains=org":                        false,
		"allowed_email_domains=ample.org":                  false,
		"allowed_email_domains=.ample.org":                 false,
		"allowed_email_domains=sub.example.org":            false,
		"allowed_email_domains=@example.org":               false,
		"allowed_email_domains=.":                          false,
		// All parameters must be met.
		"allowed_groups=admins&allowed_emails=ada@example.org&allowed_email_domains=example.org": true,
		"allowed_groups=admins&allowed_emails=bob@example.org":                                   false,
		"allowed_groups=nobody&allowed_email_domains=example.org":                                false,
		// Present but empty denies; a star is refused, whatever stands beside it.
		"allowed_groups=":                       false,
		"allowed_groups":                        false,
		"allowed_groups=,,":                     false,
		"allowed_emails=%20":                    false,
		"allowed_email_domains=":                false,
		"allowed_groups=admins&allowed_emails=": false,
		"allowed_groups=&allowed_groups=admins": true,
		"allowed_email_domains=*":               false,
		"allowed_email_domains=example.org,*":   false,
		"allowed_email_domains=*.example.org":   false,
		"allowed_emails=*":                      false,
		"allowed_groups=*":                      false,
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		err = ParseConstraints(values).Allow(ada())
		if (err == nil) != want {
			t.Errorf("%s: %v, want allowed = %v", query, err, want)
		}
		if err != nil && (!errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "allowed_")) {
			t.Errorf("%s: %v does not wrap ErrDenied or name the parameter", query, err)
		}
	}
}

func TestConstraintsOnSubdomains(t *testing.T) {
	u := ada()
	u.Email = "ada@eu.example.org"
	for query, want := range map[string]bool{
		"allowed_email_domains=.example.org": true, "allowed_email_domains=example.org": false, "allowed_email_domains=eu.example.org": true,
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if err := ParseConstraints(values).Allow(u); (err == nil) != want {
			t.Errorf("%s: %v, want allowed = %v", query, err, want)
		}
	}
}

// Threat 34: an address that the provider does not vouch for meets no constraint.
func TestConstraintsNeedAVerifiedAddress(t *testing.T) {
	u := ada()
	u.EmailVerified = false
	for _, query := range []url.Values{
		{"allowed_emails": {"ada@example.org"}}, {"allowed_email_domains": {"example.org"}}, {"allowed_email_domains": {".example.org,."}}, {"allowed_emails": {","}},
	} {
		if err := ParseConstraints(query).Allow(u); !errors.Is(err, ErrDenied) {
			t.Errorf("%v: %v, want ErrDenied", query, err)
		}
	}
	if err := ParseConstraints(url.Values{"allowed_groups": {"admins"}}).Allow(u); err != nil {
		t.Errorf("groups: %v", err)
	}
}
