//go:build linux

package chaos

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/realtest"
)

// The instruments themselves, before anybody believes them.

// against is a site whose authd is a handler, and a load on it that lasts until everything that it sends was seen often.
func against(t *testing.T, handler http.HandlerFunc) *phase {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	s := &site{t: t, url: server.URL, web: &http.Transport{}, admin: server.Client()}
	t.Cleanup(s.web.CloseIdleConnections)
	l := startLoad(t.Context(), s, rates{checks: 100, canary: 100}, []string{"session-a", "session-b"}, deny("session-a", "signed-out", "expired"))
	p := l.now.Load()
	realtest.Await(t, 10*time.Millisecond, patience, "the load is answered", func() error {
		if p.checks.count() < 20 || p.canary.count() < 3*len(l.denied) {
			return realtest.ErrNotYet
		}
		return nil
	})
	l.stop()
	return p
}

func TestCanaryDiesInAnOpenHouse(t *testing.T) {
	t.Parallel()
	p := against(t, func(http.ResponseWriter, *http.Request) {})
	if got, want := len(p.breaches.failures()), p.canary.count(); got != want {
		t.Errorf("%d of %d canaries count as let in by a server that lets in everybody", got, want)
	}
	// Those who are signed in pass, those who are not must not.
	failed, all := len(p.checks.failures()), p.checks.count()
	if failed == 0 || failed > all/10+1 {
		t.Errorf("%d of %d checks failed, want each tenth", failed, all)
	}
}

func TestLoadCountsFailures(t *testing.T) {
	t.Parallel()
	p := against(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Cookie"), sessionCookie+"=session-b") {
			http.Error(w, `{"error":"internal"}`, http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
	})
	if n := len(p.breaches.failures()); n != 0 {
		t.Errorf("%d canaries count as let in by a server that lets in nobody", n)
	}
	statuses := map[int]bool{}
	for _, a := range p.checks.failures() {
		statuses[a.status] = true
	}
	if diff := cmp.Diff(map[int]bool{500: true, 401: true}, statuses); diff != "" {
		t.Errorf("statuses of failed checks (-want +got):\n%s", diff)
	}
	failed, all := len(p.checks.failures()), p.checks.count()
	if failed < all/2 || failed == all {
		t.Errorf("%d of %d checks failed, want all but each tenth", failed, all)
	}
}

// A server that is down on purpose excuses what gets no answer, and nothing else.
func TestExcuses(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	s := &site{t: t, url: server.URL, web: &http.Transport{}}
	l := &load{site: s, ctx: t.Context(), sessions: []string{"session"}}
	p := l.next()
	l.check(0)
	server.Close()
	l.check(0)
	l.outages.Add(1)
	l.check(0)
	var got []int
	for _, a := range p.checks.failures() {
		got = append(got, a.status)
	}
	if diff := cmp.Diff([]int{404, 0}, got); diff != "" {
		t.Errorf("failed checks (-want +got):\n%s", diff)
	}
}

func TestDeniedCookiesDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{"session": true}
	for _, cookie := range deny("session", "out", "over") {
		if seen[cookie] {
			t.Errorf("the canary has %q twice, or it is a session", cookie)
		}
		seen[cookie] = true
	}
}

func TestVitalsBackAtBase(t *testing.T) {
	t.Parallel()
	base := vitals{goroutines: 100, fds: 40, memory: 50 * mib}
	for want, v := range map[string]vitals{
		"":                     {120, 50, 70 * mib},
		"goroutines":           {121, 50, 70 * mib},
		"files":                {1, 51, 1},
		"memory":               {1, 1, 70*mib + 1},
		"goroutines and files": {200, 200, 1},
	} {
		err := v.backAt(base)
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want+": ") {
			t.Errorf("%v against %v: %v, want %q", v, base, err, want)
		}
	}
	if err := (vitals{1, 1, 440 * mib}).backAt(vitals{1, 1, 400 * mib}); err != nil {
		t.Errorf("a tenth more memory: %v", err)
	}
}

func TestTallyAndTable(t *testing.T) {
	t.Parallel()
	var all tally
	for i := range 100 {
		all.add(answer{took: time.Duration(100-i) * time.Millisecond}, i != 7)
	}
	if all.p99() != 99*time.Millisecond || all.count() != 100 || len(all.failures()) != 1 || slowest(all.failures()) != 93*time.Millisecond {
		t.Errorf("p99 %v of %d, failures %v", all.p99(), all.count(), all.failures())
	}
	tab := &table{}
	tab.add(row{fault: "F17", what: "reloads", demanded: "0", seen: "1", over: true})
	tab.add(row{fault: "F2", what: "calls", demanded: "≤ 64", seen: "64", note: "just so"})
	tab.add(row{fault: "F17", what: "logins", demanded: "0", seen: "0"})
	var got []string
	for _, line := range strings.Split(strings.TrimSpace(tab.String()), "\n")[1:] {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	if diff := cmp.Diff([]string{"F2 calls ≤ 64 64 OK just so", "F17 reloads 0 1 OVER", "logins 0 0 OK"}, got); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

// What a process leaves behind when it is killed is found, with whatever that has started.
func TestNothingIsLeftUnseen(t *testing.T) {
	t.Parallel()
	ready := t.TempDir()
	cmd := exec.Command("/bin/sh", "-c", `/bin/sh -c "sleep 600 & echo > ready; wait" & wait`)
	cmd.Dir = ready
	p := realtest.Start(t, cmd)
	var family []realtest.Child
	realtest.Await(t, 10*time.Millisecond, patience, "two generations run", func() error {
		if family = descendants(p.PID()); len(family) != 2 {
			return realtest.ErrNotYet
		}
		return nil
	})
	t.Cleanup(func() {
		for _, c := range family {
			if c.Runs() {
				_ = syscall.Kill(c.PID, syscall.SIGKILL)
			}
		}
	})
	p.Kill()
	found := 0
	for _, c := range descendants(syscall.Getpid()) {
		for _, f := range family {
			if c == f && c.Runs() {
				found++
			}
		}
	}
	if found != 2 {
		t.Errorf("%d of the 2 processes that a killed one left are found", found)
	}
	for _, c := range family {
		c.Signal(t, syscall.SIGKILL)
		c.AwaitGone(t, patience)
	}
}

// A load whose answers come late still counts them: nothing is forgotten at the end.
func TestLoadWaitsForAnswers(t *testing.T) {
	t.Parallel()
	quit, asked := make(chan struct{}), make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Cookie"), sessionCookie+"=") || r.URL.Path == "/metrics" {
			return // that is no canary
		}
		select {
		case asked <- struct{}{}:
		default:
		}
		<-quit
	}))
	defer server.Close()
	s := &site{t: t, url: server.URL, web: &http.Transport{}, admin: server.Client()}
	l := startLoad(context.Background(), s, rates{checks: 1, canary: 100}, []string{"session"}, []string{""})
	<-asked
	time.AfterFunc(50*time.Millisecond, func() { close(quit) })
	l.stop()
	if n := len(l.now.Load().breaches.failures()); n == 0 {
		t.Error("the canary that was let in late was not counted")
	}
}
