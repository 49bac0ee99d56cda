package catalog

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type cutLine struct {
	Text string
	Cut  int
}

func TestLineWriter(t *testing.T) {
	long := strings.Repeat("x", lineMax)
	for _, test := range []struct {
		name   string
		writes []string
		want   []cutLine
	}{
		{"lines in one write", []string{"a\nb\n"}, []cutLine{{"a", 0}, {"b", 0}}},
		{"a line in pieces", []string{"a", "b", "\nc"}, []cutLine{{"ab", 0}, {"c", 0}}},
		{"carriage returns", []string{"a\r\nb\r\n"}, []cutLine{{"a", 0}, {"b", 0}}},
		{"an empty line", []string{"\n"}, []cutLine{{"", 0}}},
		{"as long as may be", []string{long + "\n"}, []cutLine{{long, 0}}},
		{"too long", []string{long, "yy", "y\nz\n"}, []cutLine{{long, 3}, {"z", 0}}},
		{"nothing", nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []cutLine
			w := &lineWriter{emit: func(line []byte, cut int) { got = append(got, cutLine{string(line), cut}) }}
			for _, s := range test.writes {
				if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
					t.Errorf("Write = %d, %v", n, err)
				}
			}
			w.flush()
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

// A line without end costs no more memory than one of the longest kept.
func TestLineWriterIsBounded(t *testing.T) {
	var cut int
	w := &lineWriter{emit: func(_ []byte, c int) { cut = c }}
	chunk := bytes.Repeat([]byte("x"), 1<<20)
	for range 100 {
		_, _ = w.Write(chunk)
	}
	if cap(w.line) > 2*lineMax {
		t.Errorf("the writer holds %d bytes", cap(w.line))
	}
	w.flush()
	if want := 100<<20 - lineMax; cut != want {
		t.Errorf("cut = %d, want %d", cut, want)
	}
}

func TestRingKeepsTheLastWholeLines(t *testing.T) {
	r := ring{max: 100}
	var all []string
	for i := range 1000 {
		line := fmt.Sprintf("line %d %s", i, strings.Repeat("y", i%40))
		r.add([]byte(line))
		all = append(all, line)

		got := r.lines()
		if want := all[len(all)-len(got):]; !slices.Equal(got, want) {
			t.Fatalf("after %d lines the ring holds %q, want %q", i+1, got, want)
		}
		if size := len(strings.Join(got, "\n")) + 1; size > 100 || (i > 10 && size < 20) {
			t.Fatalf("the ring holds %d bytes of at most 100", size)
		}
	}
	if cap(r.buf) > 1000 {
		t.Errorf("the ring takes %d bytes for 100", cap(r.buf))
	}
}
