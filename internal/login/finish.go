package login

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"github.com/authd/authd/internal/identity"
	"github.com/authd/authd/sdk"
)

// Callback is what came back from the identity provider.
type Callback struct {
	// Path that was called; it must be that of the redirect URI of the login.
	Path string
	// FormPost means that the parameters came as a posted form, not in the query.
	FormPost bool
	Params   url.Values
	// Cookies are the flow cookies of the browser, by name.
	Cookies map[string]string
}

// Finished is a login that has ended. With an error only ProviderID, ReturnTo and Cookie are set, as far as known.
type Finished struct {
	ProviderID string
	User       *identity.User
	Token      *sdk.Token
	// ReturnTo is where to send the browser now.
	ReturnTo string
	// Cookie is the name of the flow cookie to delete; empty: none was found.
	Cookie string
}

// Finish ends a login. State is compared and the login is burnt before anything is sent to the identity provider.
// The Finished is never nil.
func (f *Flow) Finish(ctx context.Context, in Callback) (*Finished, error) {
	out := &Finished{ReturnTo: "/"}
	if err := wellFormed(in.Params); err != nil {
		return out, err
	}
	tx, err := f.claim(in.Params.Get("state"), in.Cookies)
	if err != nil {
		return out, err
	}
	out.ProviderID, out.Cookie = tx.Provider, cookieName(tx.State)
	// The rules may have changed since the start.
	out.ReturnTo, _ = f.ReturnTo(tx.ReturnTo)
	if err := f.burn(ctx, tx); err != nil {
		return out, err
	}
	setup, err := f.Setup(tx.Provider)
	if err != nil {
		return out, err
	}
	if err := matches(tx, setup, in); err != nil {
		return out, err
	}
	var said *sdk.User
	out.Token, said, err = setup.Provider.GetToken(ctx, sdk.CodeExchange{
		Code: in.Params.Get("code"), RedirectURI: tx.RedirectURI, CodeVerifier: tx.Verifier, Nonce: tx.Nonce,
		Params: others(in.Params),
	})
	if err != nil {
		return out, err
	}
	out.User, err = setup.user(ctx, out.Token, said)
	return out, err
}

// wellFormed refuses what no identity provider sends: a missing state, a repeated parameter (RFC 6749 section 3.1).
func wellFormed(params url.Values) error {
	for name, values := range params {
		if len(values) > 1 {
			return fmt.Errorf("%w: %q is repeated", ErrInvalidRequest, printable(name))
		}
	}
	if params.Get("state") == "" {
		return fmt.Errorf("%w: the parameter is missing", ErrInvalidState)
	}
	return nil
}

// matches holds the answer against the request: the path, the response mode, the issuer, error or code.
func matches(tx transaction, setup Setup, in Callback) error {
	asked, err := url.Parse(tx.RedirectURI)
	if err != nil || asked.Path != in.Path {
		return fmt.Errorf("%w: the callback of provider %s came to another path", ErrInvalidState, tx.Provider)
	}
	if in.FormPost != tx.FormPost {
		return fmt.Errorf("%w: provider %s answered in another response mode than was asked for", ErrInvalidRequest, tx.Provider)
	}
	if err := issuedBy(setup, in.Params); err != nil {
		return err
	}
	if code := in.Params.Get("error"); code != "" {
		return answerError(tx.Provider, code, in.Params.Get("error_description"))
	}
	if err := onlyAsked(tx, in.Params); err != nil {
		return err
	}
	if in.Params.Get("code") == "" {
		return fmt.Errorf("%w: provider %s sent neither a code nor an error", ErrInvalidRequest, tx.Provider)
	}
	return nil
}

// onlyAsked refuses tokens that were not asked for, and an answer without the one that was. What the ID token says is
// for the provider to verify, before it redeems the code.
func onlyAsked(tx transaction, params url.Values) error {
	for _, token := range []string{"access_token", "id_token", "refresh_token"} {
		if params.Has(token) && !(tx.Hybrid && token == "id_token") {
			return fmt.Errorf("%w: provider %s sent the parameter %s, which was not asked for", ErrInvalidRequest, tx.Provider, token)
		}
	}
	if tx.Hybrid && params.Get("id_token") == "" {
		return fmt.Errorf("%w: provider %s sent no id_token, which was asked for; allow ID tokens from the authorization endpoint there", ErrInvalidRequest, tx.Provider)
	}
	return nil
}

// issuedBy checks the iss parameter (RFC 9207 section 2.4): it must be there where the metadata promises it, and
// right wherever it is.
func issuedBy(setup Setup, params url.Values) error {
	declared, ok := setup.Provider.Configured()
	if !ok || declared.Issuer == "" {
		return nil
	}
	switch iss := params.Get("iss"); {
	case iss == declared.Issuer:
		return nil
	case iss == "" && !declared.ResponseIssSupported:
		return nil
	default:
		return fmt.Errorf("%w: the answer names the issuer %q, provider %s is %q", ErrInvalidRequest, printable(iss), setup.ID, declared.Issuer)
	}
}

// answerError maps an error response (RFC 6749 section 4.1.2.1, OpenID Connect Core section 3.1.2.6).
func answerError(provider, code, description string) error {
	kind := ErrUpstream
	if slices.Contains([]string{"access_denied", "login_required", "consent_required", "interaction_required", "account_selection_required"}, code) {
		kind = ErrDenied
	}
	return fmt.Errorf("%w: provider %s: %q %q", kind, provider, printable(code), printable(description))
}

// others are the parameters of the answer that the provider may want to see.
func others(params url.Values) url.Values {
	rest := url.Values{}
	for name, values := range params {
		if name != "code" && name != "state" {
			rest[name] = values
		}
	}
	return rest
}

// printable cuts what a stranger sent to a length that a log line bears; %q escapes the rest.
func printable(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// Password signs in with a name and a password that the person typed into authd's form.
func (f *Flow) Password(ctx context.Context, providerID string, in sdk.Credentials, returnTo string) (*Finished, error) {
	out := &Finished{ProviderID: providerID}
	out.ReturnTo, _ = f.ReturnTo(returnTo)
	setup, err := f.Setup(providerID)
	if err != nil {
		return out, err
	}
	if declared, ok := setup.Provider.Configured(); ok && !slices.Contains(declared.Capabilities, sdk.CapabilityPassword) {
		return out, fmt.Errorf("%w: provider %s takes no password", ErrUnsupported, providerID)
	}
	if in.Username == "" || in.Password == "" {
		return out, fmt.Errorf("%w: user name or password is empty", ErrInvalidRequest)
	}
	if out.Token, err = setup.Provider.PasswordLogin(ctx, in); err != nil {
		return out, err
	}
	out.User, err = setup.user(ctx, out.Token, nil)
	return out, err
}
