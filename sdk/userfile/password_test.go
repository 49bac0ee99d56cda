package userfile

import (
	"strings"
	"testing"
)

// cheapest is the least that the floor allows, so that the tests don't take long.
func cheapest() Cost { return Cost{Memory: minMemory, Time: minTime, Threads: 1} }

func hash(t *testing.T, plain string) Password {
	t.Helper()
	p, err := NewPassword(plain, cheapest())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPassword(t *testing.T) {
	p := hash(t, "Gr\u00fc\u00dfe an alle")
	again, err := ParsePassword(p.String())
	if err != nil {
		t.Fatal(err)
	}
	if !again.Matches("Gr\u00fc\u00dfe an alle") {
		t.Error("the right password does not match")
	}
	if !again.Matches("Gru\u0308\u00dfe an alle") {
		t.Error("the same password, typed on a machine that composes characters in another way, does not match")
	}
	for _, wrong := range []string{"", "gr\u00fc\u00dfe an alle", "Gr\u00fc\u00dfe an alle ", "Gr\u00fc\u00dfe an alle\x00"} {
		if again.Matches(wrong) {
			t.Errorf("%q matches", wrong)
		}
	}
	if other := hash(t, "Gr\u00fc\u00dfe an alle"); other.String() == p.String() {
		t.Error("two hashes of one password are equal: the salt is not random")
	}
	if (Password{}).Matches("") {
		t.Error("the zero Password matches")
	}
}

func TestNewHashesAreRecommended(t *testing.T) {
	p, err := NewPassword("a long password", Recommended())
	if err != nil {
		t.Fatal(err)
	}
	if text := p.String(); !strings.HasPrefix(text, "$argon2id$v=19$m=65536,t=3,p=1$") || strings.Count(text, "$") != 5 {
		t.Errorf("got %q", text)
	}
}

// Threats 154, 157: weak and monstrous hashes are refused, and no error repeats them.
func TestParsePasswordRefuses(t *testing.T) {
	salt, sum := "c2FsdHNhbHRzYWx0c2FsdA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	good := "$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + sum
	if _, err := ParsePassword(good); err != nil {
		t.Fatal(err)
	}
	for text, says := range map[string]string{
		"":                              "is no argon2id hash",
		"hunter2hunter2":                "is no argon2id hash",
		"$2y$10$abcdefghijklmnopqrstuv": "is no argon2id hash",
		strings.Replace(good, "argon2id", "argon2i", 1):         "is no argon2id hash",
		strings.Replace(good, "v=19", "v=16", 1):                "version 16",
		strings.Replace(good, "m=19456", "m=19455", 1):          "too cheap",
		strings.Replace(good, "t=2", "t=1", 1):                  "too cheap",
		strings.Replace(good, "p=1", "p=0", 1):                  "too cheap",
		strings.Replace(good, "m=19456", "m=262145", 1):         "costs too much",
		strings.Replace(good, "m=19456", "m=999999999", 1):      "costs too much",
		strings.Replace(good, "m=19456", "m=9999999999", 1):     "is no argon2id hash",
		strings.Replace(good, "t=2", "t=99999", 1):              "costs too much",
		strings.Replace(good, "p=1", "p=17", 1):                 "costs too much",
		strings.Replace(good, "p=1", "p=257", 1):                "costs too much",
		strings.Replace(good, salt, "c2FsdA", 1):                "salt",
		strings.Replace(good, sum, "AAAA", 1):                   "salt",
		strings.Replace(good, sum, strings.Repeat("A", 100), 1): "salt",
		strings.Replace(good, sum, sum+"=", 1):                  "is no argon2id hash",
		good + "\n":                                             "is no argon2id hash",
		good + "$":                                              "is no argon2id hash",
	} {
		_, err := ParsePassword(text)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got error %v, want it to say %q", text, err, says)
			continue
		}
		for _, part := range []string{salt, sum, "hunter2", "abcdefghij"} {
			if strings.Contains(err.Error(), part) {
				t.Errorf("%q: the error repeats %q: %v", text, part, err)
			}
		}
	}
	if _, err := NewPassword("x", Cost{Memory: 8, Time: 1, Threads: 1}); err == nil {
		t.Error("NewPassword made a hash that ParsePassword would refuse")
	}
}

// foreignHash is of "a long password" with the salt "somesaltsomesalt", made with OpenSSL's Argon2id.
const foreignHash = "$argon2id$v=19$m=19456,t=2,p=4$c29tZXNhbHRzb21lc2FsdA$MW8dL0Koy3xEciN7a1sBuw8d0+PB0rBA1cA1hgLhu+I"

// A hash that another implementation of RFC 9106 made is taken, so people can be brought along.
func TestForeignHash(t *testing.T) {
	p, err := ParsePassword(foreignHash)
	if err != nil {
		t.Fatal(err)
	}
	if !p.Matches("a long password") || p.Matches("a long passwore") {
		t.Error("the hash of another implementation is misread")
	}
}
