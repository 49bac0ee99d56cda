package oidc

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authd/authd/sdk"
)

// source is what a document is fetched from; each fetch returns how many there were, after a while.
type source struct {
	fetches atomic.Int64
	takes   time.Duration
	fails   atomic.Bool
}

var errDown = errors.New("down")

func (s *source) fetch(ctx context.Context) (int, error) {
	n := s.fetches.Add(1)
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if s.fails.Load() {
		return 0, errDown
	}
	return int(n), nil
}

func newDocument(takes time.Duration) (*source, *document[int]) {
	s := &source{takes: takes}
	return s, &document[int]{fetch: s.fetch, now: time.Now}
}

// Threat 24: however many ask at once, one fetch serves them all.
func TestDocumentIsFetchedOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newDocument(time.Second)
		for range 50 {
			go func() {
				if got, err := d.get(t.Context()); got != 1 || err != nil {
					t.Errorf("got %d, error %v; want the first", got, err)
				}
			}()
		}
		synctest.Wait()
		<-time.After(2 * time.Second) // of the bubble's time
		synctest.Wait()
		if n := s.fetches.Load(); n != 1 {
			t.Errorf("fetched %d times, want once", n)
		}
	})
}

// Threat 50: an old document stays in use while its identity provider hangs; one caller waits a little, no other does.
func TestOldDocumentIsUsedWhileTheFetchHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newDocument(0)
		if _, err := d.get(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.takes = time.Hour
		<-time.After(maxAge)
		for i, want := range []time.Duration{stalePatience, 0, 0} {
			begin := time.Now()
			if got, err := d.get(t.Context()); got != 1 || err != nil {
				t.Errorf("use %d: got %d, error %v; want the old one", i, got, err)
			}
			if took := time.Since(begin); took != want {
				t.Errorf("use %d took %v, want %v", i, took, want)
			}
		}
		<-time.After(fetchTimeout) // the fetch ends by itself
		if got, err := d.get(t.Context()); got != 1 || err != nil {
			t.Errorf("got %d, error %v; want the old one still", got, err)
		}
		if n := s.fetches.Load(); n != 2 {
			t.Errorf("fetched %d times, want no third within a minute", n)
		}
	})
}

// A caller who gives up is let go at once; what was begun for all is finished.
func TestDocumentSurvivesACallerWhoGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newDocument(5 * time.Second)
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		begin := time.Now()
		_, err := d.get(ctx)
		var typed *sdk.Error
		if !errors.As(err, &typed) || !typed.Timeout || typed.Source != sdk.SourceUpstream || time.Since(begin) != time.Second {
			t.Errorf("got %v after %v, want a timeout of the identity provider after a second", err, time.Since(begin))
		}
		if got, err := d.get(t.Context()); got != 1 || err != nil || s.fetches.Load() != 1 {
			t.Errorf("got %d, error %v after %d fetches; want what was begun before", got, err, s.fetches.Load())
		}
	})
}

// Without a document there is a pause between failures, and renewals are bounded whether they succeed or not.
func TestDocumentPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newDocument(0)
		s.fails.Store(true)
		want := func(fetches int64, use func(context.Context) (int, error), times int) {
			t.Helper()
			for range times {
				_, _ = use(t.Context())
			}
			if n := s.fetches.Load(); n != fetches {
				t.Errorf("fetched %d times, want %d", n, fetches)
			}
		}
		want(1, d.get, 5)
		if _, err := d.get(t.Context()); !errors.Is(err, errDown) {
			t.Errorf("got %v, want the last failure", err)
		}
		<-time.After(retryPause)
		want(2, d.get, 5)
		<-time.After(retryPause)
		s.fails.Store(false)
		want(3, d.get, 5)
		want(4, d.renew, 5)
		s.fails.Store(true)
		<-time.After(renewPause)
		want(5, d.renew, 5)
		if got, err := d.get(t.Context()); got != 4 || err != nil {
			t.Errorf("got %d, error %v; want the last good one", got, err)
		}
	})
}
