//go:build linux

package bench

import (
	"bufio"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

const (
	checkRounds = 21
	// checkRequests is how many requests a round has: a fifth of a second.
	checkRequests = 20_000
)

// target is a server under load.
type target struct {
	name   string
	pid    int
	client *client
	spent  []float64 // :: round → CPU per request, µs
}

// measureCheck compares authd's forward-auth check with a bare Fiber handler that sets the same headers, and a session
// that has upstream tokens with one that has none.
func measureCheck(b *testing.B, t *table) {
	s := newSite(b)
	light, heavy := s.signIn(nil), s.signIn(tokens(5<<10))
	authd := s.serve(serverCore)
	bare, bareAddr := startBare(b, s.checkHeaders(light))
	targets := []*target{
		{name: "bare Fiber", pid: bare.pid, client: newClient(b, bareAddr, connections, checkRequest(bareAddr, light))},
		{name: "authd", pid: authd.pid, client: newClient(b, s.addr, connections, checkRequest(s.addr, light))},
		{name: "authd, 5 kB of tokens", pid: authd.pid, client: newClient(b, s.addr, connections, checkRequest(s.addr, heavy))},
	}
	interleave(b, targets, checkRounds, checkRequests)
	fiber, plain, tokens := targets[0], targets[1], targets[2]
	of, ofPlain := ratios(plain, fiber), ratios(tokens, plain)
	t.add(b, row{
		what: "check, CPU / bare Fiber's", unit: "×", budget: 1.35, measured: median(of),
		note: fmt.Sprintf("%.2f µs / %.2f µs; %s", median(plain.spent), median(fiber.spent), spread(of)),
	})
	t.add(b, row{
		what: "check with 5 kB of tokens, CPU / without", unit: "×", budget: 1.05, measured: median(ofPlain), note: spread(ofPlain),
	})
	for _, x := range targets {
		b.ReportMetric(median(x.spent), strings.NewReplacer(" ", "-", ",", "").Replace(x.name)+"-µs/check")
	}
	authd.stop()
}

// startBare starts the reference server.
func startBare(b testing.TB, headers string) (p *process, addr string) {
	b.Helper()
	cmd := exec.Command(linkSelf(b, b.TempDir(), bareName), headers)
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	p = start(b, cmd, serverCore)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatalf("the reference server said %q: %v\n%s", line, err, p.errs)
	}
	return p, strings.TrimSpace(line)
}

// interleave puts load on the targets in turn, a round each, so that what disturbs the machine disturbs all of them.
func interleave(b *testing.B, targets []*target, rounds, requests int) {
	b.Helper()
	for _, t := range targets {
		t.client.run(requests / 2)
	}
	for round := range rounds {
		for i := range targets {
			t := targets[(round+i)%len(targets)]
			before := cpuOf(b, t.pid)
			t.client.run(requests)
			t.spent = append(t.spent, float64(cpuOf(b, t.pid)-before)/float64(requests)/1e3)
		}
	}
}

// ratios divides round by round.
func ratios(a, b *target) []float64 {
	of := make([]float64, len(a.spent))
	for i := range of {
		of[i] = a.spent[i] / b.spent[i]
	}
	return of
}
