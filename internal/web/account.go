package web

import "time"

// Account shows the signed-in person who they are here and where else they are
// signed in.
type Account struct {
	Name          string // display name; may be empty
	Identifier    string // what applications see as the user name
	Email         string // may be empty
	EmailVerified bool   // the provider says that the address is theirs
	// Picture is shown when it is a data: URI of a PNG, JPEG, GIF or WebP up to
	// 128 KiB. The policy loads no image from another site, so for a URL, as for
	// "", the page shows the initials.
	Picture       string
	Provider      string    // the provider's id
	ProviderLabel string    // as people know it; empty means the id
	Groups        []string  // may be empty
	SignedInAt    time.Time // zero: not shown
	ExpiresAt     time.Time // zero: not shown
	Sessions      []AccountSession
	LogoutAction  string // where the sign-out form is posted: /auth/logout
}

// AccountSession is one place where the person is signed in.
type AccountSession struct {
	Handle       string // public handle of the session, never its id
	Browser      string // "Firefox on Linux"; empty: unknown
	Address      string // the client's address; may be empty
	CreatedAt    time.Time
	LastSeen     time.Time
	Current      bool   // the session that asks for this page
	RevokeAction string // where the form is posted that ends it; empty: no button
}

func (Account) name() string { return "account" }

func (Account) title(t texts, _ Site) string { return t.YourAccount }

// DisplayName returns the best name there is for the person, "" when there is none.
func (a Account) DisplayName() string {
	for _, name := range []string{a.Name, a.Identifier, a.Email} {
		if name != "" {
			return name
		}
	}
	return a.Provider
}

// Through returns the provider's label, or its id when it has none.
func (a Account) Through() string {
	if a.ProviderLabel != "" {
		return a.ProviderLabel
	}
	return a.Provider
}
