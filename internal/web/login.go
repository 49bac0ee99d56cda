package web

import "html/template"

// Login is the page that lets a person choose how to sign in.
type Login struct {
	Providers []LoginButton  // a button each, in this order
	Passwords []PasswordForm // a form each, below the buttons
	Out       []OutProvider  // configured, but down at the moment: named, not to be pressed
	Notice    string         // good news above the choices, such as "You are signed out."; may be empty
	Error     string         // why the last attempt failed, in fixed safe words; may be empty
	ReturnTo  string         // where the password forms lead that name no target of their own; already checked
}

// LoginButton leads to one provider's login.
type LoginButton struct {
	ID    string       // the provider's id
	Label string       // as people know it: "GitHub"
	Href  string       // /auth/oauth/{id} with its return_to
	Icon  template.URL // from [IconDataURI]; anything else shows a neutral key
}

// PasswordForm asks for a user name and a password and posts username, password
// and return_to, form-encoded.
type PasswordForm struct {
	ID           string // the provider's id
	Label        string // as people know it
	Action       string // where the form is posted: /auth/password/{id}
	ReturnTo     string // already checked; empty means that of the page
	UsernameHint string // of the last attempt, written into the field; the password is then typed next. May be empty
	Development  bool   // the form is not for passwords that matter, and says so
}

// OutProvider is a provider that cannot be used at the moment.
type OutProvider struct {
	ID    string       // the provider's id
	Label string       // as people know it
	Icon  template.URL // from [IconDataURI]; anything else shows a neutral key
}

func (Login) name() string { return "login" }

func (Login) title(_ texts, s Site) string { return s.Title }

// Only reports whether the page offers a single choice, which it then shows as
// the one thing to do.
func (l Login) Only() bool { return len(l.Providers) == 1 && len(l.Passwords) == 0 }

// Empty reports whether there is nothing at all to sign in with.
func (l Login) Empty() bool { return len(l.Providers) == 0 && len(l.Passwords) == 0 }

// Target returns the form's own return target, else that of the page.
func (l Login) Target(f PasswordForm) string {
	if f.ReturnTo != "" {
		return f.ReturnTo
	}
	return l.ReturnTo
}

// LogoutConfirm asks before a plain GET ends the session, so that a foreign link
// or image cannot sign anybody out.
type LogoutConfirm struct {
	Name     string // of the signed-in person; may be empty
	Provider string // label of the provider that was used; may be empty
	Action   string // where the form is posted: /auth/logout
	ReturnTo string // sent as return_to; already checked; may be empty
}

func (LogoutConfirm) name() string { return "logout_confirm" }

func (LogoutConfirm) title(t texts, _ Site) string { return t.SignOut }

// SignedOut says that the session has ended.
type SignedOut struct {
	AtProvider bool   // the session at the provider has ended too
	LoginHref  string // leads back to the login page; empty means /auth/login
}

func (SignedOut) name() string { return "signed_out" }

func (SignedOut) title(t texts, _ Site) string { return t.SignedOut }
