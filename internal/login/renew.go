package login

import (
	"context"
	"errors"
	"fmt"

	"github.com/authd/authd/internal/identity"
	"github.com/authd/authd/sdk"
)

// Renew exchanges the refresh token (RFC 6749 section 6) and asks who the user is now. It wraps ErrDenied when the
// identity provider no longer stands by the person; any other error says nothing about them.
func (f *Flow) Renew(ctx context.Context, user *identity.User, old *sdk.Token) (*sdk.Token, *identity.User, error) {
	setup, err := f.Setup(user.Provider)
	if err != nil {
		return nil, nil, err
	}
	token, err := setup.Provider.RefreshToken(ctx, old)
	if err != nil {
		return nil, nil, refused(err)
	}
	now, err := setup.user(ctx, token, nil)
	if err != nil {
		return nil, nil, refused(err)
	}
	if now.Subject != user.Subject {
		return nil, nil, fmt.Errorf("%w: provider %s renewed the token of one user with that of another", ErrDenied, user.Provider)
	}
	// What the identity provider did not send again stays in use.
	if token.RefreshToken == "" {
		token.RefreshToken = old.RefreshToken
	}
	if token.IDToken == "" {
		token.IDToken = old.IDToken
	}
	if now.SID == "" {
		now.SID = user.SID
	}
	return token, now, nil
}

// refused marks the errors by which the identity provider says no to the person (RFC 6749 section 5.2).
func refused(err error) error {
	var said *sdk.Error
	if errors.As(err, &said) && said.Source == sdk.SourceUser {
		return fmt.Errorf("%w: %w", ErrDenied, err)
	}
	return err
}
