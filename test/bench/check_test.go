//go:build linux

package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const (
	checkRounds = 15
	// checkRequests is how many requests a round has: less than a tenth of a second.
	checkRequests = 6_000
)

// The apps of a site that has some: one without rules, one whose tenth rule matches, one with a rule in CEL that
// reads the request.
const (
	appOpen = "app.example.com"
	appTen  = "ten.example.com"
	appCEL  = "cel.example.com"
)

func withApps(s *site) {
	var text strings.Builder
	fmt.Fprintf(&text, "[[apps]]\nhost = %q\n[[apps]]\nhost = %q\n", appOpen, appTen)
	for i := range 9 {
		fmt.Fprintf(&text, "[[apps.rules]]\npath = \"/section-%d/*\"\nallow = '\"editors\" in user.groups'\n", i)
	}
	text.WriteString("[[apps.rules]]\npath = \"/static/*\"\nallow = '\"staff\" in user.groups'\n")
	fmt.Fprintf(&text, "[[apps]]\nhost = %q\n[[apps.rules]]\npath = \"/static/*\"\n", appCEL)
	text.WriteString("allow = '\"staff\" in user.groups && request.method == \"GET\" && user.email.endsWith(\"@example.org\")'\n")
	s.tables += text.String()
}

// target is a server under load.
type target struct {
	name   string
	pids   []int
	client *client
	spent  []float64 // :: round → CPU per request, µs
}

// measureCheck compares authd's forward-auth check with a bare Fiber handler that sets the same headers: alone, with
// the signed identity and apps, with rules, on each kind of route; and a session that has upstream tokens with one that
// has none.
func measureCheck(b *testing.B, t *table) {
	plain, apps := newSite(b), newSite(b, withApps)
	light, heavy, app := plain.signIn(nil), plain.signIn(tokens(5<<10)), apps.signIn(nil)
	authd, authdApps := plain.serve(serverCore), apps.serve(serverCore)
	to := func(name string, p *process, addr, route, session, app string) *target {
		c := newClient(b, addr, connections, proxyRequest(route, addr, session, app))
		if route == "/oauth2/auth" {
			c.expect("202 Accepted")
		}
		return &target{name: name, pids: []int{p.pid}, client: c}
	}
	bare := func(s *site, routes []string, session, app string) (*process, string) {
		var answers []answer
		for _, route := range routes {
			answers = append(answers, s.sameAs(proxyRequest(route, s.addr, session, app)))
		}
		return startBare(b, answers...)
	}
	fiber, fiberAddr := bare(plain, []string{"/auth/check"}, light, "")
	signed, signedAddr := bare(apps, []string{"/auth/check", "/auth/forward", "/oauth2/auth"}, app, appOpen)
	targets := []*target{
		to("bare Fiber", fiber, fiberAddr, "/auth/check", light, ""),
		to("authd", authd, plain.addr, "/auth/check", light, ""),
		to("authd, 5 kB of tokens", authd, plain.addr, "/auth/check", heavy, ""),
		to("bare Fiber, JWT", signed, signedAddr, "/auth/check", app, appOpen),
		to("authd, JWT", authdApps, apps.addr, "/auth/check", app, appOpen),
		to("authd, 10 rules", authdApps, apps.addr, "/auth/check", app, appTen),
		to("authd, CEL", authdApps, apps.addr, "/auth/check", app, appCEL),
		to("bare Fiber, forward", signed, signedAddr, "/auth/forward", app, appOpen),
		to("authd, forward", authdApps, apps.addr, "/auth/forward", app, appOpen),
		to("bare Fiber, oauth2", signed, signedAddr, "/oauth2/auth", app, appOpen),
		to("authd, oauth2", authdApps, apps.addr, "/oauth2/auth", app, appOpen),
	}
	interleave(b, targets, checkRounds, checkRequests)
	compare := func(what string, budget float64, a, with int) {
		of := ratios(targets[a], targets[with])
		t.add(b, row{
			what: what, unit: "×", budget: budget, measured: median(of),
			note: fmt.Sprintf("%.2f µs / %.2f µs; %s", median(targets[a].spent), median(targets[with].spent), spread(of)),
		})
	}
	compare("check, CPU / bare Fiber's", 1.35, 1, 0)
	compare("check with 5 kB of tokens, CPU / without", 1.05, 2, 1)
	compare("check with apps and JWT, CPU / bare Fiber's", 1.5, 4, 3)
	compare("check under the tenth rule, CPU / bare Fiber's", 0, 5, 3)
	compare("check under a rule on the request, CPU / bare Fiber's", 0, 6, 3)
	compare("/auth/forward with JWT, CPU / bare Fiber's", 1.5, 8, 7)
	compare("/oauth2/auth with JWT, CPU / bare Fiber's", 1.5, 10, 9)
	for _, x := range targets {
		b.ReportMetric(median(x.spent), strings.NewReplacer(" ", "-", ",", "").Replace(x.name)+"-µs/check")
	}
	authd.stop()
	authdApps.stop()
}

// startBare starts the reference server on the server's core.
func startBare(b testing.TB, answers ...answer) (p *process, addr string) {
	b.Helper()
	return startBareOn(b, []int{serverCore}, answers...)
}

// startBareOn starts it on these cores.
func startBareOn(b testing.TB, cores []int, answers ...answer) (p *process, addr string) {
	b.Helper()
	text, err := json.Marshal(answers)
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(linkSelf(b, b.TempDir(), bareName), string(text))
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	p = start(b, cmd, cores...)
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
			before := t.cpu(b)
			t.client.run(requests)
			t.spent = append(t.spent, microseconds(t.cpu(b)-before)/float64(requests))
		}
	}
}

// cpu is what its processes have used together.
func (t *target) cpu(b *testing.B) (sum time.Duration) {
	b.Helper()
	for _, pid := range t.pids {
		sum += cpuOf(b, pid)
	}
	return sum
}

// ratios divides round by round.
func ratios(a, b *target) []float64 {
	of := make([]float64, len(a.spent))
	for i := range of {
		of[i] = a.spent[i] / b.spent[i]
	}
	return of
}
