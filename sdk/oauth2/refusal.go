package oauth2

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/authd/authd/sdk"
)

// refusal makes the Error for an answer that carries an error code of RFC 6749 section 5.2, or one of a later
// specification or of the vendor (Client.ErrorCodes).
func (c *Client) refusal(what string, status int, o Object, secrets []string) *sdk.Error {
	code := o.String("error")
	if known, ok := c.ErrorCodes[code]; ok {
		code = known
	}
	if !isErrorCode(code) {
		code = ""
	}
	err := &sdk.Error{Source: sourceOf(code), Code: code, HTTPStatus: status}
	err.Description = what + ": " + quoteText(o.String("error_description"), secrets)
	if err.Source == sdk.SourceConfig {
		err.Diagnostics = configFaults(code)
	}
	return err
}

// sourceOf says whose fault an error code of a token or revocation endpoint is.
func sourceOf(code string) sdk.Source {
	switch code {
	case "invalid_grant", "access_denied", "login_required", "interaction_required", "consent_required", "account_selection_required":
		return sdk.SourceUser
	case "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope", "redirect_uri_mismatch":
		return sdk.SourceConfig
	}
	return sdk.SourceUpstream
}

// configFaults names the settings that lead to an error code.
func configFaults(code string) []sdk.Diagnostic {
	at := func(setting, detail string) sdk.Diagnostic {
		return sdk.Diagnostic{
			Severity: sdk.SeverityError, Setting: setting, Detail: detail,
			Summary: "is not accepted by the identity provider (" + code + ")",
		}
	}
	switch code {
	case "invalid_scope":
		return []sdk.Diagnostic{at("scopes", "ask only for scopes that this client is registered for")}
	case "redirect_uri_mismatch":
		return []sdk.Diagnostic{at("callback_path", "register the callback URL of this provider there, exactly as it is")}
	case "unsupported_grant_type":
		return []sdk.Diagnostic{at("client_id", "allow the grant for this client at the identity provider")}
	}
	return []sdk.Diagnostic{
		at("client_id", "compare it with the registration at the identity provider"),
		at("client_secret", "copy it again, or make a new one, at the identity provider"),
	}
}

// unexpected is the error for a status that stands for failure without a code that says why.
func unexpected(what string, status int) *sdk.Error {
	hint := ""
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		hint = "; compare client_id and client_secret with the registration"
	}
	err := sdk.UpstreamErrorf("%s: refuses the request without saying why%s", what, hint)
	err.HTTPStatus = status
	return err
}

// isErrorCode keeps everything but codes out of the Code field: RFC 6749 section 5.2 allows more, but none uses it.
func isErrorCode(code string) bool {
	return code != "" && len(code) <= 64 && strings.Trim(code, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == ""
}

// quoteText makes a text of the identity provider fit for a log: short, printable and without anything secret that
// was sent, which some identity providers repeat.
func quoteText(text string, secrets []string) string {
	if text == "" {
		return "refuses the request"
	}
	for _, secret := range secrets {
		if secret != "" {
			text = strings.NewReplacer(secret, "***", url.QueryEscape(secret), "***").Replace(text)
		}
	}
	const most = 200
	if len(text) > most {
		text = text[:most] + "…"
	}
	return "refuses the request, saying " + printable(text)
}

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u2028' || r == '\u2029' || r == '\uFFFD' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, ""))
}
