package login

import (
	"context"
	"errors"
	"time"

	"github.com/authd/authd/internal/identity"
	"github.com/authd/authd/internal/keys"
	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/sdk"
)

// Errors of a login. Errors of a provider come as they are, wrapped.
var (
	// ErrInvalidRequest: a parameter is missing, repeated or not expected here.
	ErrInvalidRequest = errors.New("invalid request")
	// ErrInvalidState: the callback belongs to no login that this browser has begun, or to one that has ended.
	ErrInvalidState = errors.New("invalid state")
	// ErrExpired: the login was begun too long ago.
	ErrExpired = errors.New("login expired")
	// ErrDenied: the person or the identity provider said no.
	ErrDenied = errors.New("access denied")
	// ErrUpstream: the identity provider answered with an error.
	ErrUpstream = errors.New("identity provider answered with an error")
	// ErrUnsupported: the provider can't do what was asked, e.g. take a password.
	ErrUnsupported = errors.New("not supported by the provider")
)

// Provider is what a login needs of a provider: the steps of sdk.Provider and its optional interfaces, with errors
// that name the provider.
type Provider interface {
	// AuthorizeParams gives the provider's part of the authorization request.
	AuthorizeParams(context.Context, sdk.AuthorizeRequest) (sdk.AuthorizeParams, error)
	// GetToken exchanges the code, once. The user is nil where GetUserInfo has to be asked for it.
	GetToken(context.Context, sdk.CodeExchange) (*sdk.Token, *sdk.User, error)
	// GetUserInfo turns a token into a user.
	GetUserInfo(context.Context, *sdk.Token) (*sdk.User, error)
	// RefreshToken renews a token.
	RefreshToken(context.Context, *sdk.Token) (*sdk.Token, error)
	// PasswordLogin checks what a person typed.
	PasswordLogin(context.Context, sdk.Credentials) (*sdk.Token, error)
	// Configured is what the provider declared; false while it is not ready.
	Configured() (sdk.Configured, bool)
}

// Setup is a provider with what the operator set for its logins.
type Setup struct {
	Provider Provider
	// ID of the provider; Plugin is the name of the executable that serves it.
	ID, Plugin string
	// ClientID for the authorization request; empty: the provider's own parameters stand.
	ClientID string
	// RedirectURI is the absolute callback URL, from configuration alone.
	RedirectURI string
	// Scopes, Prompt and AuthorizeParams are the operator's. An empty prompt is not sent.
	Scopes          []string
	Prompt          string
	AuthorizeParams map[string]string
	// Identifier is the user field that names the user to applications.
	Identifier string
	// Map returns what the provider said with the fields replaced that the operator wants otherwise; user is what was
	// made of said. nil: nothing is replaced.
	Map func(ctx context.Context, user *identity.User, said *sdk.User) (*sdk.User, error)
}

// Config is what a Flow needs.
type Config struct {
	// Setup returns the provider of an id, or an error that Start, Finish, Password and Renew return wrapped.
	Setup func(id string) (Setup, error)
	// Ring seals flow cookies.
	Ring *keys.Ring
	// Store remembers which flows have ended.
	Store store.Store
	// ReturnTo says where a login may lead, as ReturnTo.Check does.
	ReturnTo func(target string) (to string, ok bool)
	// Lifetime of a login from start to callback; zero: 10 minutes.
	Lifetime time.Duration
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Flow runs logins. It keeps no state of its own: a login lives in its cookie.
type Flow struct {
	Config
}

// New makes a Flow.
func New(cfg Config) *Flow {
	if cfg.Lifetime == 0 {
		cfg.Lifetime = 10 * time.Minute
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Flow{Config: cfg}
}

// user turns a token into a user of this setup. The provider is asked unless it said already whose token it is.
func (s Setup) user(ctx context.Context, token *sdk.Token, said *sdk.User) (*identity.User, error) {
	if said == nil {
		var err error
		if said, err = s.Provider.GetUserInfo(ctx, token); err != nil {
			return nil, err
		}
	}
	declared, _ := s.Provider.Configured()
	source := identity.Source{Provider: s.ID, Plugin: s.Plugin, Issuer: declared.Issuer, Identifier: s.Identifier}
	user, err := source.User(said)
	if err != nil || s.Map == nil {
		return user, err
	}
	if said, err = s.Map(ctx, user, said); err != nil {
		return nil, err
	}
	return source.User(said)
}
