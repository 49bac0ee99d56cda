package login

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/authd/authd/sdk"
)

// StartRequest begins a login.
type StartRequest struct {
	ProviderID string
	// ReturnTo is where the person wanted to go.
	ReturnTo string
	// LoginHint is who is expected to sign in (OpenID Connect Core section 3.1.2.1); optional.
	LoginHint string
	// Cookies are the flow cookies of the browser, by name.
	Cookies map[string]string
}

// Started is where to send the browser, and with which cookies.
type Started struct {
	// URL of the identity provider.
	URL string
	// Cookie to set; it holds the login.
	Cookie Cookie
	// Gone are names of flow cookies to delete.
	Gone []string
	// ReturnToRefused means that the target was none of ours and that the login will lead home.
	ReturnToRefused bool
}

// Cookie is a flow cookie.
type Cookie struct {
	Name, Value string
	MaxAge      time.Duration
	// CrossSite means that it must come along with a form that the identity provider posts.
	CrossSite bool
}

// maxLoginHint bounds what a link may put into the identity provider's form.
const maxLoginHint = 256

// Start begins a login: it asks the provider for its parameters, writes authd's own over them, and seals what the
// callback will need.
func (f *Flow) Start(ctx context.Context, in StartRequest) (*Started, error) {
	setup, err := f.Setup(in.ProviderID)
	if err != nil {
		return nil, err
	}
	if len(in.LoginHint) > maxLoginHint {
		return nil, fmt.Errorf("%w: login_hint is longer than %d bytes", ErrInvalidRequest, maxLoginHint)
	}
	returnTo, ok := f.ReturnTo(in.ReturnTo)
	tx := transaction{
		secrets: newSecrets(), Provider: setup.ID, RedirectURI: setup.RedirectURI, ReturnTo: returnTo, Begun: f.Now(),
	}
	params, err := setup.Provider.AuthorizeParams(ctx, sdk.AuthorizeRequest{
		RedirectURI: setup.RedirectURI, State: tx.State, Nonce: tx.Nonce, CodeChallenge: tx.challenge(),
		CodeChallengeMethod: "S256", Scope: setup.Scopes, Prompt: setup.Prompt, LoginHint: in.LoginHint,
	})
	if err != nil {
		return nil, err
	}
	// Known by now: the provider has just answered.
	declared, _ := setup.Provider.Configured()
	tx.Hybrid = declared.Hybrid()
	to, err := authorizeURL(setup, tx, params)
	if err != nil {
		return nil, err
	}
	tx.FormPost = to.Query().Get("response_mode") == "form_post"
	sealed, err := f.seal(tx)
	if err != nil {
		return nil, err
	}
	cookie := Cookie{Name: cookieName(tx.State), Value: sealed, MaxAge: f.Lifetime, CrossSite: tx.FormPost}
	return &Started{
		URL: to.String(), Cookie: cookie, Gone: f.surplus(in.Cookies, len(cookie.Name)+len(sealed)), ReturnToRefused: !ok,
	}, nil
}

// authorizeURL puts the request together: the provider's parameters, the operator's over them, authd's own over all.
func authorizeURL(setup Setup, tx transaction, params sdk.AuthorizeParams) (*url.URL, error) {
	to, err := url.Parse(params.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("provider %s: the authorization endpoint is no URL: %w", setup.ID, err)
	}
	query := to.Query()
	for name, values := range params.Params {
		query[name] = values
	}
	for name, value := range setup.AuthorizeParams {
		query.Set(name, value)
	}
	if setup.ClientID != "" {
		query.Set("client_id", setup.ClientID)
	}
	query.Set("response_type", sdk.ResponseTypeCode)
	if tx.Hybrid { // a token must never be in a URL (RFC 9700 section 2.1.2)
		query.Set("response_type", sdk.ResponseTypeHybrid)
		query.Set("response_mode", "form_post")
	}
	query.Set("redirect_uri", setup.RedirectURI)
	query.Set("state", tx.State)
	query.Set("nonce", tx.Nonce)
	query.Set("code_challenge", tx.challenge())
	query.Set("code_challenge_method", "S256")
	to.RawQuery = query.Encode()
	return to, nil
}
