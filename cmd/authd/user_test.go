package main

import (
	"context"
	"strings"
	"testing"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/userfile"
)

// people is a type of the name users, as the password plugin has it; only its settings are looked at here.
func people() sdk.Type {
	return sdk.Type{
		Name: "users", Label: "People", Settings: []sdk.Setting{{Name: "file", Env: "OAUTH_USERS_FILE", Required: true, Help: "Path."}},
		New: func(context.Context, sdk.Config) (sdk.Provider, error) { return doorman{}, nil },
	}
}

// doorman takes passwords.
type doorman struct{ quiet }

var _ sdk.PasswordLogin = doorman{}

func (doorman) PasswordLogin(context.Context, sdk.Credentials) (*sdk.Token, error) {
	return nil, sdk.UserErrorf("access_denied", "nobody may come in")
}

func TestCheckPassword(t *testing.T) {
	for plain, says := range map[string]string{
		"": "0 characters", "1234567": "7 characters", "äöüäöüä": "7 characters", "ADA-LOVELACE": "is the user name", "zzzzzzzz": "again and again",
		"\xff\xfe12345678": "not UTF-8", strings.Repeat("ab", userfile.MaxPassword): "more than 1024 bytes",
		"12345678": "", "äöüäöüäö": "", "a b c d e": "", strings.Repeat("ab", userfile.MaxPassword/2): "",
	} {
		err := checkPassword(plain, "ada-lovelace")
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%.20q: got %v, want %q", plain, err, says)
		}
		if err != nil && len(plain) > 6 && strings.Contains(err.Error(), plain) {
			t.Errorf("%.20q: the error repeats it", plain)
		}
	}
}
