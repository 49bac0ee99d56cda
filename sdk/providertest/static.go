package providertest

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/authd/authd/sdk"
	pb "github.com/authd/authd/sdk/proto/provider/v1"
)

// maxIcon is what authd serves on its login page.
const maxIcon = 32 << 10

// The names that authd can put into URLs, configuration files and environments.
var (
	typeName    = regexp.MustCompile(`\A[a-z][a-z0-9-]{0,31}\z`)
	settingName = regexp.MustCompile(`\A[a-z][a-z0-9_]*\z`)
	envName     = regexp.MustCompile(`\A[A-Z][A-Z0-9_]*\z`)
)

// hostKeys are what a provider's table in the configuration file says to authd itself.
func hostKeys() []string {
	return []string{
		"id", "type", "label", "icon", "scopes", "prompt", "authorize_params", "identifier", "allow", "claims", "required",
		"callback_path", "insecure_http", "ca_file",
	}
}

func staticChecks() []check {
	return []check{
		{name: "manifest-type", run: checkType},
		{name: "manifest-settings", run: checkDeclaredSettings},
		{name: "manifest-icon", run: func(_ context.Context, s *suite) error { return checkIcon(s.h.Type.Icon) }},
		{name: "describe-stable", run: checkDescribe},
		{name: "type-unknown", run: checkUnknownType},
		{name: "settings-required", run: checkRequired},
		{name: "settings-malformed", run: checkMalformed},
		{name: "settings-unknown", run: checkUnknownSetting},
		{name: "before-configure", run: checkBeforeConfigure},
	}
}

func checkType(_ context.Context, s *suite) error {
	t := s.h.Type
	var faults []error
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !typeName.MatchString(t.Name) {
		add("the type's name %q is not a lower-case letter and up to 31 of a-z, 0-9 and -", t.Name)
	}
	if strings.TrimSpace(t.Label) == "" {
		add("type %s has no label for people; set one", t.Name)
	}
	if t.DocsURL != "" {
		if u, err := url.Parse(t.DocsURL); err != nil || u.Scheme != "https" || u.Host == "" {
			add("the documentation URL %q is no https URL", t.DocsURL)
		}
	}
	if !slices.Contains([]string{"", "sub", "preferred_username", "email", "name"}, t.Identifier) {
		add("the identifier %q is none of sub, preferred_username, email and name", t.Identifier)
	}
	for _, prompt := range t.Prompts {
		if prompt == "" || strings.ContainsAny(prompt, " \t\n") {
			add("the prompt %q is no single word", prompt)
		}
	}
	for _, scope := range t.Scopes {
		if scope == "" || strings.ContainsAny(scope, " \t\n\"\\") {
			add("the scope %q is no scope of RFC 6749 section 3.3", scope)
		}
	}
	return errors.Join(faults...)
}

func checkDeclaredSettings(_ context.Context, s *suite) error {
	var faults []error
	names, envs := map[string]bool{}, map[string]bool{}
	for _, setting := range s.h.Type.Settings {
		if names[setting.Name] {
			faults = append(faults, fmt.Errorf("setting %s is declared twice", setting.Name))
		}
		if setting.Env != "" && envs[setting.Env] {
			faults = append(faults, fmt.Errorf("two settings share the environment name %s", setting.Env))
		}
		names[setting.Name], envs[setting.Env] = true, true
		faults = append(faults, checkSetting(setting))
	}
	return errors.Join(faults...)
}

func checkSetting(s sdk.Setting) error {
	var faults []error
	add := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("setting "+s.Name+": "+format, args...))
	}
	if !settingName.MatchString(s.Name) {
		add("the name %q is not a lower-case letter and then letters, digits and _", s.Name)
	}
	if slices.Contains(hostKeys(), s.Name) || strings.HasSuffix(s.Name, "_file") {
		add("the name belongs to authd; choose another one")
	}
	if s.Env != "" && !envName.MatchString(s.Env) {
		add("the environment name %q is not of A-Z, 0-9 and _", s.Env)
	}
	if strings.TrimSpace(s.Help) == "" {
		add("there is no help; write a sentence for the operator")
	}
	if s.Secret && s.Default != "" {
		add("a secret has a default, which everybody knows")
	}
	if s.Pattern != "" {
		pattern, err := regexp.Compile(`\A(?:` + s.Pattern + `)\z`)
		if err != nil {
			add("the pattern is no RE2 expression: %w", err)
		} else if s.Default != "" && !pattern.MatchString(s.Default) {
			add("the default does not match the pattern")
		}
	}
	return errors.Join(faults...)
}

