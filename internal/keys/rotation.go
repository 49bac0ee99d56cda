package keys

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Skew is how far the clock of an instance, or of a verifier, may be off. Threat 150.
const Skew = time.Minute

// ErrNoKey says that there is no signing key of the id that was named.
var ErrNoKey = errors.New("no such signing key")

// record is all keys of one signer, in the order in which they sign. Which state a key is in follows from the clock:
//
//	next      From is to come: published, so that every verifier has it before it signs
//	current   the last one whose From has come
//	retired   those before it: published until all that they signed has ended
//
// So nothing has to be written for a key to begin, and a store that is down stops no rotation under way.
type record struct {
	Version int         `json:"v"`
	Keys    []keyRecord `json:"keys"`
}

const recordVersion = 1

func decodeRecord(plain []byte) (record, error) {
	var r record
	if err := json.Unmarshal(plain, &r); err != nil {
		return record{}, errors.New("it is not JSON") // the decoder's words may hold parts of a key
	}
	if r.Version != recordVersion {
		return record{}, fmt.Errorf("it has version %d, this authd knows %d; run the authd that wrote it", r.Version, recordVersion)
	}
	return r, nil
}

// currentAt is the place of the key that signs. Where all are to come, the clock is behind that of the instance that
// made the first one, and it signs already.
func (r record) currentAt(now int64) int {
	for i := len(r.Keys) - 1; i > 0; i-- {
		if r.Keys[i].From <= now {
			return i
		}
	}
	return 0
}

// schedule says when keys change. Its methods change the record that they are given, and nothing else.
//
// Three spans make it whole, with Offline = Lead - MaxAge - 2 Skew:
//
//   - An instance uses what it read of the store for Offline at most. So whatever key signs, anywhere, every instance
//     had read of it before a verifier could last fetch the JWKS: it was published for Lead.
//   - An instance that did not read of a change signs with the key of before for Offline more. So a retired key stays
//     published for Lead + TokenLife after its successor began.
type schedule struct {
	algorithm                       Algorithm
	period, lead, maxAge, tokenLife time.Duration
}

func (s schedule) offline() time.Duration { return s.lead - s.maxAge - 2*Skew }

// due makes what is missing and drops what has ended.
func (s schedule) due(r *record, now time.Time) error {
	at := now.UnixMilli()
	for len(r.Keys) > 1 && r.Keys[1].From+(s.lead+s.tokenLife).Milliseconds() <= at {
		r.Keys = r.Keys[1:]
	}
	if len(r.Keys) == 0 {
		// Nobody holds a JWKS of this signer that is worth anything, so the first key need not wait.
		if err := s.add(r, at, at); err != nil {
			return err
		}
	}
	last := r.Keys[len(r.Keys)-1]
	if last.From > at {
		return nil
	}
	return s.add(r, at, max(last.From+s.period.Milliseconds(), at+s.lead.Milliseconds()))
}

func (s schedule) add(r *record, published, from int64) error {
	k, err := newKeyRecord(s.algorithm, published, from)
	if err == nil {
		r.Keys = append(r.Keys, k)
	}
	return err
}

// adopt lets the algorithm of the configuration follow upon another one. A standby of the other algorithm that will
// not sign soon has signed nothing and goes; else it has its turn of one lead.
func (s schedule) adopt(r *record, now time.Time) error {
	at, lead := now.UnixMilli(), s.lead.Milliseconds()
	if last := len(r.Keys) - 1; last > 0 && r.Keys[last].Algorithm != s.algorithm && r.Keys[last].From > at+lead {
		r.Keys = r.Keys[:last]
	}
	if last := len(r.Keys) - 1; last >= 0 && r.Keys[last].Algorithm != s.algorithm {
		return s.add(r, at, max(at, r.Keys[last].From)+lead)
	}
	return nil
}

// rotate lets the standby begin as soon as it has been published for the lead.
func (s schedule) rotate(r *record, now time.Time) error {
	if err := s.due(r, now); err != nil {
		return err
	}
	next := &r.Keys[len(r.Keys)-1]
	next.From = min(next.From, max(now.UnixMilli(), next.Published+s.lead.Milliseconds()))
	return nil
}

// revoke drops the named keys at once, or all when none is named. The standby, or a new key, takes the place of the
// one that signed.
func (s schedule) revoke(r *record, now time.Time, ids []string) error {
	at := now.UnixMilli()
	if len(ids) == 0 {
		r.Keys = nil
		return nil
	}
	for _, id := range ids {
		i := slices.IndexFunc(r.Keys, func(k keyRecord) bool { return k.ID == id })
		if i < 0 {
			return fmt.Errorf("%w: %q", ErrNoKey, id)
		}
		signs := i == r.currentAt(at)
		r.Keys = slices.Delete(r.Keys, i, i+1)
		switch {
		case !signs:
		case i < len(r.Keys):
			r.Keys[i].From = at
		default:
			if err := s.add(r, at, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// KeyState is what a signing key is used for.
type KeyState string

// The states of a signing key, in the order in which it passes them.
const (
	KeyNext    KeyState = "next"    // published, does not sign yet
	KeyCurrent KeyState = "current" // signs
	KeyRetired KeyState = "retired" // verifies what it signed
)

// KeyInfo describes a signing key to an operator; there is nothing secret in it.
type KeyInfo struct {
	ID        string    `json:"kid"`
	Algorithm Algorithm `json:"alg"`
	State     KeyState  `json:"state"`
	// Published is since when it is in the JWKS, From since when it signs, or will.
	Published time.Time `json:"published"`
	From      time.Time `json:"from"`
}

func (r record) infos(now time.Time) []KeyInfo {
	current := r.currentAt(now.UnixMilli())
	infos := make([]KeyInfo, len(r.Keys))
	for i, k := range r.Keys {
		state := KeyCurrent
		switch {
		case i < current:
			state = KeyRetired
		case i > current:
			state = KeyNext
		}
		infos[i] = KeyInfo{
			ID: k.ID, Algorithm: k.Algorithm, State: state,
			Published: time.UnixMilli(k.Published).UTC(), From: time.UnixMilli(k.From).UTC(),
		}
	}
	return infos
}
