package keys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/internal/store/memory"
)

// party is a verifier that keeps the JWKS for as long as it may, and never asks in between.
type party struct {
	mu    sync.Mutex
	set   jose.JSONWebKeySet
	until time.Time
}

func (p *party) verify(ctx context.Context, from *Signer, compact string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !time.Now().Before(p.until) {
		set, err := JWKS(ctx, from)
		if err != nil {
			return err
		}
		p.set = jose.JSONWebKeySet{}
		if err := json.Unmarshal(set.JSON, &p.set); err != nil {
			return err
		}
		p.until = time.Now().Add(set.MaxAge)
	}
	jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA})
	if err != nil {
		return err
	}
	key := p.set.Key(jws.Signatures[0].Protected.KeyID)
	if len(key) != 1 {
		return fmt.Errorf("%d keys of the id %s", len(key), jws.Signatures[0].Protected.KeyID)
	}
	_, err = jws.Verify(key[0])
	return err
}

func at(skew time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(skew) }
}

// Threats 122, 147, 150: a day and a half with a rotation every three hours and some besides, clocks that are off by a minute
// either way, and an instance that hears of nothing and is cut off from the store for most of an hour now and then.
// Whatever either signs verifies, at each moment of its life, with whatever JWKS a verifier may still hold.
func TestRotationFailsNoVerification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStore(t)
		far := &flaky{Store: st}
		far.deaf.Store(true)
		a := newSigner(t, SignerConfig{Store: st, Algorithm: EdDSA, Period: 3 * time.Hour, Now: at(Skew)})
		b := newSigner(t, SignerConfig{Store: far, Algorithm: EdDSA, Period: 3 * time.Hour, Now: at(-Skew)})
		instances := []*Signer{a, b}
		parties := make([]party, 3)
		random := rand.New(rand.NewPCG(1, 2))
		const step = 97 * time.Second
		signed := map[string]bool{}
		var alive []string // those of the last steps, oldest first
		check := func(compact string) {
			for i := range parties {
				if err := parties[i].verify(t.Context(), instances[random.IntN(2)], compact); err != nil {
					t.Fatalf("party %d: %v", i, err)
				}
			}
		}
		var cutSince time.Time
		for end := time.Now().Add(36 * time.Hour); time.Now().Before(end); time.Sleep(step) {
			if random.IntN(80) == 0 {
				if _, err := a.Rotate(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			switch cut := far.down.Load(); {
			case cut && time.Since(cutSince) > b.schedule.offline()-b.Refresh-2*step:
				far.down.Store(false)
			case !cut && random.IntN(40) == 0:
				far.down.Store(true)
				cutSince = time.Now()
			}
			for _, s := range instances {
				compact := mustSign(t, s)
				signed[kidOf(t, compact)] = true
				check(compact)
				alive = append(alive, compact)
			}
			if len(alive) > 6 { // three steps of two: just below five minutes old
				check(alive[0])
				alive = alive[2:]
			}
		}
		if len(signed) < 12 {
			t.Errorf("%d keys signed in a day and a half, want 12 at least", len(signed))
		}
		if n := len(a.view.Load().keys); n > 4 {
			t.Errorf("%d keys are kept", n)
		}
	})
}

// Threat 149: sixteen that sign and verify, and two that rotate, on two instances at once.
func TestManyGoroutinesSign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStore(t)
		instances := []*Signer{newSigner(t, SignerConfig{Store: st}), newSigner(t, SignerConfig{Store: st})}
		var shared party
		var work sync.WaitGroup
		for i := range 16 {
			work.Go(func() {
				for range 30 {
					s := instances[i%2]
					compact, err := s.Sign(t.Context(), testType, claimsFor(s, time.Minute))
					if err == nil {
						err = errors.Join(
							instances[1-i%2].Verify(t.Context(), testType, compact, expected, nil),
							shared.verify(t.Context(), s, compact))
					}
					if err != nil {
						t.Error(err)
					}
					time.Sleep(7 * time.Minute)
				}
			})
		}
		for _, s := range instances {
			work.Go(func() {
				for range 30 {
					if _, err := s.Rotate(t.Context()); err != nil {
						t.Error(err)
					}
					time.Sleep(7 * time.Minute)
				}
			})
		}
		work.Wait()
		synctest.Wait()
		if diff := cmp.Diff(instances[0].view.Load().Keys, instances[1].view.Load().Keys); diff != "" {
			t.Errorf("the instances have other keys: %s", diff)
		}
	})
}