// checkIcon looks whether an icon is an SVG, which authd shows as an image: scripts in it do not run, but have no
// business there either.
func checkIcon(icon string) error {
	if icon == "" {
		return nil
	}
	if len(icon) > maxIcon {
		return fmt.Errorf("the icon has %d bytes; %d is the most", len(icon), maxIcon)
	}
	decoder := xml.NewDecoder(bytes.NewReader([]byte(icon)))
	for depth := 0; ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the icon is no well-formed SVG: %w", err)
		}
		switch element := token.(type) {
		case xml.StartElement:
			if depth++; depth == 1 && (element.Name.Local != "svg" || element.Name.Space != "http://www.w3.org/2000/svg") {
				return fmt.Errorf(`the icon begins with <%s>; want <svg xmlns="http://www.w3.org/2000/svg">`, element.Name.Local)
			}
			if strings.EqualFold(element.Name.Local, "script") {
				return errors.New("the icon holds a script; take it out")
			}
		case xml.EndElement:
			depth--
		}
	}
}

// checkDescribe: two processes say the same, before and after whatever was asked of them, and it is the type under test.
func checkDescribe(ctx context.Context, s *suite) error {
	var texts []string
	for range 2 {
		p, err := s.started(ctx)
		if err != nil {
			return err
		}
		defer p.stop()
		for range 2 {
			m, err := p.client.Describe(ctx)
			if err != nil {
				return fmt.Errorf("Describe: %w", err)
			}
			if _, ok := m.Type(s.h.Type.Name); !ok {
				return fmt.Errorf("Describe names no type %q, only %s", s.h.Type.Name, typeNames(m))
			}
			text, err := m.JSON()
			if err != nil {
				return err
			}
			texts = append(texts, string(text))
		}
	}
	if len(slices.Compact(texts)) > 1 {
		return errors.New("Describe answers something else each time; it must be static")
	}
	return nil
}

func typeNames(m *sdk.Manifest) string {
	var names []string
	for _, t := range m.Types {
		names = append(names, t.Name)
	}
	return strings.Join(names, ", ")
}

// refusedSettings makes a Configure call that must fail because of settings, and returns the diagnostics.
func refusedSettings(ctx context.Context, s *suite, typ string, settings map[string]string) ([]sdk.Diagnostic, error) {
	p, err := s.started(ctx)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	_, err = p.raw.Configure(ctx, &pb.ConfigureRequest{Type: typ, ProviderId: "kit", Settings: settings})
	if code := status.Code(err); code != codes.InvalidArgument {
		return nil, fmt.Errorf("Configure answered %v; want INVALID_ARGUMENT", code)
	}
	// Asked again, since a failed Configure may be tried again.
	_, err = p.client.Configure(ctx, sdk.ConfigureRequest{Type: typ, ID: "kit", Settings: settings})
	if err := wantSource("Configure", err, sdk.SourceConfig); err != nil {
		return nil, err
	}
	var e *sdk.Error
	errors.As(err, &e)
	return e.Diagnostics, nil
}

// missing tells which settings no diagnostic names.
func missing(names []string, found []sdk.Diagnostic) error {
	var faults []error
	for _, name := range names {
		if !slices.ContainsFunc(found, func(d sdk.Diagnostic) bool { return d.Setting == name && d.Summary != "" }) {
			faults = append(faults, fmt.Errorf("no diagnostic names the setting %s and says what is wrong", name))
		}
	}
	return errors.Join(faults...)
}

func checkUnknownType(ctx context.Context, s *suite) error {
	_, err := refusedSettings(ctx, s, "no-such-type", nil)
	return err
}

