package keys

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authd/authd/internal/store"
)

// lines collects what a Signer logs.
type lines struct {
	mu  sync.Mutex
	all string
}

func (l *lines) log(msg string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all += fmt.Sprintln(append([]any{msg}, args...)...)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all
}

func stored(t *testing.T, st store.Store, name string) string {
	t.Helper()
	item, err := st.Get(t.Context(), signingPrefix+name)
	if err != nil {
		t.Fatal(err)
	}
	return string(item.Value)
}

// Threats 146, 154: who reads the store has no key, who writes to it brings in none, and the log has none.
func TestKeysAreSealedInTheStore(t *testing.T) {
	st, told := newStore(t), &lines{}
	s := newSigner(t, SignerConfig{Store: st, Warn: told.log})
	value := stored(t, st, s.Name)
	raw, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range s.view.Load().keys {
		secret := k.Private[len(k.Private)-90:]
		for _, held := range []string{value, string(raw), told.text()} {
			if strings.Contains(held, base64.StdEncoding.EncodeToString(k.Private)) || bytes.Contains([]byte(held), secret) {
				t.Error("a private key shows")
			}
		}
		if bytes.Contains(raw, []byte(k.ID)) {
			t.Error("the record is not sealed whole")
		}
	}
	// The record of one signer is none for another.
	if _, err := st.Put(t.Context(), signingPrefix+"other", []byte(value), 0, store.Any()); err != nil {
		t.Fatal(err)
	}
	other := newSigner(t, SignerConfig{Store: st, Name: "other"})
	mustRefuse(t, other, mustSign(t, s))
}

// A secret that is lost costs the short tokens and nothing else, and the operator hears of it.
func TestLostSecret(t *testing.T) {
	st, told := newStore(t), &lines{}
	before := mustSign(t, newSigner(t, SignerConfig{Store: st, Ring: newRing(t, "old")}))
	after := newSigner(t, SignerConfig{Store: st, Ring: newRing(t, "new"), Warn: told.log})
	mustRefuse(t, after, before)
	mustVerify(t, after, mustSign(t, after))
	if text := told.text(); !strings.Contains(text, "session.secret") || !strings.Contains(text, "mend") {
		t.Errorf("logged %q, want the cause and the mend", text)
	}
	if strings.Contains(string(mustJWKS(t, after).JSON), kidOf(t, before)) {
		t.Error("the lost key is still published")
	}
}

// An instance that runs does not fight another one that has another secret: it says so, goes on, and then stops.
func TestInstancesWithOtherSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, told := newStore(t), &lines{}
		a := newSigner(t, SignerConfig{Store: st, Ring: newRing(t, "a"), Warn: told.log})
		kid := a.KeyID()
		newSigner(t, SignerConfig{Store: st, Ring: newRing(t, "b")})
		value := stored(t, st, a.Name)
		time.Sleep(a.schedule.offline() - time.Minute)
		if kidOf(t, mustSign(t, a)) != kid {
			t.Error("another key signs")
		}
		time.Sleep(2 * time.Minute)
		_, err := a.Sign(t.Context(), testType, claimsFor(a, time.Minute))
		if !errors.Is(err, ErrStale) || !strings.Contains(err.Error(), "session.secret") {
			t.Errorf("Sign = %v, want ErrStale that names session.secret", err)
		}
		if stored(t, st, a.Name) != value {
			t.Error("the keys of the other instance were overwritten")
		}
		if strings.Count(told.text(), "another session.secret") != 1 {
			t.Errorf("logged %q, want the cause once", told.text())
		}
	})
}

// Threat 147: a new secret takes over after a lead, in which all instances get it; then the old one may go.
func TestSecretIsRotated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStore(t)
		first := newSigner(t, SignerConfig{Store: st, Ring: newRing(t, "old")})
		both := newSigner(t, SignerConfig{Store: st, Ring: newRing(t, "new", "old")})
		time.Sleep(both.Lead / 2)
		if kidOf(t, mustSign(t, both)) != first.KeyID() {
			t.Error("the keys changed with the secret")
		}
		if !first.Ring.sealedByFirst(stored(t, st, first.Name)) {
			t.Error("resealed before the others could have the secret")
		}
		first.Close()
		time.Sleep(both.Lead)
		if !both.Ring.sealedByFirst(stored(t, st, first.Name)) {
			t.Fatal("not resealed with the new secret")
		}
		next := newSigner(t, SignerConfig{Store: st, Ring: newRing(t, "new")})
		mustVerify(t, next, mustSign(t, both))
	})
}

func TestAlgorithmIsChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStore(t)
		old := newSigner(t, SignerConfig{Store: st, Algorithm: ES256})
		s := newSigner(t, SignerConfig{Store: st, Algorithm: EdDSA})
		before := mustSign(t, s)
		if kidOf(t, before) != old.KeyID() {
			t.Error("a key of the new algorithm signs before it was published for the lead")
		}
		time.Sleep(s.Lead - time.Minute)
		before = mustSign(t, s)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if key := s.view.Load().current(s.now()); key.Algorithm != EdDSA {
			t.Errorf("the current key is for %s, want EdDSA", key.Algorithm)
		}
		mustVerify(t, s, before)
		mustVerify(t, old, mustSign(t, s))
	})
}

// A record of a later authd, or a damaged one, is left as it is.
func TestRecordsThatCannotBeRead(t *testing.T) {
	ring := newRing(t, "k")
	for name, tt := range map[string]struct{ plain, says string }{
		"later":    {`{"v":2,"keys":[]}`, "has version 2"},
		"not JSON": {`{"v":`, "not JSON"},
		"no key":   {`{"v":1,"keys":[{"kid":"x","alg":"ES256","key":"AAAA"}]}`, "PKCS #8"},
	} {
		t.Run(name, func(t *testing.T) {
			st := newStore(t)
			value := []byte(ring.Seal(signingPurpose+"identity", []byte(tt.plain)))
			if _, err := st.Put(t.Context(), signingPrefix+"identity", value, 0, store.Any()); err != nil {
				t.Fatal(err)
			}
			s, err := NewSigner(t.Context(), SignerConfig{Name: "identity", Store: st, Ring: ring})
			if s != nil || err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("NewSigner = %v, want an error that says %q", err, tt.says)
			}
		})
	}
}

func TestKeysThatDoNotFit(t *testing.T) {
	k, err := newKeyRecord(ES256, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	other, err := newKeyRecord(EdDSA, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for says, r := range map[string]keyRecord{
		"no key for RS256":      {ID: k.ID, Algorithm: RS256, Private: k.Private},
		"the id of another key": {ID: other.ID, Algorithm: ES256, Private: k.Private},
		"not PKCS #8":           {ID: k.ID, Algorithm: ES256, Private: k.Private[1:]},
	} {
		if opened, err := r.open(); opened != nil || err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("open = %v, want an error that says %q", err, says)
		}
	}
	if _, err := newKeyRecord("HS256", 0, 0); err == nil {
		t.Error("a key for HS256 was made")
	}
}