// Threat 149: however many start at once, one set of keys comes of it.
func TestInstancesThatStartTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStore(t)
		ring := newRing(t, "k")
		signers := make([]*Signer, 8)
		var work sync.WaitGroup
		for i := range signers {
			work.Go(func() {
				var err error
				if signers[i], err = NewSigner(t.Context(), SignerConfig{Name: "identity", Store: st, Ring: ring}); err != nil {
					t.Error(err)
				}
			})
		}
		work.Wait()
		for _, s := range signers {
			defer s.Close()
			if s.KeyID() != signers[0].KeyID() {
				t.Error("two instances sign with two keys")
			}
			mustVerify(t, signers[0], mustSign(t, s))
		}
	})
}

// Threat 149: an instance that was overtaken between reading and writing undoes nothing.
func TestLostUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStore(t)
		slow := &flaky{Store: st}
		a := newSigner(t, SignerConfig{Store: slow})
		b := newSigner(t, SignerConfig{Store: st})
		time.Sleep(a.Lead)
		first := a.KeyID()
		overtake := func() {
			if err := b.Revoke(t.Context(), first); err != nil {
				t.Error(err)
			}
		}
		slow.beforePut.Store(&overtake)
		if _, err := a.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if slices.ContainsFunc(a.view.Load().Keys, func(k keyRecord) bool { return k.ID == first }) {
			t.Error("the key that was revoked meanwhile is back")
		}
		if diff := cmp.Diff(a.view.Load().Keys, b.view.Load().Keys); diff != "" {
			t.Errorf("the instances have other keys: %s", diff)
		}
		if a.KeyID() == first {
			t.Error("the revoked key signs")
		}
	})
}

// Threat 150: an instance whose clock is behind that of the one that made the first key signs with that key too.
func TestFirstKeyOfAFastClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStore(t)
		fast := newSigner(t, SignerConfig{Store: st, Now: at(Skew)})
		slow := newSigner(t, SignerConfig{Store: st})
		if fast.KeyID() != slow.KeyID() {
			t.Error("two keys sign")
		}
		mustVerify(t, slow, mustSign(t, fast))
		mustVerify(t, fast, mustSign(t, slow))
	})
}

// Threat 122: the life of a key, from its publication to its end.
func TestLifeOfAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSigner(t, SignerConfig{Store: newStore(t)})
		first := s.KeyID()
		state := func(id string) KeyState {
			infos, err := s.Keys(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, info := range infos {
				if info.ID == id {
					return info.State
				}
			}
			return ""
		}
		published := func(id string) bool { return strings.Contains(string(mustJWKS(t, s).JSON), `"`+id+`"`) }

		next, err := s.Rotate(t.Context())
		if err != nil || next.State != KeyNext || !next.From.Equal(s.now().Add(s.Lead).Truncate(time.Millisecond)) {
			t.Fatalf("Rotate = %+v, %v, want a key that signs after the lead of %s", next, err, s.Lead)
		}
		if !published(next.ID) || s.KeyID() != first {
			t.Error("the next key is not published, or signs already")
		}
		time.Sleep(s.Lead - time.Second)
		if s.KeyID() != first {
			t.Error("the next key signs too early")
		}
		old := mustSign(t, s)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s.KeyID() != next.ID || kidOf(t, mustSign(t, s)) != next.ID || state(first) != KeyRetired || state(next.ID) != KeyCurrent {
			t.Error("the next key does not sign after the lead")
		}
		mustVerify(t, s, old)
		time.Sleep(s.Lead + s.TokenLife - 5*time.Second)
		if !published(first) {
			t.Error("the first key went before its last token was sure to have ended")
		}
		time.Sleep(s.Refresh + 10*time.Second)
		if published(first) || state(first) != "" {
			t.Error("the first key is kept for ever")
		}
		mustRefuse(t, s, old)
		if _, err := s.Rotate(t.Context()); err != nil || s.KeyID() == next.ID {
			t.Errorf("Rotate (%v) with a key that is long published does not take effect at once", err)
		}
		time.Sleep(s.Period + s.Refresh)
		if state(s.KeyID()) != KeyCurrent || state(next.ID) != "" {
			t.Error("no rotation by itself after the period")
		}
	})
}

func TestRevoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStore(t)
		a, b := newSigner(t, SignerConfig{Store: st}), newSigner(t, SignerConfig{Store: st})
		infos, err := a.Keys(t.Context())
		if err != nil || len(infos) != 2 {
			t.Fatalf("Keys = %v, %v", infos, err)
		}
		old := mustSign(t, a)
		if err := a.Revoke(t.Context(), infos[0].ID); err != nil {
			t.Fatal(err)
		}
		if a.KeyID() != infos[1].ID {
			t.Error("the standby does not sign after the current key was revoked")
		}
		mustVerify(t, b, mustSign(t, a)) // whether b heard of it or not
		mustRefuse(t, a, old)
		synctest.Wait()
		mustRefuse(t, b, old)

		before := mustSign(t, b)
		if err := b.Revoke(t.Context(), b.KeyID(), "unknown"); !errors.Is(err, ErrNoKey) {
			t.Errorf("Revoke of an unknown key = %v, want ErrNoKey", err)
		}
		mustVerify(t, b, before)
		if err := b.Revoke(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, s := range []*Signer{a, b} {
			mustRefuse(t, s, before)
			mustVerify(t, a, mustSign(t, s))
		}
		// All but the current one by name, then that one: a new key signs.
		infos, _ = a.Keys(t.Context())
		if err := a.Revoke(t.Context(), infos[1].ID, infos[0].ID); err != nil {
			t.Fatal(err)
		}
		mustVerify(t, a, mustSign(t, a))
	})
}

// Threat 122: an instance that slept while the keys changed looks before it signs.
func TestInstanceThatSlept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStore(t)
		asleep, awake := newSigner(t, SignerConfig{Store: st}), newSigner(t, SignerConfig{Store: st})
		asleep.Close() // nothing runs, as on a machine that sleeps
		for _, long := range []time.Duration{asleep.schedule.offline() - time.Minute, 40 * 24 * time.Hour} {
			before := asleep.KeyID()
			time.Sleep(long)
			if err := awake.Revoke(t.Context()); err != nil {
				t.Fatal(err)
			}
			var work sync.WaitGroup
			for range 8 {
				work.Go(func() {
					compact, err := asleep.Sign(t.Context(), testType, claimsFor(asleep, time.Minute))
					if err != nil || kidOf(t, compact) == before {
						t.Errorf("after %s: signed with the key of before, or %v", long, err)
					}
				})
			}
			work.Wait()
		}
	})
}

