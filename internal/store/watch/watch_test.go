package watch_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/internal/store/watch"
)

// queued returns what waits in the channel right now.
func queued(keys <-chan string) []string {
	var got []string
	for {
		select {
		case key, ok := <-keys:
			if !ok {
				return append(got, "closed")
			}
			got = append(got, key)
		default:
			return got
		}
	}
}

func subscribe(t *testing.T, h *watch.Hub, prefix string) <-chan string {
	t.Helper()
	keys, err := h.Subscribe(t.Context(), prefix)
	if err != nil {
		t.Fatalf("Subscribe: %v", err)
	}
	return keys
}

func TestPublishByPrefixInOrder(t *testing.T) {
	var h watch.Hub
	sessions, all, other := subscribe(t, &h, "session/"), subscribe(t, &h, ""), subscribe(t, &h, "key/")
	h.Publish("session/1", "user/1")
	h.Publish("session/2")
	if diff := cmp.Diff([]string{"session/1", "session/2"}, queued(sessions)); diff != "" {
		t.Errorf("watcher of session/ (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"session/1", "user/1", "session/2"}, queued(all)); diff != "" {
		t.Errorf("watcher of everything (-want +got):\n%s", diff)
	}
	if got := queued(other); got != nil {
		t.Errorf("watcher of key/ got %q, want nothing", got)
	}
}

func TestLaggingWatcherGetsForgetOnce(t *testing.T) {
	var h watch.Hub
	keys := subscribe(t, &h, "")
	for i := range watch.Buffer {
		h.Publish(fmt.Sprint("k", i))
	}
	h.Publish("one too many") // covered by the forget, which is there without another key
	h.Publish("after")
	if diff := cmp.Diff([]string{watch.Forget, "after"}, queued(keys)); diff != "" {
		t.Fatalf("after lagging (-want +got):\n%s", diff)
	}
	h.Publish("next")
	if diff := cmp.Diff([]string{"next"}, queued(keys)); diff != "" {
		t.Errorf("after catching up (-want +got):\n%s", diff)
	}
}

func TestFullBufferIsNotLagging(t *testing.T) {
	var h watch.Hub
	keys := subscribe(t, &h, "")
	for range watch.Buffer {
		h.Publish("k")
	}
	got := queued(keys)
	if len(got) != watch.Buffer {
		t.Fatalf("got %d keys, want %d", len(got), watch.Buffer)
	}
	for _, key := range got {
		if key != "k" {
			t.Fatalf("got key %q, want k", key)
		}
	}
}

func TestLaggingTwiceLeavesOneForget(t *testing.T) {
	var h watch.Hub
	keys := subscribe(t, &h, "")
	for range 5*watch.Buffer + 1 {
		h.Publish("k")
	}
	if got := strings.Count(strings.Join(queued(keys), "|")+"|", "k|"); got >= watch.Buffer {
		t.Fatalf("%d keys waited beside the forget, want fewer than %d", got, watch.Buffer)
	}
	for range 2*watch.Buffer + 1 {
		h.Publish("k")
	}
	forgets := 0
	for i, key := range queued(keys) {
		if key == watch.Forget {
			forgets++
			if i != 0 {
				t.Errorf("forget at place %d, want it first: what came before it is void", i)
			}
		}
	}
	if forgets != 1 {
		t.Errorf("%d forgets waited, want 1", forgets)
	}
}

func TestOneLaggingWatcherDoesNotTouchTheOther(t *testing.T) {
	var h watch.Hub
	slow, fast := subscribe(t, &h, ""), subscribe(t, &h, "")
	for i := range watch.Buffer + 1 {
		h.Publish(fmt.Sprint("k", i))
		if got := queued(fast); len(got) != 1 || got[0] != fmt.Sprint("k", i) {
			t.Fatalf("fast watcher got %q at %d", got, i)
		}
	}
	if diff := cmp.Diff([]string{watch.Forget}, queued(slow)); diff != "" {
		t.Errorf("slow watcher (-want +got):\n%s", diff)
	}
}

func TestForgetAll(t *testing.T) {
	var h watch.Hub
	a, b := subscribe(t, &h, "a/"), subscribe(t, &h, "b/")
	h.Publish("a/1")
	h.ForgetAll()
	h.Publish("b/1")
	if diff := cmp.Diff([]string{watch.Forget}, queued(a)); diff != "" {
		t.Errorf("a (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{watch.Forget, "b/1"}, queued(b)); diff != "" {
		t.Errorf("b (-want +got):\n%s", diff)
	}
}

func TestEndOfContextClosesTheChannel(t *testing.T) {
	var h watch.Hub
	ctx, cancel := context.WithCancel(t.Context())
	keys, err := h.Subscribe(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	h.Publish("before")
	cancel()
	var got []string
	for key := range keys { // ends only when the channel is closed
		got = append(got, key)
	}
	if diff := cmp.Diff([]string{"before"}, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	h.Publish("after") // must not panic on the closed channel
	h.Close()
}

func TestClose(t *testing.T) {
	var h watch.Hub
	keys := subscribe(t, &h, "")
	h.Publish("k")
	h.Close()
	h.Close()
	h.Publish("late")
	h.ForgetAll()
	if diff := cmp.Diff([]string{"k", "closed"}, queued(keys)); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if _, err := h.Subscribe(t.Context(), ""); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Subscribe after Close: %v, want ErrUnavailable", err)
	}
}

func TestSubscribeRefusals(t *testing.T) {
	var h watch.Hub
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Subscribe(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v, want context.Canceled", err)
	}
	if _, err := h.Subscribe(t.Context(), "\xff"); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("bad prefix: %v, want ErrInvalid", err)
	}
}

func TestManyWatchersComeAndGoWhilePublishing(t *testing.T) {
	var h watch.Hub
	stop := make(chan struct{})
	var publisher, watchers sync.WaitGroup
	publisher.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				h.Publish("a/1", "b/1")
				runtime.Gosched()
			}
		}
	})
	for i := range 8 {
		watchers.Go(func() {
			for range 50 {
				ctx, cancel := context.WithCancel(t.Context())
				keys, err := h.Subscribe(ctx, string(rune('a'+i%2))+"/")
				if err != nil {
					t.Errorf("Subscribe: %v", err)
				}
				<-keys
				cancel()
				for range keys { // until closed
				}
			}
		})
	}
	watchers.Wait()
	close(stop)
	publisher.Wait()
	h.Close()
}

func BenchmarkPublishNobodyWatches(b *testing.B) {
	var h watch.Hub
	b.ReportAllocs()
	for b.Loop() {
		h.Publish("session/1")
	}
}

func BenchmarkPublishToLaggingWatcher(b *testing.B) {
	var h watch.Hub
	if _, err := h.Subscribe(b.Context(), ""); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		h.Publish("session/1")
	}
}
