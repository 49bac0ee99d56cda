package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
	"github.com/authd/authd/sdk/userfile"
)

// cheap is a hash of ada-has-a-password that takes no longer than the floor allows.
var cheap = sync.OnceValue(func() userfile.Password {
	p, err := userfile.NewPassword("ada-has-a-password", userfile.Cost{Memory: 19 << 10, Time: 2, Threads: 1})
	if err != nil {
		panic(err)
	}
	return p
})

func ada() userfile.User {
	return userfile.User{
		Login: "ada", ID: "kx3-1", Password: cheap(), Name: "Ada", Email: "ada@example.org", EmailVerified: true, Groups: []string{"admins", "a,b"},
	}
}

// usersFile is a file with these people.
func usersFile(t *testing.T, people ...userfile.User) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users.toml")
	if err := os.WriteFile(path, []byte("# the team\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, u := range people {
		if err := userfile.Add(path, u); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// started makes the provider; log is what it wrote.
func started(t *testing.T, path string) (u *users, log *bytes.Buffer) {
	t.Helper()
	log = &bytes.Buffer{}
	u, err := newUsers(sdk.Config{Settings: map[string]string{"file": path}, Log: hclog.New(&hclog.LoggerOptions{Output: log})}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return u, log
}

func right() sdk.Credentials {
	return sdk.Credentials{Username: "ada", Password: "ada-has-a-password"}
}

// The kit has many people sign in within a few seconds, for which a busy machine with the race detector is too slow: so
// each password is hashed once here.
func TestUsersProvider(t *testing.T) {
	path, in, kind := usersFile(t, ada()), right(), usersType()
	kind.New = func(_ context.Context, cfg sdk.Config) (sdk.Provider, error) {
		u, err := newUsers(cfg, time.Now)
		if err != nil {
			return nil, err
		}
		var known sync.Map // :: password, hash → whether they match
		u.matches = func(p userfile.Password, typed string) bool {
			once, _ := known.LoadOrStore(typed+p.String(), sync.OnceValue(func() bool { return p.Matches(typed) }))
			return once.(func() bool)()
		}
		return u, nil
	}
	providertest.Run(t, providertest.Harness{
		Type: kind, Credentials: &in,
		Settings: func(*devidp.Server) map[string]string { return map[string]string{"file": path} },
	})
}

func TestUsersLogin(t *testing.T) {
	no := false
	plain := userfile.User{Login: "bob.b", ID: "kx3-2", Password: cheap(), Email: "bob@example.org"}
	u, _ := started(t, usersFile(t, ada(), plain))
	yes := true
	for typed, want := range map[string]*sdk.User{
		"ada":     {Sub: "kx3-1", PreferredUsername: "ada", Name: "Ada", Email: "ada@example.org", EmailVerified: &yes, Groups: []string{"admins", "a,b"}, Claims: []byte(`{"email":"ada@example.org","email_verified":true,"groups":["admins","a,b"],"name":"Ada","preferred_username":"ada","sub":"kx3-1"}`)},
		" Ada ":   nil,
		"bob.b":   {Sub: "kx3-2", PreferredUsername: "bob.b", Email: "bob@example.org", EmailVerified: &no, Claims: []byte(`{"email":"bob@example.org","email_verified":false,"preferred_username":"bob.b","sub":"kx3-2"}`)},
		"BOB.B\t": nil,
	} {
		token, err := u.PasswordLogin(t.Context(), sdk.Credentials{Username: typed, Password: "ada-has-a-password"})
		if err != nil {
			t.Errorf("%q: %v", typed, err)
			continue
		}
		got, err := u.GetUserInfo(t.Context(), token)
		if err != nil {
			t.Errorf("%q: %v", typed, err)
		}
		if want == nil { // the same as in lower case
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: user (-want +got):\n%s", typed, diff)
		}
		if left := time.Until(token.Expiry); left <= 0 || left > accessLife {
			t.Errorf("%q: the token ends in %v, want %v", typed, left, accessLife)
		}
	}
}

// Threat 159: nobody can tell a wrong password from a name that is not there, or from a disabled person.
func TestUsersRefuse(t *testing.T) {
	off := ada()
	off.Login, off.ID, off.Disabled = "off", "kx3-9", true
	u, log := started(t, usersFile(t, ada(), off))
	var texts []string
	for _, in := range []sdk.Credentials{
		{Username: "ada", Password: "wrong-password"},
		{Username: "nobody", Password: "ada-has-a-password"},
		{Username: "off", Password: "ada-has-a-password"},
		{Username: "kx3-1", Password: "ada-has-a-password"},
		{Username: "ada@example.org", Password: "ada-has-a-password"},
		{Username: "ada"},
		{Password: "ada-has-a-password"},
		{Username: "ada", Password: "ada-has-a-password\x00"},
		{Username: "ada", Password: "ada-has-a-password" + strings.Repeat("x", userfile.MaxPassword)},
		{Username: strings.Repeat("a", 1<<20), Password: "wrong-password"},
	} {
		_, err := u.PasswordLogin(t.Context(), in)
		if e := typed(t, err); e.Source != sdk.SourceUser || e.Code != "invalid_grant" {
			t.Errorf("%.20q: got %v, want source user with invalid_grant", in.Username, err)
		}
		texts = append(texts, err.Error())
	}
	for _, text := range texts {
		if text != texts[0] {
			t.Errorf("the errors tell people apart: %q and %q", texts[0], text)
		}
	}
	if strings.Contains(log.String(), "wrong-password") || strings.Contains(log.String(), "argon2id") {
		t.Errorf("the log holds a secret: %s", log)
	}
}

// A name that is not there costs a hash like any other, and always that of the same person.
func TestUnknownNamesCostTheSame(t *testing.T) {
	path := usersFile(t, ada(), userfile.User{Login: "bob", ID: "kx3-2", Password: cheap()})
	u, _ := started(t, path)
	seen := map[string]int{}
	for i := range 64 {
		name := fmt.Sprintf("nobody-%d", i)
		first, again := u.standIn(u.file.users(), name), u.standIn(u.file.users(), name)
		if first.Login == "" || first.Login != again.Login {
			t.Fatalf("%s is held against %q, then %q", name, first.Login, again.Login)
		}
		seen[first.Login]++
	}
	if len(seen) != 2 {
		t.Errorf("unknown names are held against %v only: where costs differ they would stand out", seen)
	}
	other, _ := started(t, path)
	same := 0
	for i := range 64 {
		name := fmt.Sprintf("nobody-%d", i)
		if u.standIn(u.file.users(), name).Login == other.standIn(other.file.users(), name).Login {
			same++
		}
	}
	if same == 64 {
		t.Error("which person stands in can be foreseen")
	}
	if got := u.standIn(&userfile.File{}, "nobody"); got.Password.Matches("") {
		t.Error("in an empty file somebody matches")
	}
}

// Sessions end with the person or the password, not with the process.
func TestUsersRenewal(t *testing.T) {
	path := usersFile(t, ada())
	u, _ := started(t, path)
	token, err := u.PasswordLogin(t.Context(), right())
	if err != nil {
		t.Fatal(err)
	}
	u, _ = started(t, path) // another process
	next, err := u.RefreshToken(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if next.AccessToken == token.AccessToken || next.RefreshToken == token.RefreshToken {
		t.Error("a renewal gave the old tokens")
	}
	if who, err := u.GetUserInfo(t.Context(), next); err != nil || who.Sub != "kx3-1" {
		t.Errorf("got %+v, error %v", who, err)
	}
	refused := func(what string) {
		t.Helper()
		_, refreshErr := u.RefreshToken(t.Context(), next)
		_, infoErr := u.GetUserInfo(t.Context(), next)
		for _, err := range []error{refreshErr, infoErr} {
			if e := typed(t, err); e.Source != sdk.SourceUser || e.Code != "invalid_grant" {
				t.Errorf("%s: got %v, want source user with invalid_grant", what, err)
			}
		}
	}
	renewed, err := userfile.NewPassword("ada-has-another-password", userfile.Cost{Memory: 19 << 10, Time: 2, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := userfile.SetPassword(path, "ada", renewed); err != nil {
		t.Fatal(err)
	}
	refused("a new password")
	if err := userfile.SetPassword(path, "ada", cheap()); err != nil {
		t.Fatal(err)
	}
	if _, err := u.RefreshToken(t.Context(), next); err != nil {
		t.Errorf("the old hash is back, but: %v", err)
	}
	if err := userfile.Remove(path, "ada"); err != nil {
		t.Fatal(err)
	}
	refused("removed")
	again := ada()
	again.ID = userfile.NewID()
	if err := userfile.Add(path, again); err != nil {
		t.Fatal(err)
	}
	refused("the name is somebody else's now")
	disabled := ada()
	disabled.Login, disabled.Disabled = "ada2", true
	if err := userfile.Add(path, disabled); err != nil {
		t.Fatal(err)
	}
	refused("disabled")
}

// Threat 159: a token that was made up, changed or taken for another one is none.
func TestForgedTickets(t *testing.T) {
	bob := userfile.User{Login: "bob", ID: "kx3-2", Password: cheap()}
	u, _ := started(t, usersFile(t, ada(), bob))
	good := u.token(ada())
	if _, err := u.GetUserInfo(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	forged := ada()
	forged.Password = userfile.Password{}
	raw := []byte(good.AccessToken)
	for i := range raw {
		changed := bytes.Clone(raw)
		changed[i] ^= 1
		if _, err := u.GetUserInfo(t.Context(), &sdk.Token{AccessToken: string(changed)}); err == nil {
			t.Fatalf("byte %d was changed, and the token still counts", i)
		}
	}
	for name, text := range map[string]string{
		"empty": "", "a word": "ada", "refresh for access": good.RefreshToken, "longer": good.AccessToken + "AA", "shorter": good.AccessToken[:40],
		"another key": ticket(purposeAccess, time.Now().Add(time.Hour), forged), "expired": ticket(purposeAccess, time.Now().Add(-time.Second), ada()),
	} {
		_, err := u.GetUserInfo(t.Context(), &sdk.Token{AccessToken: text})
		if e := typed(t, err); e.Source != sdk.SourceUser {
			t.Errorf("%s: got %v, want source user", name, err)
		}
	}
	if _, err := u.RefreshToken(t.Context(), &sdk.Token{RefreshToken: good.AccessToken}); err == nil {
		t.Error("an access token renews itself")
	}
}

// The file is read again without a restart; one that is broken leaves the last good one in force, and is told of once.
func TestUsersReload(t *testing.T) {
	path := usersFile(t, ada())
	u, log := started(t, path)
	login := func(name string) error {
		_, err := u.PasswordLogin(t.Context(), sdk.Credentials{Username: name, Password: "ada-has-a-password"})
		return err
	}
	if err := userfile.Add(path, userfile.User{Login: "bob", ID: "kx3-2", Password: cheap()}); err != nil {
		t.Fatal(err)
	}
	if err := login("bob"); err != nil {
		t.Errorf("somebody new can't sign in: %v", err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	breakages := map[string]func() error{
		"broken":            func() error { return os.WriteFile(path, []byte("[users.eve"), 0o600) },
		"written by others": func() error { return os.Chmod(path, 0o666) },
		"gone":              func() error { return os.Remove(path) },
	}
	for _, name := range []string{"broken", "written by others", "gone"} {
		if err := breakages[name](); err != nil {
			t.Fatal(err)
		}
		log.Reset()
		for range 3 {
			if err := login("bob"); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := strings.Count(log.String(), "[ERROR]"); n != 1 || !strings.Contains(log.String(), "stays in force") {
			t.Errorf("%s: got %d errors in the log, want 1: %s", name, n, log)
		}
	}
	if err := os.WriteFile(path, bytes.ReplaceAll(good, []byte("[users.bob]"), []byte("[users.eve]")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := login("bob"); err == nil {
		t.Error("somebody who is gone can sign in")
	}
	if err := login("eve"); err != nil {
		t.Errorf("the file is good again, but: %v", err)
	}
}

// Threat 157: what can't be used stops the provider, with the setting's name and the mend.
func TestUsersMistakes(t *testing.T) {
	open := usersFile(t, ada())
	if err := os.Chmod(open, 0o646); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		filepath.Join(t.TempDir(), "none"): "authd user add", open: "chmod go-w", t.TempDir(): "not a regular file",
	} {
		_, err := newUsers(sdk.Config{Settings: map[string]string{"file": path}, Log: hclog.NewNullLogger()}, time.Now)
		if e := typed(t, err); e.Source != sdk.SourceConfig || e.Diagnostics[0].Setting != "file" || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want source config, the setting and %q", err, says)
		}
	}
	readable := usersFile(t, ada())
	if err := os.Chmod(readable, 0o644); err != nil {
		t.Fatal(err)
	}
	u, log := started(t, readable)
	if !strings.Contains(log.String(), "chmod o-r") {
		t.Errorf("everybody can read the hashes, and the log says %q", log)
	}
	found, err := u.Check(t.Context())
	if err != nil || len(found) != 2 || found[0].Severity != sdk.SeverityOK || found[1].Severity != sdk.SeverityWarning || !strings.Contains(found[0].String(), "holds 1 users") {
		t.Errorf("Check found %v, error %v", found, err)
	}
	if err := os.Remove(readable); err != nil {
		t.Fatal(err)
	}
	if found, err = u.Check(t.Context()); err != nil || len(found) != 1 || found[0].Severity != sdk.SeverityError {
		t.Errorf("Check found %v, error %v", found, err)
	}
}

// Threat 110: who guesses has to wait, longer each time, whether or not there is such a user; and no more than the slots
// run beside one another.
func TestAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttempts(time.Now)
		for range freeFailures - 1 {
			a.failed("ada")
			if wait := a.wait("ada"); wait != 0 {
				t.Fatalf("got a wait of %v too early", wait)
			}
		}
		for want := time.Second; want <= maxWait; want *= 2 {
			a.failed("ada")
			if wait := a.wait("ada"); wait != want {
				t.Fatalf("got a wait of %v, want %v", wait, want)
			}
			if wait := a.wait("bob"); wait != 0 {
				t.Fatalf("somebody else waits %v", wait)
			}
			time.Sleep(want)
			if wait := a.wait("ada"); wait != 0 {
				t.Fatalf("after the wait there is another one of %v", wait)
			}
		}
		for range 100 {
			a.failed("ada")
		}
		if wait := a.wait("ada"); wait != maxWait {
			t.Errorf("got a wait of %v, want %v at most", wait, maxWait)
		}
		time.Sleep(forgetAfter + time.Second)
		a.failed("ada")
		if wait := a.wait("ada"); wait != 0 {
			t.Errorf("an hour later one failure costs %v", wait)
		}
		for range freeFailures {
			a.failed("ada")
		}
		a.succeeded("ada")
		if wait := a.wait("ada"); wait != 0 {
			t.Errorf("after a login there is a wait of %v", wait)
		}
	})
}

func TestAttemptsAreBounded(t *testing.T) {
	now := time.Unix(1, 0)
	a := newAttempts(func() time.Time { now = now.Add(time.Millisecond); return now })
	for range 20 {
		a.failed("first")
	}
	for i := range maxNames + 5 {
		a.failed(fmt.Sprint(i))
	}
	if len(a.names) != maxNames {
		t.Errorf("got %d names, want %d", len(a.names), maxNames)
	}
	if wait := a.wait("first"); wait != 0 {
		t.Error("the name tried longest ago is still there")
	}
	last := fmt.Sprint(maxNames + 4)
	for range freeFailures {
		a.failed(last)
	}
	if a.wait(last) == 0 {
		t.Error("the name tried last is forgotten")
	}
}

// The right password does not help while one has to wait, and of a hundred guesses at once few are looked at.
func TestUsersSlowDown(t *testing.T) {
	u, _ := started(t, usersFile(t, ada()))
	still := time.Now()
	u.attempts = newAttempts(func() time.Time { return still }) // so that no wait is over before the test is
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			_, _ = u.PasswordLogin(t.Context(), sdk.Credentials{Username: "ada", Password: "wrong-password"})
		})
	}
	all.Wait()
	u.attempts.mu.Lock()
	for _, f := range u.attempts.names {
		if most := freeFailures + hashesAtOnce; f.count > most {
			t.Errorf("%d guesses at once were looked at, want %d at most", f.count, most)
		}
	}
	u.attempts.mu.Unlock()
	for range 20 {
		u.attempts.failed("ada")
	}
	_, err := u.PasswordLogin(t.Context(), right())
	e := typed(t, err)
	if e.Source != sdk.SourceUser || e.Code != "slow_down" || e.RetryAfter != maxWait {
		t.Errorf("got %v with retry-after %v, want source user, slow_down and %v", err, e.RetryAfter, maxWait)
	}
}

// A caller that leaves while others are hashed does not wait for them.
func TestUsersWaitEndsWithTheCaller(t *testing.T) {
	u, _ := started(t, usersFile(t, ada()))
	for range hashesAtOnce {
		u.slots <- struct{}{}
	}
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { _, err := u.PasswordLogin(ctx, right()); done <- err }()
	cancel()
	if e := typed(t, <-done); e.Source != sdk.SourceUser {
		t.Errorf("got %v, want source user: a crowd is no fault of the provider", e)
	}
}
