//go:build linux

package bench

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// atOnce is how many people sign in at the same time.
const atOnce = 8

// people sign in at a site.
type people struct {
	s      *site
	client *http.Client
	next   atomic.Int64
}

func newPeople(s *site) *people {
	return &people{s: s, client: &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: atOnce},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// signIn lets n people sign in through the provider.
func (p *people) signIn(ctx context.Context, id string, n int) error {
	var wg sync.WaitGroup
	failed := make(chan error, atOnce)
	left := atomic.Int64{}
	left.Store(int64(n))
	for range atOnce {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := p.one(ctx, id); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// one is a login from the button to the session cookie.
func (p *people) one(ctx context.Context, id string) error {
	n := p.next.Add(1)
	address := fmt.Sprintf("10.%d.%d.%d", n>>16&255, n>>8&255, n&255)
	begun, err := p.get(ctx, "http://"+p.s.addr+"/auth/oauth/"+id, address, "")
	if err != nil {
		return err
	}
	// The identity provider signs its one user in without a page. It is asked without a connection, since it is not
	// what is measured.
	asked := httptest.NewRequestWithContext(ctx, http.MethodGet, begun.Header.Get("Location"), nil)
	answer := httptest.NewRecorder()
	p.s.idp.Handler().ServeHTTP(answer, asked)
	back := answer.Header().Get("Location")
	if !strings.HasPrefix(back, "http://"+p.s.addr+"/auth/oauth/"+id+"/callback?") {
		return fmt.Errorf("the identity provider answers %d and leads to %q\n%s", answer.Code, back, answer.Body)
	}
	flow := begun.Cookies()[0]
	done, err := p.get(ctx, back, address, flow.Name+"="+flow.Value)
	if err != nil {
		return err
	}
	for _, cookie := range done.Cookies() {
		if cookie.Name == "authd" && cookie.Value != "" {
			return nil
		}
	}
	return fmt.Errorf("the login ended with %s and no session", done.Status)
}

func (p *people) get(ctx context.Context, url, address, cookie string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Forwarded-For", address)
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusSeeOther || len(res.Cookies()) == 0 {
		return nil, fmt.Errorf("%s answers %s with %d cookies", url, res.Status, len(res.Cookies()))
	}
	return res, res.Body.Close()
}

// measureLogin takes the CPU of host and plugin for a login through an OpenID provider that signs with RS256.
func measureLogin(b *testing.B, t *table) {
	const rounds, logins = 21, 100
	s := newSite(b)
	authd := s.serve(serverCore)
	p := newPeople(s)
	if err := p.signIn(b.Context(), "oidc", logins); err != nil {
		b.Fatalf("%v\n%s", err, authd.errs)
	}
	plugin := pluginOf(authd, "oidc")
	var both, host []float64
	for range rounds {
		before, beforeAll := cpuOf(b, authd.pid), cpuOf(b, authd.pid)+cpuOf(b, plugin)
		if err := onCore(b, loadCore, func() error { return p.signIn(b.Context(), "oidc", logins) }); err != nil {
			b.Fatalf("%v\n%s", err, authd.errs)
		}
		host = append(host, milliseconds(cpuOf(b, authd.pid)-before)/logins)
		both = append(both, milliseconds(cpuOf(b, authd.pid)+cpuOf(b, plugin)-beforeAll)/logins)
	}
	t.add(b, row{
		what: "login, CPU of host and plugin", unit: "ms", budget: 1.2, measured: quiet(both),
		note: fmt.Sprintf("host %.2f ms; RS256, %d at a time; the quietest quarter; median %.2f ms, %s", quiet(host), atOnce, median(both), spread(both)),
	})
	authd.stop()
}
