package keys

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// testSecret returns a secret that is the same each time, and not random.
func testSecret(name string) []byte {
	return []byte(strings.Repeat(name, MinSecretLen)[:MinSecretLen])
}

// fixedSealed was sealed for "flow" by the first version, with the secret "fixed".
const fixedSealed = "AYjIYNEdPLoHKmFw6f1dRdbKgER_s_fDG4M-0hd0w8zI6oZ2nrVcjK7GOyiWJ0E1o0Gb4qjr7jcLyetm"

func newRing(t testing.TB, names ...string) *Ring {
	t.Helper()
	var secrets [][]byte
	for _, name := range names {
		secrets = append(secrets, testSecret(name))
	}
	r, err := NewRing(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Threat 157: a short key stops the start, with words that help.
func TestShortSecretsAreRefused(t *testing.T) {
	good := testSecret("good")
	weak := "weak-and-telling"
	tests := []struct {
		name    string
		secrets [][]byte
		says    []string
	}{
		{"none", nil, []string{"there is none", "authd keygen"}},
		{"empty", [][]byte{{}}, []string{"number 1 of 1 has 0 bytes, at least 32 are needed", "authd keygen"}},
		{"one byte short", [][]byte{good[:31]}, []string{"has 31 bytes"}},
		{"second short", [][]byte{good, []byte(weak)}, []string{"number 2 of 2 has 16 bytes"}},
		{"all faults at once", [][]byte{[]byte(weak), good, nil}, []string{"number 1 of 3", "number 3 of 3"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := NewRing(tt.secrets...)
			if !errors.Is(err, ErrSecret) || r != nil {
				t.Fatalf("NewRing = %v, %v, want ErrSecret", r, err)
			}
			for _, part := range tt.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
			// Threat 154: no secret in an error, not even one that is refused.
			if strings.Contains(err.Error(), weak) || strings.Contains(err.Error(), "goodgood") {
				t.Errorf("error %q holds a secret", err)
			}
		})
	}
	if _, err := NewRing(good); err != nil {
		t.Errorf("NewRing of a secret of 32 bytes: %v", err)
	}
}

// Threat 154: a ring in a log line takes no key along.
func TestRingPrintsNothingSecret(t *testing.T) {
	r := newRing(t, "first", "second")
	r.Seal("flow", nil)
	type holder struct{ Keys *Ring }
	for _, got := range []string{
		fmt.Sprint(r), fmt.Sprintf("%v %+v %#v %s %q", r, r, r, r, r),
		fmt.Sprintf("%+v %#v", holder{r}, holder{r}),
	} {
		for _, k := range r.keys {
			for _, secret := range []string{
				"firstfirst", "secondsecond", string(k.prk), fmt.Sprint(k.prk), hex.EncodeToString(k.prk), fmt.Sprintf("%#v", k.prk),
			} {
				if strings.Contains(got, secret) {
					t.Errorf("printed %q", got)
				}
			}
		}
	}
	if got := fmt.Sprintf("%+v", r); got != "keys.Ring(2)" {
		t.Errorf("printed %q, want keys.Ring(2)", got)
	}
}

func TestSubkey(t *testing.T) {
	r := newRing(t, "first", "second")
	sub := r.Subkey("subject", 32)
	if len(sub) != 32 || !bytes.Equal(sub, newRing(t, "first").Subkey("subject", 32)) {
		t.Error("the subkey is not stable")
	}
	for name, other := range map[string][]byte{
		"other purpose":      r.Subkey("subject2", 32),
		"empty purpose":      r.Subkey("", 32),
		"other first secret": newRing(t, "second", "first").Subkey("subject", 32),
		"the key that seals": r.keys[0].derive(infoSeal+"subject", 32),
		"the key id":         r.keys[0].derive(infoKeyID, 32),
	} {
		if bytes.Equal(sub, other) {
			t.Errorf("the subkey equals that of the %s", name)
		}
	}
	if got := len(r.Subkey("long", MaxSubkeyLen)); got != MaxSubkeyLen {
		t.Errorf("got %d bytes, want %d", got, MaxSubkeyLen)
	}
	for _, n := range []int{-1, 0, MaxSubkeyLen + 1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Subkey of %d bytes did not panic", n)
				}
			}()
			r.Subkey("x", n)
		}()
	}
}

// TestDerivationIsFixed holds the derivation to what earlier versions of authd
// did: a change would sign everybody out and lose all tokens at rest.
func TestDerivationIsFixed(t *testing.T) {
	r := newRing(t, "fixed")
	if got, want := hex.EncodeToString(r.Subkey("subject", 16)), "614e991f7f773a3dae1a122eef21d3a0"; got != want {
		t.Errorf("subkey %s, want %s", got, want)
	}
	if got, want := hex.EncodeToString(r.keys[0].id[:]), "88c860d1"; got != want {
		t.Errorf("key id %s, want %s", got, want)
	}
	got, err := r.Open("flow", fixedSealed)
	if err != nil || string(got) != "sealed by the first version" {
		t.Errorf("Open = %q, %v, want what the first version sealed", got, err)
	}
}

func TestPurposesPastTheCacheWork(t *testing.T) {
	r := newRing(t, "k")
	for i := range 3 * cachedPurposes {
		purpose := fmt.Sprint("purpose", i)
		got, err := r.Open(purpose, r.Seal(purpose, []byte(purpose)))
		if err != nil || string(got) != purpose {
			t.Fatalf("Open = %q, %v, want %q", got, err, purpose)
		}
	}
	if n := len(*r.keys[0].sealers.Load()); n != cachedPurposes {
		t.Errorf("%d ciphers are kept, want %d", n, cachedPurposes)
	}
}
