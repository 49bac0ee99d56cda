package catalog

import (
	"bytes"
	"io"
	"sync"
)

// lineMax is how much of one line is kept; the rest of it is counted and thrown away.
const lineMax = 8 << 10

// lineWriter cuts what is written to it into lines and hands each to emit, with the number of bytes that were cut
// off. It never fails and holds at most one line.
type lineWriter struct {
	emit func(line []byte, cut int)

	mu   sync.Mutex
	line []byte
	cut  int
}

// Write implements io.Writer.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for rest := p; len(rest) > 0; {
		piece, after, ended := bytes.Cut(rest, []byte{'\n'})
		w.add(piece)
		if ended {
			w.end()
		}
		rest = after
	}
	return len(p), nil
}

func (w *lineWriter) add(piece []byte) {
	room := min(len(piece), lineMax-len(w.line))
	w.line = append(w.line, piece[:room]...)
	w.cut += len(piece) - room
}

func (w *lineWriter) end() {
	w.emit(bytes.TrimSuffix(w.line, []byte{'\r'}), w.cut)
	w.line, w.cut = w.line[:0], 0
}

// flush hands over a last line that lacks its end.
func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.line) > 0 {
		w.end()
	}
}

// drain reads until an error and writes all of it to w. Every process has two of these for as long as it runs, so they
// are small; io.Copy would hold 32 KiB each.
func drain(r io.Reader, w *lineWriter) {
	_, _ = io.CopyBuffer(w, struct{ io.Reader }{r}, make([]byte, 4<<10)) // a WriteTo of r would take its own buffer
	w.flush()
}

// ring keeps the last whole lines that were added to it.
type ring struct {
	max int // bytes

	mu  sync.Mutex
	buf []byte
}

func (r *ring) add(line []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.buf = append(append(r.buf, line...), '\n')
	// Moved only when twice the size is reached, so that a flood costs one copy per byte.
	if len(r.buf) > 2*r.max {
		r.buf = append(r.buf[:0], r.last()...)
	}
}

// last is the end of the buffer that fits, from the start of a line: half a line may hold half a secret.
func (r *ring) last() []byte {
	if len(r.buf) <= r.max {
		return r.buf
	}
	tail := r.buf[len(r.buf)-r.max-1:]
	return tail[bytes.IndexByte(tail, '\n')+1:]
}

// lines returns a copy of what is kept, oldest first.
func (r *ring) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for line := range bytes.Lines(r.last()) {
		out = append(out, string(bytes.TrimSuffix(line, []byte{'\n'})))
	}
	return out
}
