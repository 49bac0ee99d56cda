package keys

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

func mustOpen(t *testing.T, r *Ring, purpose, sealed, want string) {
	t.Helper()
	got, err := r.Open(purpose, sealed)
	if err != nil || string(got) != want {
		t.Fatalf("Open = %q, %v, want %q", got, err, want)
	}
}

func mustNotOpen(t *testing.T, r *Ring, purpose, sealed string) {
	t.Helper()
	if got, err := r.Open(purpose, sealed); err != ErrOpen || got != nil {
		t.Fatalf("Open of %q = %q, %v, want ErrOpen", sealed, got, err)
	}
}

func TestSealOpen(t *testing.T) {
	r := newRing(t, "k")
	for _, plaintext := range []string{"", "x", "state nonce verifier", strings.Repeat("long ", 10_000), "\x00\xff\r\n"} {
		sealed := r.Seal("flow", []byte(plaintext))
		mustOpen(t, r, "flow", sealed, plaintext)
		if want := base64.RawURLEncoding.EncodedLen(Overhead + len(plaintext)); len(sealed) != want {
			t.Errorf("%d bytes became %d characters, want %d", len(plaintext), len(sealed), want)
		}
		if strings.Trim(sealed, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("sealed value %q has letters that do not suit a cookie", sealed)
		}
		if len(plaintext) > 1 && strings.Contains(sealed, plaintext) {
			t.Error("the plaintext shows")
		}
	}
}

func TestSealNeverRepeats(t *testing.T) {
	r := newRing(t, "k")
	seen := map[string]bool{}
	for range 2000 {
		sealed := r.Seal("flow", []byte("same"))
		nonce := sealed[7:22] // within the nonce; before it is the header, always the same
		if seen[nonce] {
			t.Fatal("a nonce came twice")
		}
		seen[nonce] = true
	}
}

// Threat 58: whatever bit of a sealed value is flipped, it does not open; in the
// letters as they travel, and in the bytes below them.
func TestEveryBitFlipFails(t *testing.T) {
	r := newRing(t, "k", "older")
	for _, plaintext := range []string{"", "1", "12", "state and nonce and verifier and return_to"} {
		sealed := r.Seal("flow", []byte(plaintext))
		for i := range len(sealed) * 8 {
			flipped := []byte(sealed)
			flipped[i/8] ^= 1 << (i % 8)
			mustNotOpen(t, r, "flow", string(flipped))
		}
		raw, err := base64.RawURLEncoding.DecodeString(sealed)
		if err != nil {
			t.Fatal(err)
		}
		for i := range len(raw) * 8 {
			flipped := bytes.Clone(raw)
			flipped[i/8] ^= 1 << (i % 8)
			mustNotOpen(t, r, "flow", base64.RawURLEncoding.EncodeToString(flipped))
		}
		mustOpen(t, r, "flow", sealed, plaintext)
	}
}

// Threat 58: one value has one spelling, so that a burnt one stays burnt.
func TestOtherSpellingsFail(t *testing.T) {
	r := newRing(t, "k")
	for _, plaintext := range []string{"", "1", "12"} { // every length of the last group
		sealed := r.Seal("flow", []byte(plaintext))
		raw, err := base64.RawURLEncoding.DecodeString(sealed)
		if err != nil {
			t.Fatal(err)
		}
		last := len(sealed) - 1
		spellings := []string{
			sealed + "=", sealed + "==", sealed + "\n", "\r\n" + sealed, sealed[:5] + "\n" + sealed[5:],
			" " + sealed, sealed + " ", sealed + "\x00", sealed + "A",
			base64.URLEncoding.EncodeToString(raw) + "=",
		}
		for c := range 256 { // stray bits at the end
			if other := sealed[:last] + string([]byte{byte(c)}); other != sealed {
				spellings = append(spellings, other)
			}
		}
		if padded := base64.URLEncoding.EncodeToString(raw); padded != sealed {
			spellings = append(spellings, padded)
		}
		if other := base64.RawStdEncoding.EncodeToString(raw); other != sealed {
			spellings = append(spellings, other)
		}
		for _, spelling := range spellings {
			mustNotOpen(t, r, "flow", spelling)
		}
		mustOpen(t, r, "flow", sealed, plaintext)
	}
}

func TestCutAndJoinedFail(t *testing.T) {
	r := newRing(t, "k")
	a, b := r.Seal("flow", []byte("first value")), r.Seal("flow", []byte("other value"))
	for i := range len(a) {
		mustNotOpen(t, r, "flow", a[:i])
		mustNotOpen(t, r, "flow", a[i+1:])
		if joined := a[:i] + b[i:]; joined != a && joined != b {
			mustNotOpen(t, r, "flow", joined)
		}
	}
	mustNotOpen(t, r, "flow", a+b)
}

func TestPurposesDoNotMix(t *testing.T) {
	r := newRing(t, "k")
	purposes := []string{"flow", "flow2", "Flow", "session tokens", "", "\x00", "key id", "seal:flow"}
	for _, sealedFor := range purposes {
		sealed := r.Seal(sealedFor, []byte("secret"))
		for _, purpose := range purposes {
			if purpose == sealedFor {
				mustOpen(t, r, purpose, sealed, "secret")
			} else {
				mustNotOpen(t, r, purpose, sealed)
			}
		}
	}
}

// TestPurposeIsAuthenticatedToo: were two purposes ever to share a key, the
// additional data would still keep them apart.
func TestPurposeIsAuthenticatedToo(t *testing.T) {
	r := newRing(t, "k")
	k := r.keys[0]
	sealed := r.Seal("flow", []byte("secret"))
	other := &purposeSealer{aead: k.sealer("flow").aead, aad: k.newSealer("other").aad}
	k.sealers.Store(&map[string]*purposeSealer{"other": other})
	mustNotOpen(t, r, "other", sealed)
}

