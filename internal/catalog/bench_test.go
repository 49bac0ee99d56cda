package catalog

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/authd/authd/sdk"
)

func benchProvider(b *testing.B) *Provider {
	b.Helper()
	dir := b.TempDir()
	path := install(b, dir, namePrefix+"well")
	c, err := New(Config{Providers: []ProviderConfig{{
		ID: "p", Type: "test", Plugin: At(path, true), Settings: map[string]string{"client_id": "app"},
	}}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Stop(context.Background()) })
	c.Start(context.Background())
	p := c.Providers()[0]
	if err := p.WaitReady(context.Background()); err != nil {
		b.Fatal(err)
	}
	return p
}

// The price of the facade is the difference between the two: at most 2 µs.
func BenchmarkCall(b *testing.B) {
	p := benchProvider(b)
	client := p.board.ready().rpc
	ctx := context.Background()
	in := sdk.AuthorizeRequest{State: "s", Scope: []string{"openid"}}
	b.Run("facade", func(b *testing.B) {
		for b.Loop() {
			if _, err := p.AuthorizeParams(ctx, in); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("go-plugin", func(b *testing.B) {
		for b.Loop() {
			timed, cancel := context.WithTimeout(ctx, 2*time.Second)
			_, err := client.AuthorizeParams(timed, in)
			if cancel(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("facade alone", func(b *testing.B) {
		m := method[sdk.AuthorizeParams]{
			name: "x", timeout: time.Second, again: true, upstream: asks,
			call: func(context.Context, *sdk.Client) (sdk.AuthorizeParams, error) {
				return sdk.AuthorizeParams{Endpoint: "https://idp.example/authorize"}, nil
			},
			check: func(held *instance, out sdk.AuthorizeParams) error { return held.pins.checkAuthorize(out) },
		}
		for b.Loop() {
			if _, err := do(ctx, p, m); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// From New to four providers that answer: at most 150 ms.
func BenchmarkFourReady(b *testing.B) {
	path := install(b, b.TempDir(), namePrefix+"well")
	var providers []ProviderConfig
	for _, id := range []string{"a", "b", "c", "d"} {
		providers = append(providers, ProviderConfig{ID: id, Type: "test", Plugin: At(path, true), Settings: map[string]string{"client_id": "app"}})
	}
	for b.Loop() {
		c, err := New(Config{Providers: providers})
		if err != nil {
			b.Fatal(err)
		}
		c.Start(context.Background())
		for _, p := range c.Providers() {
			if err := p.WaitReady(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		if err := c.Stop(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// From the death of a process to the next answer: at most 50 ms.
func BenchmarkRestart(b *testing.B) {
	p := benchProvider(b)
	p.launcher.timing.reset = time.Nanosecond
	for b.Loop() {
		proc := p.process.Load()
		proc.kill()
		<-proc.exited
		if _, err := p.AuthorizeParams(context.Background(), sdk.AuthorizeRequest{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRedact(b *testing.B) {
	r := newRedactor([]string{"zq7-K2_secretvalue"})
	line := fmt.Sprintf("GET https://idp.example/userinfo %s answered 200 in 12ms request_id=%d", "with a header", 12345)
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		_ = r.redact(line)
	}
}
