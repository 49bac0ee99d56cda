package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/authd/authd/sdk"
)

// What an answer of a plugin may hold at most. The message as a whole is bounded by the transport.
const (
	urlMax      = 2 << 10
	paramsMax   = 64
	paramMax    = 4 << 10
	tokenMax    = 64 << 10
	jsonMax     = 512 << 10
	scopesMax   = 256
	nameMax     = 256
	subMax      = 255 // OpenID Connect Core section 2
	groupsMax   = 2000
	findingsMax = 100
	iconMax     = 32 << 10
)

// text refuses what is too long, not UTF-8 or holds control characters, and names it.
func text(name, value string, limit int) error {
	switch {
	case len(value) > limit:
		return fmt.Errorf("%s has %d bytes, more than %d", name, len(value), limit)
	case printableASCII(value):
		return nil // as nearly all are; the next two take much longer to say so
	case !utf8.ValidString(value):
		return fmt.Errorf("%s is not UTF-8", name)
	case strings.IndexFunc(value, unicode.IsControl) >= 0:
		return fmt.Errorf("%s holds a control character", name)
	}
	return nil
}

func printableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// texts is text for a list.
func texts(name string, values []string, count, limit int) error {
	if len(values) > count {
		return fmt.Errorf("%s has %d entries, more than %d", name, len(values), count)
	}
	for _, v := range values {
		if err := text(name, v, limit); err != nil {
			return err
		}
	}
	return nil
}

