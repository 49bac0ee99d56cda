package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/userfile"
)

// hashesAtOnce bounds the memory that logins take: this many times the memory of one hash, at most 256 MiB each.
const hashesAtOnce = 2

// usersType is a list of people that the operator keeps in a file.
func usersType() sdk.Type {
	return sdk.Type{
		Name: "users", Label: "User name and password", Identifier: "preferred_username",
		Settings: []sdk.Setting{{
			Name: "file", Env: "OAUTH_USERS_FILE", Required: true, Pattern: "/.+",
			Help: "Absolute path of the file with the users, which authd user add makes.",
		}},
		New: func(_ context.Context, cfg sdk.Config) (sdk.Provider, error) { return newUsers(cfg, time.Now) },
	}
}

// users is one configured file.
type users struct {
	file     *watched
	slots    chan struct{}
	attempts *attempts
	now      func() time.Time
	matches  func(p userfile.Password, typed string) bool
	// blur picks whose hash an unknown name is held against. It is random per process.
	blur [32]byte
}

func newUsers(cfg sdk.Config, now func() time.Time) (*users, error) {
	file, err := watch(cfg.Settings["file"], cfg.Log)
	if err != nil {
		return nil, sdk.ConfigErrorf("file", "can't be used: %v; authd user add makes one", err)
	}
	u := &users{file: file, slots: make(chan struct{}, hashesAtOnce), attempts: newAttempts(now), now: now, matches: userfile.Password.Matches}
	_, _ = rand.Read(u.blur[:]) // it never fails
	return u, nil
}

// AuthorizeParams implements sdk.Provider; authd never calls it, since people type into its own form.
func (*users) AuthorizeParams(context.Context, sdk.AuthorizeRequest) (sdk.AuthorizeParams, error) {
	return sdk.AuthorizeParams{}, sdk.ConfigErrorf("type", "users has a form and no authorization endpoint")
}

// GetToken implements sdk.Provider; authd never calls it.
func (*users) GetToken(context.Context, sdk.CodeExchange) (*sdk.Token, error) {
	return nil, sdk.UserErrorf("invalid_grant", "users has a form and takes no code")
}

// PasswordLogin implements sdk.PasswordLogin. Whoever has no account, or a disabled one, waits as long and hears the
// same as somebody with a wrong password.
func (u *users) PasswordLogin(ctx context.Context, in sdk.Credentials) (*sdk.Token, error) {
	login := userfile.Fold(in.Username)
	if login == "" || in.Password == "" || len(in.Password) > userfile.MaxPassword {
		return nil, wrong()
	}
	select {
	case u.slots <- struct{}{}:
		defer func() { <-u.slots }()
	case <-ctx.Done():
		return nil, slowDown(time.Second)
	}
	// Asked with the slot in hand: of many guesses that come at once all but a few see the failures before them.
	if wait := u.attempts.wait(login); wait > 0 {
		return nil, slowDown(wait)
	}
	people := u.file.users()
	person, known := people.ByLogin(login)
	if !known {
		person = u.standIn(people, login)
	}
	right := u.matches(person.Password, in.Password)
	if len(u.slots) == 1 {
		debug.FreeOSMemory() // the last of a crowd gives back what its hashes took
	}
	if !right || !known || person.Disabled {
		u.attempts.failed(login)
		return nil, wrong()
	}
	u.attempts.succeeded(login)
	return u.token(person), nil
}

func wrong() error { return sdk.UserErrorf("invalid_grant", "user name or password is wrong") }

func slowDown(wait time.Duration) error {
	err := sdk.UserErrorf("slow_down", "too many wrong passwords for this user name, or too many logins at once; wait %v", wait.Round(time.Second))
	err.RetryAfter = wait
	return err
}

// standIn is somebody whose hash takes the time for an unknown name. Each such name always meets the same one: costs
// that differ within a file tell nothing.
func (u *users) standIn(people *userfile.File, login string) userfile.User {
	everybody := people.Users()
	if len(everybody) == 0 {
		return userfile.User{}
	}
	mac := hmac.New(sha256.New, u.blur[:])
	mac.Write([]byte(login))
	return everybody[binary.BigEndian.Uint64(mac.Sum(nil))%uint64(len(everybody))]
}

// GetUserInfo implements sdk.Provider: it reads what the file says now.
func (u *users) GetUserInfo(_ context.Context, token *sdk.Token) (*sdk.User, error) {
	person, err := u.redeem(purposeAccess, token.AccessToken)
	if err != nil {
		return nil, err
	}
	claims := map[string]any{"sub": person.ID, "preferred_username": person.Login}
	user := &sdk.User{Sub: person.ID, PreferredUsername: person.Login, Name: person.Name, Email: person.Email, Groups: person.Groups}
	if person.Name != "" {
		claims["name"] = person.Name
	}
	if person.Email != "" {
		user.EmailVerified = &person.EmailVerified
		claims["email"], claims["email_verified"] = person.Email, person.EmailVerified
	}
	if len(person.Groups) > 0 {
		claims["groups"] = person.Groups
	}
	user.Claims, err = json.Marshal(claims)
	return user, err
}

// RefreshToken implements sdk.Refresher: whoever is gone, disabled or has a new password has to sign in again.
func (u *users) RefreshToken(_ context.Context, token *sdk.Token) (*sdk.Token, error) {
	person, err := u.redeem(purposeRefresh, token.RefreshToken)
	if err != nil {
		return nil, err
	}
	return u.token(person), nil
}

// Check implements sdk.Checker.
func (u *users) Check(context.Context) ([]sdk.Diagnostic, error) {
	snapshot, err := userfile.Read(u.file.path)
	if err != nil {
		return []sdk.Diagnostic{{Severity: sdk.SeverityError, Setting: "file", Summary: "can't be used", Detail: err.Error()}}, nil
	}
	found := []sdk.Diagnostic{{Severity: sdk.SeverityOK, Setting: "file", Summary: fmt.Sprintf("holds %d users", len(snapshot.Users()))}}
	if snapshot.Warning != "" {
		found = append(found, sdk.Diagnostic{Severity: sdk.SeverityWarning, Setting: "file", Summary: "is not safe", Detail: snapshot.Warning})
	}
	return found, nil
}
