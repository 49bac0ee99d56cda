package catalog

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/authd/authd/sdk"
)

// count makes a call of that outcome, and reports whether it was let through.
func count(b *breakers, use upstream, failure *CallError) bool {
	p, open := b.admit(use)
	if open == nil {
		p.settle(failure)
	}
	return open == nil
}

func kind(k Kind) *CallError { return &CallError{Kind: k, Err: errors.New("as told")} }

// F20: five failures of ten within thirty seconds open it for fifteen; then one call is let through.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b breakers
		b.reset(defaults())
		for range 4 {
			count(&b, asks, kind(KindUpstream))
			count(&b, asks, nil)
		}
		if !b.openUntil().IsZero() {
			t.Error("four failures opened it")
		}
		count(&b, asks, kind(KindUpstreamTimeout))
		if got := time.Until(b.openUntil()); got != 15*time.Second {
			t.Errorf("it is open for %v, want 15 s", got)
		}
		if count(&b, asks, nil) || count(&b, starts, nil) || !count(&b, free, nil) {
			t.Error("an open breaker lets calls through that ask, or none that must be tried")
		}
		_, open := b.admit(asks)
		if open == nil || open.wait <= 0 || open.wait > 15*time.Second || !errors.Is(open, ErrBreakerOpen) || !strings.Contains(open.Error(), "its identity provider failed 5 times") {
			t.Errorf("refusal = %+v", open)
		}

		time.Sleep(15*time.Second + 1)
		probe, open := b.admit(asks)
		if open != nil {
			t.Fatalf("half open: %v", open)
		}
		if count(&b, asks, nil) {
			t.Error("half open, a second call was let through")
		}
		probe.settle(kind(KindUpstream))
		if got := time.Until(b.openUntil()); got != 15*time.Second {
			t.Errorf("after a failed probe it is open for %v", got)
		}
		time.Sleep(15*time.Second + 1)
		if !count(&b, asks, kind(KindDenied)) || !b.openUntil().IsZero() {
			t.Error("an identity provider that denies somebody is back, but the breaker is not closed")
		}
		for range 10 {
			if !count(&b, asks, nil) {
				t.Fatal("a closed breaker refuses")
			}
		}
	})
}

// Failures that are far apart, and successes, keep it closed.
func TestBreakerWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b breakers
		b.reset(defaults())
		for range 20 {
			count(&b, asks, kind(KindUpstream))
			time.Sleep(10 * time.Second)
		}
		for range 15 {
			count(&b, asks, nil)
			count(&b, asks, nil)
			count(&b, asks, kind(KindUpstream))
		}
		if !b.openUntil().IsZero() {
			t.Error("it opened")
		}
		for range 5 {
			count(&b, asks, kind(KindUpstream))
		}
		if b.openUntil().IsZero() {
			t.Error("five failures in a row did not open it, because it went well before")
		}
		b.reset(defaults())
		for range 5 { // starts count only when they fail: most ask nobody
			count(&b, starts, nil)
			count(&b, starts, nil)
			count(&b, starts, kind(KindUpstream))
		}
		if b.openUntil().IsZero() {
			t.Error("five failed starts did not open it")
		}
	})
}

// What a person or the operator did wrong, or a caller who gave up, opens nothing.
func TestBreakerDoesNotCount(t *testing.T) {
	var b breakers
	b.reset(defaults())
	unusable := &CallError{Kind: KindFault, Err: errUnusable}
	tooLarge := &CallError{Kind: KindFault, Err: status.Error(codes.ResourceExhausted, "the message is larger than 1 MiB")}
	unsupported := &CallError{Kind: KindFault, Err: ErrUnsupported}
	for _, failure := range []*CallError{kind(KindDenied), kind(KindExpired), kind(KindConfig), kind(KindCanceled), kind(KindUnavailable), unusable, unsupported, tooLarge} {
		for range 50 {
			if !count(&b, asks, failure) {
				t.Fatalf("%v opened a breaker", failure)
			}
		}
	}
	for range 50 {
		count(&b, free, kind(KindFault))
		count(&b, free, kind(KindUpstream))
	}
	if !b.openUntil().IsZero() {
		t.Error("what must be tried in any case opened a breaker")
	}
}