// checkRequired: the operator hears of everything that is missing at once.
func checkRequired(ctx context.Context, s *suite) error {
	var names []string
	for _, setting := range s.h.Type.Settings {
		if setting.Required && setting.Default == "" {
			names = append(names, setting.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	found, err := refusedSettings(ctx, s, s.h.Type.Name, nil)
	if err != nil {
		return err
	}
	return missing(names, found)
}

// checkMalformed: what does not match its pattern is named, be it alone or among other faults.
func checkMalformed(ctx context.Context, s *suite) error {
	var faults []error
	for _, setting := range s.h.Type.Settings {
		bad, ok := malformed(setting.Pattern)
		if !ok {
			continue
		}
		found, err := refusedSettings(ctx, s, s.h.Type.Name, map[string]string{setting.Name: bad})
		if err == nil {
			err = missing([]string{setting.Name}, found)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("setting %s = %q: %w", setting.Name, bad, err))
		}
	}
	return errors.Join(faults...)
}

// malformed finds a value that a pattern does not match.
func malformed(pattern string) (string, bool) {
	compiled, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
	if pattern == "" || err != nil {
		return "", false
	}
	for _, value := range []string{"not\x01this", " ", "!", "-", "0", "a"} {
		if !compiled.MatchString(value) {
			return value, true
		}
	}
	return "", false
}

func checkUnknownSetting(ctx context.Context, s *suite) error {
	const name = "no_such_setting"
	settings := maps.Clone(s.settings)
	if settings == nil {
		settings = map[string]string{}
	}
	settings[name] = "x"
	found, err := refusedSettings(ctx, s, s.h.Type.Name, settings)
	if err != nil {
		return err
	}
	return missing([]string{name}, found)
}

// checkBeforeConfigure: a process that is no provider yet does nothing, and does not fall over either.
func checkBeforeConfigure(ctx context.Context, s *suite) error {
	p, err := s.started(ctx)
	if err != nil {
		return err
	}
	defer p.stop()
	var faults []error
	for _, m := range methods() {
		code := status.Code(m.call(ctx, p))
		if code != codes.FailedPrecondition && (code != codes.Unimplemented || m.capability == "") {
			faults = append(faults, fmt.Errorf("%s before Configure answered %v; want FAILED_PRECONDITION", m.name, code))
		}
	}
	return errors.Join(faults...)
}

// method is a call without anything useful in it.
type method struct {
	name       string
	capability sdk.Capability // "" = required
	call       func(context.Context, *process) error
}

func methods() []method {
	return []method{
		{"AuthorizeParams", "", func(ctx context.Context, p *process) error {
			_, err := p.raw.AuthorizeParams(ctx, &pb.AuthorizeParamsRequest{})
			return err
		}},
		{"GetToken", "", func(ctx context.Context, p *process) error {
			_, err := p.raw.GetToken(ctx, &pb.GetTokenRequest{})
			return err
		}},
		{"GetUserInfo", "", func(ctx context.Context, p *process) error {
			_, err := p.raw.GetUserInfo(ctx, &pb.GetUserInfoRequest{})
			return err
		}},
		{"RefreshToken", sdk.CapabilityRefresh, func(ctx context.Context, p *process) error {
			_, err := p.raw.RefreshToken(ctx, &pb.RefreshTokenRequest{})
			return err
		}},
		{"RevokeToken", sdk.CapabilityRevocation, func(ctx context.Context, p *process) error {
			_, err := p.raw.RevokeToken(ctx, &pb.RevokeTokenRequest{})
			return err
		}},
		{"EndSession", sdk.CapabilityEndSession, func(ctx context.Context, p *process) error {
			_, err := p.raw.EndSession(ctx, &pb.EndSessionRequest{})
			return err
		}},
		{"PasswordLogin", sdk.CapabilityPassword, func(ctx context.Context, p *process) error {
			_, err := p.raw.PasswordLogin(ctx, &pb.PasswordLoginRequest{})
			return err
		}},
		{"VerifyLogoutToken", sdk.CapabilityBackchannelLogout, func(ctx context.Context, p *process) error {
			_, err := p.raw.VerifyLogoutToken(ctx, &pb.VerifyLogoutTokenRequest{})
			return err
		}},
		{"Check", sdk.CapabilityCheck, func(ctx context.Context, p *process) error {
			_, err := p.raw.Check(ctx, &pb.CheckRequest{})
			return err
		}},
	}
}
