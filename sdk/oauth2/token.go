package oauth2

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/authd/authd/sdk"
)

// The bounds of expires_in. A shorter life would make whoever renews tokens ask all the time; a longer one is a slip.
const (
	minLifetime = 30 * time.Second
	maxLifetime = 365 * 24 * time.Hour
)

// standardMembers are those of RFC 6749 section 5.1 and OpenID Connect Core section 3.1.3.3, which have fields of
// their own in sdk.Token. What else a response holds goes to Token.Extra.
var standardMembers = [...]string{"access_token", "token_type", "expires_in", "refresh_token", "scope", "id_token"}

// parseAnswer reads a token response, which is a JSON object (RFC 6749 section 5.1) or, from older servers, a form.
func parseAnswer(a *Answer) (Object, error) {
	if bytes.HasPrefix(bytes.TrimSpace(a.Body), []byte("{")) {
		return ParseObject(a.Body)
	}
	switch a.mediaType() {
	case "application/x-www-form-urlencoded", "text/plain", "":
	default:
		return nil, fmt.Errorf("%w: it is %q", ErrJSON, a.mediaType())
	}
	form, err := url.ParseQuery(strings.TrimSpace(string(a.Body)))
	if err != nil || !form.Has("access_token") && !form.Has("error") {
		return nil, fmt.Errorf("%w: it is no form with a token either", ErrJSON)
	}
	o := Object{}
	for name, values := range form {
		if len(values) > 1 {
			return nil, fmt.Errorf("%w: the form has %.40q twice", ErrJSON, name)
		}
		o.Set(name, values[0])
	}
	return o, nil
}

// token makes the Token of a successful response.
func (c *Client) token(o Object) (*sdk.Token, error) {
	t := &sdk.Token{
		AccessToken: o.String("access_token"), TokenType: o.String("token_type"),
		RefreshToken: o.String("refresh_token"), IDToken: o.String("id_token"),
		Scope: scopesOf(o.String("scope")), Extra: extraOf(o),
	}
	if t.AccessToken == "" {
		return nil, fmt.Errorf("it holds no access_token")
	}
	if !isHeaderValue(t.AccessToken) {
		return nil, fmt.Errorf("its access_token can't be sent in a header")
	}
	switch {
	case t.TokenType == "" && c.TokenTypeOptional && !o.Has("token_type"):
		t.TokenType = "Bearer"
	case !strings.EqualFold(t.TokenType, "bearer"):
		return nil, fmt.Errorf("its token_type is %.20q, not Bearer", t.TokenType)
	}
	if o.Has("id_token") && t.IDToken == "" && string(o["id_token"]) != "null" {
		return nil, fmt.Errorf("its id_token is no string")
	}
	if life, ok := lifetime(o["expires_in"]); ok {
		t.Expiry = c.now().Add(life)
	}
	return t, nil
}

// lifetime reads expires_in, which some send as a string. What is no positive number counts as not said.
func lifetime(raw json.RawMessage) (time.Duration, bool) {
	text := string(raw)
	if s, ok := stringOf(raw); ok {
		text = s
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if math.IsNaN(seconds) || seconds <= 0 || err != nil && !math.IsInf(seconds, 1) {
		return 0, false
	}
	if seconds >= maxLifetime.Seconds() {
		return maxLifetime, true
	}
	return max(minLifetime, time.Duration(seconds*float64(time.Second))), true
}

// scopesOf parts the granted scopes, at spaces (RFC 6749 section 3.3) and at the commas that GitHub puts there.
func scopesOf(text string) []string {
	scopes := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' })
	if len(scopes) == 0 {
		return nil
	}
	return scopes
}

func extraOf(o Object) json.RawMessage {
	extra := Object{}
	for name, value := range o {
		extra[name] = value
	}
	for _, name := range standardMembers {
		delete(extra, name)
	}
	if len(extra) == 0 {
		return nil
	}
	return extra.JSON()
}

func isHeaderValue(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}