// Faults of the plugin have a breaker of their own.
func TestBreakerOfPlugin(t *testing.T) {
	for name, failure := range map[string]*CallError{
		"fault": kind(KindFault), "lost": {Kind: KindUnavailable, Err: errors.New("EOF"), lost: true},
	} {
		var b breakers
		b.reset(defaults())
		for range 5 {
			count(&b, starts, failure)
		}
		_, open := b.admit(starts)
		if open == nil || !open.plugin || !strings.Contains(open.Error(), "its plugin failed 5 times") {
			t.Errorf("%s: refusal = %+v", name, open)
		}
	}
}

// Threat 134, F20: with real calls: answers come at once while it is open, and it heals by itself.
func TestBreakerHeals(t *testing.T) {
	told := &events{}
	span := quick()
	span.rest = 100 * time.Millisecond
	pc := testProvider(t, "p")
	pc.Settings["count"] = filepath.Join(t.TempDir(), "count")
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, Event: told.add, timing: span})
	p := ready(t, c, "p")
	for range tripAt {
		_, err := p.GetUserInfo(background(t), &sdk.Token{AccessToken: "upstream"})
		wantKind(t, err, KindUpstream)
	}
	if n, last := told.of(EventBreakerOpened); n != 1 || last.Status.BreakerOpenUntil.IsZero() || last.Status.State != StateReady {
		t.Errorf("%d events of an open breaker, the last %+v", n, last)
	}
	if url, err := p.EndSession(background(t), sdk.EndSessionRequest{State: "https://idp.example/logout"}); err != nil || url == "" {
		t.Errorf("EndSession = %q, %v; want people to be able to leave", url, err)
	}
	refused := 0
	ctx := background(t)
	for {
		_, _, err := p.GetToken(ctx, sdk.CodeExchange{Code: "x"})
		if err == nil {
			break
		}
		refused++
		if failure := wantKind(t, err, KindUpstream); !errors.Is(err, ErrBreakerOpen) || failure.RetryAfter <= 0 || failure.RetryAfter > time.Second {
			t.Fatalf("error = %v, retry after %v", err, failure.RetryAfter)
		}
	}
	t.Logf("%d calls were refused", refused)
	if got := p.Status(); !got.BreakerOpenUntil.IsZero() {
		t.Errorf("status = %+v, want a closed breaker", got)
	}
	if n, _ := told.of(EventBreakerClosed); n != 1 {
		t.Errorf("%d events of a closed breaker", n)
	}
}

// Another configuration begins with a clean sheet.
func TestBreakerIsResetBySwap(t *testing.T) {
	pc := testProvider(t, "p")
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}})
	p := ready(t, c, "p")
	for range tripAt {
		_, err := p.GetUserInfo(background(t), &sdk.Token{AccessToken: "slow"})
		wantKind(t, err, KindUpstreamTimeout)
	}
	_, err := p.AuthorizeParams(background(t), sdk.AuthorizeRequest{})
	if wantKind(t, err, KindUpstream); !errors.Is(err, ErrBreakerOpen) {
		t.Fatalf("error = %v", err)
	}
	old := p.Status().PID
	p.Restart()
	replaced(t, p, old)
	tell(t, p, "")
}

// Threat 134: a plugin that panics in every call is left alone for a while, too.
func TestBreakerOfPanics(t *testing.T) {
	p := ready(t, catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p")}}), "p")
	for range tripAt {
		_, err := p.GetUserInfo(background(t), &sdk.Token{AccessToken: "panic x"})
		wantKind(t, err, KindFault)
	}
	_, err := p.GetUserInfo(background(t), &sdk.Token{AccessToken: ""})
	if wantKind(t, err, KindUnavailable); !errors.Is(err, ErrBreakerOpen) {
		t.Errorf("error = %v", err)
	}
	// The process is as it was: nobody has killed it for that.
	if got := p.Status(); got.Restarts != 0 || got.State != StateReady {
		t.Errorf("status = %+v", got)
	}
}