// object refuses what is neither empty nor one JSON object.
func object(name string, raw json.RawMessage) error {
	switch {
	case len(raw) > jsonMax:
		return fmt.Errorf("%s has %d bytes, more than %d", name, len(raw), jsonMax)
	case len(raw) > 0 && (!utf8.Valid(raw) || !json.Valid(raw) || !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{"))):
		return fmt.Errorf("%s is not a JSON object", name)
	}
	return nil
}

// webURL parses an absolute http or https URL to which people or requests may be sent: no userinfo, no fragment,
// and http only on the loopback unless insecure.
func webURL(name, raw string, insecure bool) (*url.URL, error) {
	if err := text(name, raw, urlMax); err != nil {
		return nil, err
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s is not a URL", name) // the cause repeats the whole of it
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "", u.Opaque != "":
		return nil, fmt.Errorf("%s is not an absolute http or https URL", name)
	case u.User != nil:
		return nil, fmt.Errorf("%s holds a user name", name)
	case u.Fragment != "", strings.Contains(raw, "#"):
		return nil, fmt.Errorf("%s holds a fragment", name)
	case strings.ContainsAny(raw, " \\"):
		return nil, fmt.Errorf("%s holds a space or a backslash", name)
	case u.Scheme == "http" && !insecure && !isLoopback(u.Hostname()):
		return nil, fmt.Errorf("%s is plain http; use https, or set insecure_http for this provider", name)
	}
	return u, nil
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// origin is scheme, host and port as RFC 6454 compares them.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// pins is what a configured provider is held to for the life of its process.
type pins struct {
	insecure  bool
	endpoint  string   // the authorization endpoint that was declared; "" for a provider that has none
	authorize string   // its origin
	declared  []string // every origin to which it may send people
	issuer    string
}

// checkConfigured judges what Configure answered and returns what the provider is held to.
func checkConfigured(c *sdk.Configured, insecure bool) (pins, error) {
	held := pins{insecure: insecure, issuer: c.Issuer}
	switch openid := slices.Contains(c.Capabilities, sdk.CapabilityOpenID); {
	case openid && c.Issuer == "":
		return held, errors.New("says it is an OpenID provider and names no issuer")
	case !openid && c.Issuer != "":
		return held, errors.New("names an issuer and does not say it is an OpenID provider")
	case !slices.Contains([]string{"", sdk.ResponseTypeCode, sdk.ResponseTypeHybrid}, c.ResponseType):
		return held, fmt.Errorf("asks for the response type %q; authd knows %q and %q", clean(shorten(c.ResponseType, nameMax)), sdk.ResponseTypeCode, sdk.ResponseTypeHybrid)
	case c.Hybrid() && !openid:
		return held, errors.New("asks for an ID token beside the code and is no OpenID provider, which could verify it")
	}
	if c.Issuer != "" {
		u, err := webURL("issuer", c.Issuer, insecure)
		if err != nil {
			return held, err
		}
		if u.RawQuery != "" || u.ForceQuery { // OpenID Connect Discovery 1.0 section 3
			return held, errors.New("issuer holds a query")
		}
		held.declared = append(held.declared, origin(u))
	}
	if c.AuthorizationEndpoint == "" {
		if !slices.Contains(c.Capabilities, sdk.CapabilityPassword) {
			return held, errors.New("declares no authorization endpoint and takes no password")
		}
		return held, nil
	}
	u, err := webURL("authorization endpoint", c.AuthorizationEndpoint, insecure)
	if err != nil {
		return held, err
	}
	held.endpoint, held.authorize = c.AuthorizationEndpoint, origin(u)
	held.declared = append(held.declared, held.authorize)
	return held, nil
}

// checkAuthorize judges where a person is to be sent to sign in.
func (h pins) checkAuthorize(a sdk.AuthorizeParams) error {
	if err := h.checkEndpoint(a.Endpoint); err != nil {
		return err
	}
	count := 0
	for name, values := range a.Params {
		if count += len(values); count > paramsMax {
			return fmt.Errorf("more than %d parameters", paramsMax)
		}
		if name == "" {
			return errors.New("a parameter has no name")
		}
		if err := text("a parameter's name", name, nameMax); err != nil {
			return err
		}
		if err := texts(name, values, paramsMax, paramMax); err != nil {
			return fmt.Errorf("parameter %w", err)
		}
	}
	return nil
}

// checkEndpoint judges an authorization endpoint. Most providers have one and the same all their life.
func (h pins) checkEndpoint(endpoint string) error {
	if endpoint == h.endpoint && endpoint != "" {
		return nil
	}
	u, err := webURL("authorization endpoint", endpoint, h.insecure)
	if err != nil {
		return err
	}
	if origin(u) != h.authorize {
		return fmt.Errorf("authorization endpoint is on %s; this provider declared %s", origin(u), h.authorize)
	}
	return nil
}

// checkEndSession judges where a person is to be sent to sign out.
func (h pins) checkEndSession(raw string) error {
	if raw == "" {
		return nil
	}
	// The id_token_hint makes this URL longer than others.
	if err := text("end session URL", raw, urlMax+tokenMax); err != nil {
		return err
	}
	base, _, _ := strings.Cut(raw, "?")
	u, err := webURL("end session URL", base, h.insecure)
	if err != nil {
		return err
	}
	if strings.Contains(raw, "#") {
		return errors.New("end session URL holds a fragment")
	}
	if !slices.Contains(h.declared, origin(u)) {
		return fmt.Errorf("end session URL is on %s; this provider declared %s", origin(u), strings.Join(h.declared, " and "))
	}
	return nil
}

// checkToken judges a token response.
func checkToken(t *sdk.Token) error {
	if t == nil || (t.AccessToken == "" && t.IDToken == "" && len(t.Extra) == 0) {
		return errors.New("the token is empty")
	}
	if year := t.Expiry.Year(); !t.Expiry.IsZero() && (year < 1970 || year > 9999) {
		t.Expiry = time.Time{} // not a time that can be stored: as good as not said
	}
	return errors.Join(
		text("access token", t.AccessToken, tokenMax), text("refresh token", t.RefreshToken, tokenMax),
		text("ID token", t.IDToken, tokenMax), text("token type", t.TokenType, nameMax),
		texts("scope", t.Scope, scopesMax, nameMax), object("the token's extra part", t.Extra),
	)
}

// checkUser judges a user.
func checkUser(u *sdk.User) error {
	if u == nil || strings.TrimSpace(u.Sub) == "" {
		return errors.New("the user has no sub")
	}
	if text("picture", u.Picture, urlMax) != nil {
		u.Picture = "" // mere decoration, often a whole image as a data URL: no reason to keep a person out
	}
	return errors.Join(
		text("sub", u.Sub, subMax), text("preferred_username", u.PreferredUsername, nameMax), text("name", u.Name, nameMax),
		text("given_name", u.GivenName, nameMax), text("family_name", u.FamilyName, nameMax), text("email", u.Email, 2*nameMax),
		text("locale", u.Locale, nameMax), text("sid", u.SID, nameMax),
		texts("groups", u.Groups, groupsMax, nameMax), object("the raw claims", u.Claims),
	)
}

// checkLogoutToken judges a logout token that the plugin says it has verified.
func (h pins) checkLogoutToken(t *sdk.LogoutToken) error {
	switch {
	case t == nil || (t.Sub == "" && t.SID == ""): // Back-Channel Logout 1.0 section 2.4
		return errors.New("the logout token has neither sub nor sid")
	case t.Issuer != h.issuer:
		return errors.New("the logout token is of another issuer than this provider")
	case t.ID == "":
		return errors.New("the logout token has no jti")
	}
	return errors.Join(text("sub", t.Sub, subMax), text("sid", t.SID, nameMax), text("jti", t.ID, nameMax))
}

// The shapes that the names in a manifest must have.
var (
	typeShape    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	settingShape = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	// envShape keeps a plugin from asking for what is not meant for it, such as another program's secret.
	envShape = regexp.MustCompile(`^OAUTH_[A-Z0-9_]{1,80}$`)
)

// checkManifest judges what a plugin says it can be configured as.
func checkManifest(m *sdk.Manifest) error {
	if len(m.Types) == 0 || len(m.Types) > paramsMax {
		return fmt.Errorf("serves %d types; 1 to %d are possible", len(m.Types), paramsMax)
	}
	if err := text("version", m.Version, nameMax); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, t := range m.Types {
		if seen[t.Name] {
			return fmt.Errorf("serves type %s twice", t.Name)
		}
		seen[t.Name] = true
		if err := checkType(t); err != nil {
			return fmt.Errorf("type %s: %w", clean(shorten(t.Name, nameMax)), err)
		}
	}
	return nil
}

func checkType(t sdk.Type) error {
	switch {
	case !typeShape.MatchString(t.Name):
		return errors.New("the name is not a letter and up to 31 of a-z, 0-9 and -")
	case t.Label == "":
		return errors.New("has no label")
	case !slices.Contains([]string{"", "sub", "preferred_username", "email", "name"}, t.Identifier):
		return errors.New("identifier is none of sub, preferred_username, email and name")
	case len(t.Icon) > iconMax || !utf8.ValidString(t.Icon):
		return fmt.Errorf("the icon is not UTF-8 of at most %d bytes", iconMax)
	case len(t.Settings) > paramsMax:
		return fmt.Errorf("has %d settings, more than %d", len(t.Settings), paramsMax)
	}
	if t.DocsURL != "" {
		// A fragment is what leads to the right chapter; this URL is only ever read by people.
		page, _, _ := strings.Cut(t.DocsURL, "#")
		if _, err := webURL("the documentation URL", page, false); err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	for _, s := range t.Settings {
		if seen[s.Name] {
			return fmt.Errorf("has setting %s twice", s.Name)
		}
		seen[s.Name] = true
		if err := checkSetting(s); err != nil {
			return fmt.Errorf("setting %s: %w", clean(shorten(s.Name, nameMax)), err)
		}
	}
	return errors.Join(text("the label", t.Label, nameMax), texts("scopes", t.Scopes, scopesMax, nameMax), texts("prompts", t.Prompts, paramsMax, nameMax))
}

func checkSetting(s sdk.Setting) error {
	if !settingShape.MatchString(s.Name) {
		return errors.New("the name is not a letter and up to 63 of a-z, 0-9 and _")
	}
	if s.Env != "" && !envShape.MatchString(s.Env) {
		return errors.New("the environment name does not begin with OAUTH_; authd reads no other for a plugin")
	}
	if _, err := regexp.Compile(s.Pattern); err != nil {
		return errors.New("the pattern does not compile")
	}
	return errors.Join(text("the pattern", s.Pattern, paramMax), text("the default", s.Default, paramMax), text("the help", s.Help, paramMax))
}
