package policy

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/authd/authd/internal/identity"
)

// Constraints are what a check demands besides the rules: the query parameters allowed_groups, allowed_emails and
// allowed_email_domains of oauth2-proxy. The zero Constraints demand nothing.
type Constraints struct {
	groups, emails, domains *demand
}

// demand is one parameter; nil: it was not given.
type demand struct {
	name string
	any  []string // not empty each; one of them must fit; none: nobody does
}

// ParseConstraints reads the constraints of a query. Values are separated by commas, and a parameter that is there
// several times counts as one. A person must meet each parameter that is given, by one value of it. Unlike in
// oauth2-proxy a parameter without any value denies everybody, and so does one with the value "*".
func ParseConstraints(query url.Values) Constraints {
	return Constraints{
		groups:  parseDemand(query, "allowed_groups"),
		emails:  parseDemand(query, "allowed_emails"),
		domains: parseDemand(query, "allowed_email_domains"),
	}
}

func parseDemand(query url.Values, name string) *demand {
	given, there := query[name]
	if !there {
		return nil
	}
	d := &demand{name: name}
	for value := range strings.SplitSeq(strings.Join(given, ","), ",") {
		if value = strings.TrimSpace(value); value == "*" {
			return &demand{name: name}
		}
		if value != "" {
			d.any = append(d.any, value)
		}
	}
	return d
}

// Allow returns nil when the user meets all constraints, else an error that wraps ErrDenied. An address counts only if
// the provider vouches for it; letter case does not count in addresses. The domain ".example.org" stands for
// example.org and all domains below it.
func (c Constraints) Allow(user *identity.User) error {
	address := strings.ToLower(user.VerifiedEmail())
	_, domain, _ := strings.Cut(address, "@")
	if err := c.groups.meet(func(group string) bool { return slices.Contains(user.Groups, group) }); err != nil {
		return err
	}
	if err := c.emails.meet(func(email string) bool { return strings.ToLower(email) == address }); err != nil {
		return err
	}
	return c.domains.meet(func(allowed string) bool {
		allowed = strings.ToLower(allowed)
		if below, all := strings.CutPrefix(allowed, "."); all {
			return below != "" && (domain == below || strings.HasSuffix(domain, allowed))
		}
		return domain == allowed
	})
}

func (d *demand) meet(fits func(string) bool) error {
	switch {
	case d == nil || slices.ContainsFunc(d.any, fits):
		return nil
	case len(d.any) == 0:
		return fmt.Errorf("%w: %s names nobody", ErrDenied, d.name)
	}
	return fmt.Errorf("%w: %s", ErrDenied, d.name)
}
