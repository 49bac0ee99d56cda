//go:build unix

package realtest

// Person is somebody who can sign in at the real identity providers.
type Person struct {
	Username string
	Password string
	Name     string
	Email    string
	// EmailVerified is what the provider says about Email.
	EmailVerified bool
	Groups        []string
}

// Alice is an administrator with a verified address. She is in testdata/realm.json too.
var Alice = Person{
	Username:      "alice",
	Password:      "alice-password",
	Name:          "Alice Anders",
	Email:         "alice@example.com",
	EmailVerified: true,
	Groups:        []string{"admins", "staff"},
}

// Bob belongs to staff only, and nobody has verified his address. He is in
// testdata/realm.json too.
var Bob = Person{
	Username: "bob",
	Password: "bob-password",
	Name:     "Bob Berg",
	Email:    "bob@example.com",
	Groups:   []string{"staff"},
}

// claims returns the person in the names of OpenID Connect Core section 5.1.
func (p Person) claims() map[string]any {
	return map[string]any{
		"name":               p.Name,
		"preferred_username": p.Username,
		"email":              p.Email,
		"email_verified":     p.EmailVerified,
		"groups":             p.Groups,
	}
}
