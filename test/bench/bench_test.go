//go:build linux

package bench

import (
	"bufio"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/realtest"
)

// The instruments themselves, before anybody believes them.

// TestQuiet: the quarter below, of however many.
func TestQuiet(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{7}, 7}, {[]float64{9, 1, 5}, 1}, {[]float64{8, 2, 4, 100}, 4}} {
		if got := quiet(c.values); got != c.want {
			t.Errorf("quiet(%v) = %v, want %v", c.values, got, c.want)
		}
	}
}

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
		{what: "nginx", unit: "×", budget: 0.9, measured: 0.96, least: true},
		{what: "slow", unit: "×", budget: 0.9, measured: 0.6, least: true},
		{what: "p99", unit: "ms", budget: 5, measured: 6, noisy: true},
		{what: "failed", unit: "logins", measured: 0, exact: true},
		{what: "lost", unit: "logins", measured: 1, exact: true},
		{what: "lock", unit: "ms", measured: 4},
	}}
	var got []string
	for _, line := range strings.Split(strings.TrimSpace(tab.String()), "\n")[1:] {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	want := []string{
		"check 1.35 × 1.35 × 100 % ok just so", "login 1.2 ms 1.21 ms 101 % OVER", "start 150 ms NaN ms NaN % OVER",
		"nginx ≥ 0.9 × 0.96 × 94 % ok", "slow ≥ 0.9 × 0.6 × 150 % OVER", "p99 5 ms 6 ms 120 % over, noisy",
		"failed 0 logins 0 logins ok", "lost 0 logins 1 logins OVER", "lock - 4 ms -",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

// reference starts the reference server with one header.
func reference(t *testing.T) (*process, string) {
	t.Helper()
	return startBare(t, answer{Path: "/auth/check", Status: 200, Fields: [][2]string{{"X-Auth-Request-User", "ada"}}})
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
	if m := realtest.MemoryOf(t, p.pid); m.Own <= 0 || m.Resident <= m.Own {
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
	p.Kill()
	if err := c.exchange(1); err == nil {
		t.Error("load on a server that is gone went well")
	}
}

// slow answers every request on a connection, the first one late.
func slow(t *testing.T, late time.Duration) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	t.Cleanup(func() {
		_ = l.Close()
		<-served
	})
	go func() {
		defer close(served)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		for first := true; ; first = false {
			if _, err := http.ReadRequest(in); err != nil {
				return
			}
			if first {
				<-time.After(late)
			}
			if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); err != nil {
				return
			}
		}
	}()
	return l.Addr().String()
}

// While one answer is late the requests behind it are late too, and the figures must say so.
func TestPaceCountsFromWhenARequestWasDue(t *testing.T) {
	const n, every, late = 20, time.Millisecond, 60 * time.Millisecond
	addr := slow(t, late)
	took, err := newClient(t, addr, 1, checkRequest(addr, "x")).pace(n, every)
	if err != nil || len(took) != n {
		t.Fatalf("pace: %d answers, %v", len(took), err)
	}
	if got, least := slices.Min(took), late-n*every; got < least {
		t.Errorf("an answer took %v, all waited %v or more for the first", got, least)
	}
	if half, most := share(took, .5), share(took, 1); half > most || most != slices.Max(took) {
		t.Errorf("half took %v, all %v", half, most)
	}
}

func TestOpenedCountsConnections(t *testing.T) {
	_, addr := reference(t)
	before := opened(t, addr)
	newClient(t, addr, 3, checkRequest(addr, "x")).run(30)
	newClient(t, addr, 2, checkRequest(addr, "x")).run(10)
	if got := opened(t, addr) - before; got != 5 {
		t.Errorf("%d connections were opened, not 5", got)
	}
}

func TestChildren(t *testing.T) {
	p, _ := reference(t)
	self := func() []int { return pids(realtest.ChildrenOf(os.Getpid())) }
	if !slices.Contains(self(), p.pid) {
		t.Errorf("children = %v, want %d among them", self(), p.pid)
	}
	p.Kill()
	if slices.Contains(self(), p.pid) {
		t.Errorf("children = %v, with %d that has ended", self(), p.pid)
	}
}
