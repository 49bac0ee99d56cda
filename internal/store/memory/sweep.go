package memory

import (
	"container/heap"
	"time"
)

// sweepUntilStopped removes expired records at a pace. Close ends it.
func (s *Store) sweepUntilStopped(every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
			for s.sweep() == sweepBatch {
				// A full batch: there may be more. The lock was free in between.
			}
		}
	}
}

// sweep removes up to sweepBatch expired records and returns how many it removed.
func (s *Store) sweep() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	n := 0
	for n < sweepBatch && len(s.expiry) > 0 && s.expiry[0].expiredAt(now) {
		s.remove(s.expiry[0].key())
		n++
	}
	return n
}

// expiryHeap orders records by the time at which they expire, soonest first, and
// tells each its place, so that a record that is replaced leaves no trace.
type expiryHeap []*record

var _ heap.Interface = (*expiryHeap)(nil)

// Len implements [heap.Interface].
func (h expiryHeap) Len() int { return len(h) }

// Less implements [heap.Interface].
func (h expiryHeap) Less(i, j int) bool { return h[i].expires < h[j].expires }

// Swap implements [heap.Interface].
func (h expiryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = int32(i), int32(j)
}

// Push implements [heap.Interface].
func (h *expiryHeap) Push(x any) {
	r := x.(*record)
	r.place = int32(len(*h))
	*h = append(*h, r)
}

// Pop implements [heap.Interface].
func (h *expiryHeap) Pop() any {
	old := *h
	last := len(old) - 1
	r := old[last]
	old[last] = nil
	*h = old[:last]
	r.place = nowhere
	return r
}