// A store that is down stops no signing for a while; then nobody knows which keys count, and doubt denies.
func TestStoreThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &flaky{Store: newStore(t)}
		var logged atomic.Int32
		s := newSigner(t, SignerConfig{Store: st, Warn: func(msg string, _ ...any) {
			if strings.Contains(msg, "can't be read") {
				logged.Add(1)
			}
		}})
		kid := s.KeyID()
		st.down.Store(true)
		time.Sleep(s.schedule.offline() - time.Minute)
		mustVerify(t, s, mustSign(t, s))
		mustJWKS(t, s)
		if s.KeyID() != kid {
			t.Error("the key changed without a store")
		}
		time.Sleep(2 * time.Minute)
		_, err := s.Sign(t.Context(), testType, claimsFor(s, time.Minute))
		if !errors.Is(err, ErrStale) || !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Sign = %v, want ErrStale with the cause", err)
		}
		if _, err := JWKS(t.Context(), s); !errors.Is(err, ErrStale) {
			t.Errorf("JWKS = %v, want ErrStale", err)
		}
		if s.KeyID() != "" {
			t.Error("KeyID still names a key")
		}
		if logged.Load() != 1 {
			t.Errorf("the log was told %d times, want once", logged.Load())
		}
		if _, err := NewSigner(t.Context(), SignerConfig{Name: "new", Store: st, Ring: s.Ring}); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("NewSigner without a store = %v, want ErrUnavailable", err)
		}
		st.down.Store(false)
		time.Sleep(storeRetry)
		mustVerify(t, s, mustSign(t, s))
		if s.KeyID() != kid {
			t.Error("the keys were lost")
		}
	})
}

// A store that lost its records gets the keys back, and what they signed goes on to verify.
func TestStoreThatForgot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStore(t)
		a, b := newSigner(t, SignerConfig{Store: st}), newSigner(t, SignerConfig{Store: st})
		compact := mustSign(t, a)
		if err := st.Delete(t.Context(), signingPrefix+a.Name); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		mustVerify(t, newSigner(t, SignerConfig{Store: st}), compact)
		mustVerify(t, b, mustSign(t, a))
	})
}

// Where the Watch of the store fails, changes are read all the same, and announced again once it works.
func TestWatchThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStore(t)
		deaf := &flaky{Store: st}
		deaf.deaf.Store(true)
		a, b := newSigner(t, SignerConfig{Store: st}), newSigner(t, SignerConfig{Store: deaf})
		synctest.Wait() // both have read what there was at their start
		if err := a.Revoke(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if b.KeyID() == a.KeyID() {
			t.Error("the change was heard of without a Watch")
		}
		time.Sleep(b.Refresh)
		synctest.Wait()
		if b.KeyID() != a.KeyID() {
			t.Errorf("the change was not read within %s", b.Refresh)
		}
		deaf.deaf.Store(false)
		time.Sleep(b.Refresh)
		synctest.Wait()
		if err := a.Revoke(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if b.KeyID() != a.KeyID() {
			t.Error("the change was not announced")
		}
	})
}

// A store that closes ends the watch; the signer goes on for a while and stops when it is told.
func TestStoreThatCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New(memory.Options{})
		s := newSigner(t, SignerConfig{Store: st})
		st.Close()
		time.Sleep(10 * time.Minute)
		mustVerify(t, s, mustSign(t, s))
	})
}

// A store that does not answer holds callers up once and not for long, however many there are.
func TestStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &flaky{Store: newStore(t)}
		s := newSigner(t, SignerConfig{Store: st})
		s.Close() // so that nobody but the callers asks
		st.hangs.Store(true)
		time.Sleep(10 * time.Minute)
		began := time.Now()
		var work sync.WaitGroup
		for range 16 {
			work.Go(func() {
				if _, err := s.Sign(t.Context(), testType, claimsFor(s, time.Minute)); err != nil {
					t.Error(err)
				}
			})
		}
		work.Wait()
		if took := time.Since(began); took != storeTimeout {
			t.Errorf("sixteen callers waited %s, want one wait of %s", took, storeTimeout)
		}
		mustSign(t, s)
		if took := time.Since(began); took != storeTimeout {
			t.Errorf("another one waited until %s", took)
		}
		// A caller that goes is let go.
		time.Sleep(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := s.Sign(ctx, testType, claimsFor(s, time.Minute)); !errors.Is(err, ErrStale) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Sign = %v, want ErrStale and the end of the context", err)
		}
	})
}
