//go:build linux

package chaos

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
)

// F3. Threat 136, 137: nobody is signed in by a plugin that lies, whatever it answers and however much of it; authd
// does not grow, and the others work on.
func TestPluginLies(t *testing.T) {
	parallel(t)
	s := prepareStep(t, "F3", siteOptions{tables: "[[providers]]\nid = \"liar\"\ntype = \"liar\"\n"})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s.install(liarName, self)
	s.serve()
	for _, id := range []string{victim, bystander, liarName} {
		s.awaitProvider(id, "is ready", patience, isReady)
	}
	s.begin(usual(1))
	if in := s.lieBack(""); in.session == "" {
		t.Fatalf("the liar can't sign anybody in when it tells the truth: %v", in)
	}
	told := s.lie(of(1000, 100))
	grown := s.fault.vitals.most().memory - s.base.vitals.at(0.5).memory
	s.recover()
	s.end()

	var sessions, sentAway, notReached []answer
	for _, a := range told {
		switch {
		case a.session != "":
			sessions = append(sessions, a)
		case a.to != "":
			sentAway = append(sentAway, a)
		case a.status != http.StatusBadGateway && a.status != http.StatusGatewayTimeout:
			notReached = append(notReached, a)
		}
	}
	s.none(fmt.Sprintf("sessions that came of %d lies", len(told)), sessions)
	s.none("people who were sent elsewhere", sentAway)
	s.none("answers other than 502 or 504", notReached)
	s.most("memory meanwhile, MiB", of(32, 64), grown/mib, "answers of up to 24 MiB among them")
	s.none("failed logins at the honest provider", append(s.fault.logins[victim].failures(), s.after.logins[victim].failures()...))
	if in := s.lieBack(""); in.session == "" {
		t.Errorf("the liar's process does not live on: %v", in)
	}
}

// lie has the liar tell n lies, several at a time.
func (s *step) lie(n int) []answer {
	const atOnce = 8
	told := make([]answer, n)
	var next atomic.Int64
	var liars sync.WaitGroup
	for range atOnce {
		liars.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if lies := len(startLies) + len(callbackLies); i%lies < len(startLies) {
					told[i] = s.lieStart(startLies[i%lies])
				} else {
					told[i] = s.lieBack(callbackLies[i%lies-len(startLies)])
				}
			}
		})
	}
	liars.Wait()
	return told
}

// lieStart is the start of a login with a lie.
func (s *step) lieStart(lie string) answer {
	return s.newPerson().ask(s.t.Context(), http.MethodGet, s.url+"/auth/oauth/liar?"+url.Values{"login_hint": {lie}}.Encode(), "")
}

// lieBack is a whole login with a lie in its callback; "honest" is none.
func (s *step) lieBack(lie string) answer {
	p := s.newPerson()
	started := p.begin(s.t.Context(), liarName)
	to, err := url.Parse(started.to)
	if err != nil || started.status != http.StatusSeeOther {
		started.err = err
		return started
	}
	if lie == "" {
		lie = "honest"
	}
	query := url.Values{"state": {to.Query().Get("state")}, "code": {lie}}
	return p.ask(s.t.Context(), http.MethodGet, s.url+"/auth/oauth/liar/callback?"+query.Encode(), "")
}
