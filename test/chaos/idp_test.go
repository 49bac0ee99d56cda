//go:build linux

package chaos

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/authd/authd/internal/realtest"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

// silent are the endpoints that authd itself asks.
var silent = []string{devidp.EndpointToken, devidp.EndpointUserInfo, devidp.EndpointJWKS, devidp.EndpointDiscovery}

// probeEvery is how long authd leaves an identity provider alone before it lets one login see whether it is back.
const probeEvery = 15 * time.Second

// F20. Threat 37: an identity provider that hangs makes nobody else wait. After some attempts authd answers at once that
// it is out, and soon after it is back it is used again.
func TestIdentityProviderHangs(t *testing.T) {
	parallel(t)
	s := newStep(t, "F20", siteOptions{}, usual(of(20.0, 4.0)))
	for _, endpoint := range silent {
		s.idps[victim].Fault(endpoint, devidp.Fault{Hang: true})
	}
	hung := time.Now()
	opened := realtest.Await(t, 100*time.Millisecond, 2*patience, "authd stops to ask it", func() error {
		if !strings.Contains(s.log(), "provider fails too often") {
			return realtest.ErrNotYet
		}
		return nil
	})
	if a := s.newPerson().begin(t.Context(), victim); a.status != http.StatusServiceUnavailable {
		t.Errorf("the button answers %v, want 503 as long as nobody asks the identity provider", a)
	}
	hanging := s.fault
	open := s.load.next()
	pass(t, of(10*time.Minute-time.Since(hung), 4*time.Second))
	s.fault = s.load.next()
	s.idps[victim].Clear()
	healed := realtest.Await(t, 100*time.Millisecond, patience, "its people can sign in again", func() error {
		a, err := s.newPerson().signIn(t.Context(), victim)
		if err != nil || a.session == "" {
			return fmt.Errorf("%v %v", a, err)
		}
		return nil
	})
	s.recover()
	pass(t, of(10*time.Second, time.Second))
	s.end()

	s.within("authd stops to ask it", 15*time.Second, opened, "after five in a row: "+some(hanging.logins[victim].failures()))
	s.answeredAtOnce(open.logins[victim])
	grown := max(hanging.vitals.most().goroutines, open.vitals.most().goroutines) - s.base.vitals.at(0.5).goroutines
	s.most("goroutines more", 200, grown, "")
	s.within("healed", 30*time.Second, healed, "")
	s.none("failed logins afterwards", s.after.logins[victim].failures())
	if long() {
		base, got := s.base.checks.p99(), open.checks.p99()
		s.within("p99 of checks ≤ 1.5 × base", max(base+base/2, 5*time.Millisecond), got, "base "+round(base))
		base, got = s.base.logins[bystander].p99(), open.logins[bystander].p99()
		s.within("p99 of the other provider's callbacks ≤ 1.5 × base", max(base+base/2, 20*time.Millisecond), got, "base "+round(base))
	}
}

// answeredAtOnce demands that nobody waits once authd knows better, but for the one at a time that looks.
func (s *step) answeredAtOnce(t *tally) {
	s.t.Helper()
	limit := of(100*time.Millisecond, 5*time.Second)
	failed := t.failures()
	late := without(failed, func(a answer) bool { return a.took <= limit })
	probes := int(of(10*time.Minute, 4*time.Second)/probeEvery) + 1
	s.most("answers later than "+limit.String()+" after that", probes, len(late), fmt.Sprintf("of %d; one each %v looks whether it is back; p99 %s", len(failed), probeEvery, round(t.p99())))
}

// F21: an identity provider that is down at the start keeps authd from nothing. When it is up its people can sign in.
func TestIdentityProviderDownAtStart(t *testing.T) {
	parallel(t)
	addr := realtest.FreeAddr(t)
	s := prepareStep(t, "F21", siteOptions{issuer: "http://" + addr})
	ready := s.serve()
	s.awaitProvider(bystander, "is ready", patience, isReady)
	s.begin(usual(0))
	away := s.person.begin(t.Context(), victim)
	pass(t, of(30*time.Second, 3*time.Second))
	s.idps[victim] = providertest.StartIDP(s.t, devidp.Options{Addr: addr})
	healed := realtest.Await(t, 100*time.Millisecond, 2*time.Minute, "its people can sign in", func() error {
		a, err := s.newPerson().signIn(t.Context(), victim)
		if err != nil || a.session == "" {
			return fmt.Errorf("%v %v", a, err)
		}
		return nil
	})
	s.recover()
	s.end()

	s.within("ready", 5*time.Second, ready, "/readyz; the provider is not required")
	s.none("its button answers other than 503 or 502 meanwhile", unclean([]answer{away}, http.StatusServiceUnavailable, http.StatusBadGateway))
	s.within("its logins work", 30*time.Second, healed, "from when it is up")
}
