//go:build linux

package bench

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The instruments themselves, before anybody believes them.

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{7}, 7}, {[]float64{9, 1, 5}, 5}, {[]float64{8, 2, 4, 100}, 6}} {
		before := slices.Clone(c.values)
		if got := median(c.values); got != c.want || !slices.Equal(c.values, before) {
			t.Errorf("median(%v) = %v, want %v and the values as they were", before, got, c.want)
		}
	}
}

func TestTableNamesWhatIsOver(t *testing.T) {
	tab := &table{rows: []row{
		{what: "check", unit: "×", budget: 1.35, measured: 1.35, note: "just so"},
		{what: "login", unit: "ms", budget: 1.2, measured: 1.21},
		{what: "start", unit: "ms", budget: 150, measured: math.NaN()},
	}}
	var got []string
	for _, line := range strings.Split(strings.TrimSpace(tab.String()), "\n")[1:] {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	want := []string{"check 1.35 × 1.35 × 100 % ok just so", "login 1.2 ms 1.21 ms 101 % OVER", "start 150 ms NaN ms NaN % OVER"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

// reference starts the reference server with one header.
func reference(t *testing.T) (*process, string) {
	t.Helper()
	text, err := json.Marshal([][2]string{{"X-Auth-Request-User", "ada"}})
	if err != nil {
		t.Fatal(err)
	}
	return startBare(t, string(text))
}

func TestLoadCountsEveryAnswer(t *testing.T) {
	p, addr := reference(t)
	before := cpuOf(t, p.pid)
	for _, n := range []int{1, 5, 100, 1000} {
		newClient(t, addr, 10, checkRequest(addr, "x")).run(n)
	}
	if spent := cpuOf(t, p.pid) - before; spent <= 0 {
		t.Errorf("a server that has answered spent %v", spent)
	}
	if m := memoryOf(t, p.pid); m.own <= 0 || m.rss <= m.own {
		t.Errorf("the server holds %+v", m)
	}
}

// An error that is answered quickly must not pass for a quick answer.
func TestLoadRefusesOtherAnswers(t *testing.T) {
	p, addr := reference(t)
	c := newClient(t, addr, 2, strings.Replace(checkRequest(addr, "x"), "/auth/check", "/nothing", 1))
	if err := c.exchange(4); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("exchange: %v, want the 404 of the server", err)
	}
	p.kill()
	if err := c.exchange(1); err == nil {
		t.Error("load on a server that is gone went well")
	}
}

func TestChildren(t *testing.T) {
	p, _ := reference(t)
	self := &process{tb: t, pid: os.Getpid()}
	if !slices.Contains(self.children(), p.pid) {
		t.Errorf("children = %v, want %d among them", self.children(), p.pid)
	}
	p.kill()
	if slices.Contains(self.children(), p.pid) {
		t.Errorf("children = %v, with %d that has ended", self.children(), p.pid)
	}
}