// Threat 147: the first secret seals, all open, and one that is gone does not.
func TestRotation(t *testing.T) {
	old := newRing(t, "old")
	sealedOld := old.Seal("flow", []byte("sealed before"))

	both := newRing(t, "new", "old")
	mustOpen(t, both, "flow", sealedOld, "sealed before")
	sealedNew := both.Seal("flow", []byte("sealed after"))
	mustOpen(t, both, "flow", sealedNew, "sealed after")
	mustNotOpen(t, old, "flow", sealedNew)

	next := newRing(t, "new")
	mustOpen(t, next, "flow", sealedNew, "sealed after")
	mustNotOpen(t, next, "flow", sealedOld)

	third := newRing(t, "newest", "new", "old")
	mustOpen(t, third, "flow", sealedOld, "sealed before")
	mustOpen(t, third, "flow", sealedNew, "sealed after")
	mustNotOpen(t, newRing(t, "stranger"), "flow", sealedOld)
}

// TestKeyIDsThatCollide: two secrets may have one key id, as it is short. The
// ring then tries both.
func TestKeyIDsThatCollide(t *testing.T) {
	r := newRing(t, "first", "second")
	r.keys[1].id = r.keys[0].id
	alone := &Ring{keys: r.keys[1:]}
	sealed := alone.Seal("flow", []byte("by the second"))
	mustOpen(t, r, "flow", sealed, "by the second")
}

func TestJunkFails(t *testing.T) {
	r := newRing(t, "k")
	header := r.keys[0].header()
	junk := []string{
		"", "A", "AQ", "not base64 !", strings.Repeat("A", 44), strings.Repeat("-", 200), "\xff\xfe", strings.Repeat("A", 1<<20),
		base64.RawURLEncoding.EncodeToString(header),
		base64.RawURLEncoding.EncodeToString(append(header, make([]byte, nonceLen+tagLen-1)...)),
		base64.RawURLEncoding.EncodeToString(append(header, make([]byte, nonceLen+tagLen)...)),
	}
	for _, sealed := range junk {
		mustNotOpen(t, r, "flow", sealed)
	}
}

func TestManyGoroutines(t *testing.T) {
	r := newRing(t, "new", "old")
	old := newRing(t, "old")
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for n := range 100 {
				purpose := fmt.Sprint("purpose", (i+n)%20)
				for _, from := range []*Ring{r, old} {
					got, err := r.Open(purpose, from.Seal(purpose, []byte(purpose)))
					if err != nil || string(got) != purpose {
						t.Errorf("Open = %q, %v, want %q", got, err, purpose)
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestRandomIDs(t *testing.T) {
	// Threat 54: 256 bits from crypto/rand.
	seen := map[string]bool{}
	var ones [randomLen * 8]int
	const n = 2000
	for range n {
		for _, id := range []string{RandomID(), NewSecret()} {
			raw, err := base64.RawURLEncoding.Strict().DecodeString(id)
			if err != nil || len(raw) != randomLen || len(id) != 43 || seen[id] {
				t.Fatalf("%q: %d bytes, %v, seen before: %v", id, len(raw), err, seen[id])
			}
			seen[id] = true
			for bit := range ones {
				ones[bit] += int(raw[bit/8]>>(bit%8)) & 1
			}
		}
	}
	for bit, count := range ones { // 2n coins; 10 standard deviations off is a stuck bit
		if deviation := count - n; deviation < -320 || deviation > 320 {
			t.Errorf("bit %d was set %d times of %d", bit, count, 2*n)
		}
	}
}

func TestNewSecretSuitsRing(t *testing.T) {
	r, err := NewRing([]byte(NewSecret()))
	if err != nil {
		t.Fatal(err)
	}
	mustOpen(t, r, "flow", r.Seal("flow", []byte("x")), "x")
}

// FuzzOpen: nothing but what was sealed opens, and nothing crashes. Threat 164.
func FuzzOpen(f *testing.F) {
	// The seeds must be the same in every process of the fuzzer, so none is sealed here.
	r := newRing(f, "new", "fixed")
	const sealed, plaintext = fixedSealed, "sealed by the first version"
	header := base64.RawURLEncoding.EncodeToString(r.keys[0].header())
	for _, seed := range []string{"", sealed, sealed + "\n", sealed[:20], header, header + strings.Repeat("A", 60)} {
		f.Add("flow", seed)
	}
	f.Add("other", sealed)
	f.Fuzz(func(t *testing.T, purpose, value string) {
		got, err := r.Open(purpose, value)
		if purpose == "flow" && value == sealed {
			if err != nil || string(got) != plaintext {
				t.Fatalf("Open of the sealed value = %q, %v", got, err)
			}
			return
		}
		if !errors.Is(err, ErrOpen) || got != nil {
			t.Fatalf("Open(%q, %q) = %q, %v, want ErrOpen", purpose, value, got, err)
		}
		// Whatever it is, it seals and opens as content and as a purpose.
		back, err := r.Open(purpose, r.Seal(purpose, []byte(value)))
		if err != nil || string(back) != value {
			t.Fatalf("Open of Seal(%q, %q) = %q, %v", purpose, value, back, err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	r := newRing(b, "k")
	for _, size := range []int{200, 5000} {
		plaintext := bytes.Repeat([]byte("x"), size)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				r.Seal("flow", plaintext)
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	r := newRing(b, "new", "old")
	old := newRing(b, "old")
	for _, size := range []int{200, 5000} {
		sealed := old.Seal("flow", bytes.Repeat([]byte("x"), size))
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := r.Open("flow", sealed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRandomID(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		RandomID()
	}
}
