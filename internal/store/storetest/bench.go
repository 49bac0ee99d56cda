package storetest

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authd/authd/internal/store"
)

// Bench measures Get and Put of a store with records of 1 KiB. The caller opens
// and closes the store.
func Bench(b *testing.B, s store.Store) {
	value := []byte(strings.Repeat("v", 1024))
	const records = 1000
	key := func(i int) string { return fmt.Sprintf("bench/%06d", i%records) }
	keys := make([]string, records)
	for i := range keys {
		keys[i] = key(i)
		if _, err := s.Put(b.Context(), keys[i], value, time.Hour, store.Any()); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("Get", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := s.Get(b.Context(), keys[i%records]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Put", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := s.Put(b.Context(), keys[i%records], value, time.Hour, store.Any()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("PutParallel32", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(16)
		var n atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := s.Put(b.Context(), keys[n.Add(1)%records], value, time.Hour, store.Any()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}
