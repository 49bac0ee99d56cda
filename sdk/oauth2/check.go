package oauth2

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/authd/authd/sdk"
)

// MaxSkew is how far the clock of an identity provider may be off before tokens get refused.
const MaxSkew = time.Minute

// Check implements sdk.Checker: the token endpoint and the client's credentials, the userinfo endpoint, the clock.
func (p *Provider) Check(ctx context.Context) ([]sdk.Diagnostic, error) {
	found := p.client.CheckToken(ctx)
	if p.config.Endpoint.UserInfo != "" {
		found = append(found, p.client.CheckReach(ctx, "userinfo endpoint", p.config.Endpoint.UserInfo)...)
	}
	return found, nil
}

// CheckToken asks the token endpoint to redeem a made-up code. An identity provider that knows the client answers
// invalid_grant; one that does not, invalid_client. Nothing else shows wrong credentials before the first login.
func (c *Client) CheckToken(ctx context.Context) []sdk.Diagnostic {
	_, err := c.Exchange(ctx, sdk.CodeExchange{
		Code: "authd-check", RedirectURI: "https://localhost/authd-check",
		CodeVerifier: "authd-check-authd-check-authd-check-authd-check",
	})
	var refused *sdk.Error
	switch {
	case err == nil:
		return []sdk.Diagnostic{{
			Severity: sdk.SeverityError, Summary: "token endpoint gives tokens for a made-up code",
			Detail: "do not trust this identity provider",
		}}
	case !errors.As(err, &refused):
		return []sdk.Diagnostic{{Severity: sdk.SeverityError, Summary: "token endpoint can't be used", Detail: err.Error()}}
	case refused.Source == sdk.SourceConfig:
		return refused.Diagnostics
	case refused.Source == sdk.SourceUser:
		return []sdk.Diagnostic{{Severity: sdk.SeverityOK, Summary: "token endpoint answers and takes the client's credentials"}}
	case refused.Code != "":
		return []sdk.Diagnostic{{Severity: sdk.SeverityOK, Summary: "token endpoint answers (" + refused.Code + ")"}}
	case refused.HTTPStatus >= 400 && refused.HTTPStatus < 500 && refused.HTTPStatus != http.StatusNotFound:
		return []sdk.Diagnostic{{Severity: sdk.SeverityWarning, Summary: "token endpoint refuses a made-up code without an error code", Detail: refused.Error()}}
	}
	return []sdk.Diagnostic{{Severity: sdk.SeverityError, Summary: "token endpoint can't be used", Detail: refused.Error()}}
}

// CheckReach asks an endpoint without a token and looks whether it is there, and at its clock. Any answer but "not
// found" and a failure will do.
func (c *Client) CheckReach(ctx context.Context, name, endpoint string) []sdk.Diagnostic {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return []sdk.Diagnostic{{Severity: sdk.SeverityError, Summary: name + " is no URL"}}
	}
	a, err := c.Send(name, r)
	if err != nil {
		return []sdk.Diagnostic{{Severity: sdk.SeverityError, Summary: name + " can't be used", Detail: err.Error()}}
	}
	if a.Status == http.StatusNotFound {
		return []sdk.Diagnostic{{Severity: sdk.SeverityError, Summary: name + " is not there (HTTP 404)", Detail: "compare " + withoutQuery(r.URL) + " with the identity provider's documentation"}}
	}
	found := []sdk.Diagnostic{{Severity: sdk.SeverityOK, Summary: name + " answers"}}
	return append(found, c.CheckClock(a.Header)...)
}

// CheckClock compares the Date of an answer with the clock here.
func (c *Client) CheckClock(header http.Header) []sdk.Diagnostic {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return nil
	}
	skew := c.now().Sub(date)
	if skew.Abs() <= MaxSkew {
		return []sdk.Diagnostic{{Severity: sdk.SeverityOK, Summary: "the clocks agree"}}
	}
	direction := "ahead of"
	if skew < 0 {
		direction = "behind"
	}
	return []sdk.Diagnostic{{
		Severity: sdk.SeverityWarning,
		Summary:  fmt.Sprintf("the clock here is %s %s the identity provider's", skew.Abs().Round(time.Second), direction),
		Detail:   "set both by NTP; tokens are refused when clocks differ by more than a minute",
	}}
}

func withoutQuery(u *url.URL) string { return u.Scheme + "://" + u.Host + u.EscapedPath() }
