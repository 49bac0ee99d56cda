package catalog

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/authd/authd/sdk"
)

// Stop waits for the providers that were removed a moment ago, too.
func TestStopAwaitsTheRemoved(t *testing.T) {
	span := quick()
	span.stop = 200 * time.Millisecond
	pc := testProvider(t, "p")
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, HealthInterval: time.Hour, timing: span})
	pid := ready(t, c, "p").Status().PID
	stopProcess(t, pid)
	apply(t, c, Changes{Removed: []string{"p"}})
	if err := c.Stop(context.Background()); err != nil {
		t.Errorf("Stop: %v", err)
	}
	gone(t, pid)
}

// F2: timeouts that were the fault of a process that hangs are not held against the next one.
func TestBreakerIsResetAfterHang(t *testing.T) {
	span := quick()
	span.authorize, span.healthTimeout = 300*time.Millisecond, 100*time.Millisecond
	told := &events{}
	c := catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p")}, HealthInterval: time.Hour, Event: told.add, timing: span})
	p := ready(t, c, "p")
	old := p.Status().PID
	stopProcess(t, old)
	var calls sync.WaitGroup
	for range tripAt {
		calls.Go(func() {
			_, err := p.AuthorizeParams(background(t), sdk.AuthorizeRequest{})
			wantKind(t, err, KindUpstreamTimeout)
		})
	}
	calls.Wait()
	replaced(t, p, old)
	if n, _ := told.of(EventBreakerOpened); n != 1 {
		t.Errorf("%d events of an open breaker", n)
	}
	if _, err := p.AuthorizeParams(background(t), sdk.AuthorizeRequest{}); errors.Is(err, ErrBreakerOpen) {
		t.Errorf("with the next process: %v", err)
	}
}
