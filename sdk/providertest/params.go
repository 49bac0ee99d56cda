package providertest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
)

// checkParams: the provider names its endpoint and its own parameters, hands on what the login asks for, and leaves
// alone what is authd's.
func checkParams(ctx context.Context, s *suite) error {
	var faults []error
	for _, ask := range s.questions() {
		got, err := s.shared.authorizeParams(ctx, ask.in)
		if err != nil {
			return fmt.Errorf("AuthorizeParams: %w", err)
		}
		for _, err := range []error{s.checkEndpoint(got), s.checkOwned(ask.in, got), ask.want(got.Params)} {
			if err != nil {
				faults = append(faults, fmt.Errorf("%s: %w", ask.name, err))
			}
		}
	}
	return errors.Join(faults...)
}

type question struct {
	name string
	in   sdk.AuthorizeRequest
	want func(url.Values) error
}

func (s *suite) questions() []question {
	plain, _ := s.request()
	hinted, _ := s.request()
	hinted.LoginHint = "kit-vera@example.org"
	scoped, _ := s.request()
	scoped.Scope = append([]string{"kit-scope"}, scoped.Scope...)
	prompted, _ := s.request()
	prompted.Prompt = "login"
	if known := s.h.Type.Prompts; len(known) > 0 {
		prompted.Prompt = known[0]
	}
	all := []question{
		{"as it comes", plain, func(v url.Values) error {
			if v.Has("prompt") {
				return fmt.Errorf("prompt=%q is sent though none was asked for", v.Get("prompt"))
			}
			return s.wantScopes(v, plain.Scope)
		}},
		{"with a login hint", hinted, func(v url.Values) error { return wantValue(v, "login hint", hinted.LoginHint) }},
		{"with a further scope", scoped, func(v url.Values) error { return s.wantScopes(v, scoped.Scope) }},
		{"with a prompt", prompted, func(v url.Values) error { return wantValue(v, "prompt", prompted.Prompt) }},
	}
	if s.shared.can(sdk.CapabilityOpenID) {
		aged, _ := s.request()
		aged.MaxAge = 90 * time.Second
		all = append(all, question{"with a max_age", aged, func(v url.Values) error { return wantValue(v, "max_age in seconds", "90") }})
	}
	return all
}

// wantValue looks for a value under whatever name the identity provider has for it.
func wantValue(v url.Values, what, want string) error {
	for _, values := range v {
		if slices.Contains(values, want) {
			return nil
		}
	}
	return fmt.Errorf("the %s %q is not sent", what, want)
}

func (s *suite) wantScopes(v url.Values, want []string) error {
	sent := strings.FieldsFunc(v.Get("scope"), func(r rune) bool { return r == ' ' || r == ',' })
	for _, scope := range want {
		if !slices.Contains(sent, scope) {
			return fmt.Errorf("scope=%q lacks %q", v.Get("scope"), scope)
		}
	}
	return nil
}

// checkEndpoint: authd sends people to the origin that Configure named, and nowhere else.
func (s *suite) checkEndpoint(got sdk.AuthorizeParams) error {
	declared, err := url.Parse(s.shared.AuthorizationEndpoint)
	if err != nil {
		return err
	}
	u, err := url.Parse(got.Endpoint)
	if err != nil || u.Scheme != declared.Scheme || u.Host != declared.Host {
		return fmt.Errorf("the endpoint is %q; its origin must stay that of %q", got.Endpoint, s.shared.AuthorizationEndpoint)
	}
	for name := range u.Query() {
		if _, owned := s.owned(sdk.AuthorizeRequest{})[name]; owned {
			return fmt.Errorf("the endpoint's URL already has %s, which authd writes", name)
		}
	}
	return nil
}

// checkOwned: a parameter of authd's, if the provider sets it at all, has authd's value.
func (s *suite) checkOwned(in sdk.AuthorizeRequest, got sdk.AuthorizeParams) error {
	for name, want := range s.owned(in) {
		for _, value := range got.Params[name] {
			if value != want {
				return fmt.Errorf("the provider sets %s to another value than authd's; leave it out, since authd writes it", name)
			}
		}
	}
	return nil
}

// checkAuthorizeRequest: nothing the provider adds keeps the identity provider from answering to authd.
func checkAuthorizeRequest(ctx context.Context, s *suite) error {
	if _, err := s.authorize(ctx, s.shared, s.who(verified)); err != nil {
		return err
	}
	for _, name := range []string{devidp.EndpointAuthorize, devidp.EndpointGitHubAuthorize} {
		requests := s.idp.Requests(name)
		if len(requests) == 0 {
			continue
		}
		sent := requests[len(requests)-1]
		if got := param(sent, "redirect_uri"); got != redirectURI {
			return fmt.Errorf("the identity provider was told redirect_uri=%q, want %q", got, redirectURI)
		}
		return nil
	}
	return errors.New("no authorization request reached the identity provider")
}
