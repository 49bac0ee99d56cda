package providertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/authd/authd/sdk/devidp"
)

// bigID is above 2^53: what goes through a float64 comes out as another number.
const bigID = 9007199254740993

// people are the kit's own: whether their addresses are verified is said to be so, said not to be, and not said.
func people() []devidp.User {
	one := func(name string, verified bool, more devidp.User) devidp.User {
		more.Sub, more.Username, more.Password = "kit-7d21-"+name, "kit-"+name, name+"-has-a-password"
		more.Name, more.GivenName, more.FamilyName = "Kit "+name, "Kit", name
		more.Email, more.EmailVerified, more.Groups = "kit-"+name+"@example.org", verified, []string{"kit"}
		return more
	}
	return []devidp.User{
		one("vera", true, devidp.User{GitHubID: bigID, Claims: map[string]any{"employee_number": int64(bigID)}}),
		one("ulf", false, devidp.User{GitHubID: 7002}),
		one("nina", false, devidp.User{GitHubID: 7003, GitHubEmails: []devidp.GitHubEmail{}, Claims: map[string]any{"email_verified": nil}}),
	}
}

// Which of people.
const (
	verified = iota
	unverified
	unsaid
)

// standIn is the identity provider, with an eye on the requests that are open.
type standIn struct {
	*devidp.Server
	http   *http.Server
	served chan struct{}

	mu      sync.Mutex
	open    int
	changed chan struct{} // closed and replaced at each change
}

// openIDP starts the identity provider on loopback.
func openIDP(h Harness) (*standIn, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen on loopback: %w", err)
	}
	opt := h.IDP
	opt.Issuer, opt.RefreshAlways = "http://"+listener.Addr().String(), true
	server, err := devidp.New(opt)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	p := &standIn{Server: server, served: make(chan struct{}), changed: make(chan struct{})}
	for _, person := range people() {
		if h.Person != nil {
			h.Person(&person)
		}
		if err := server.SetUser(person); err != nil {
			return nil, errors.Join(err, server.Close(), listener.Close())
		}
	}
	p.http = &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(p.served)
		_ = p.http.Serve(listener) // it ends with Close
	}()
	return p, nil
}

// ServeHTTP counts the requests that are open.
func (p *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.count(1)
	defer p.count(-1)
	p.Handler().ServeHTTP(w, r)
}

func (p *standIn) count(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open += n
	close(p.changed)
	p.changed = make(chan struct{})
}

// quiet waits until no request is open: whoever asked has its answer or has left.
func (p *standIn) quiet(ctx context.Context) error {
	for {
		p.mu.Lock()
		open, changed := p.open, p.changed
		p.mu.Unlock()
		if open == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *standIn) stop() {
	_ = p.Close() // it ends the requests that hang
	_ = p.http.Close()
	<-p.served
}

// endpoints are all that a provider may ask.
func endpoints() []string {
	return []string{
		devidp.EndpointToken, devidp.EndpointGitHubToken, devidp.EndpointUserInfo, devidp.EndpointGitHubUser,
		devidp.EndpointGitHubEmails, devidp.EndpointGitHubOrgs, devidp.EndpointGitHubTeams, devidp.EndpointDiscovery,
		devidp.EndpointJWKS, devidp.EndpointRevoke, devidp.EndpointGitHubRevoke, devidp.EndpointIntrospect, devidp.EndpointEndSession,
	}
}

// asked tells which endpoints were asked during act, in the order of endpoints.
func (p *standIn) asked(act func() error) ([]string, error) {
	before := map[string]int{}
	for _, name := range endpoints() {
		before[name] = p.RequestCount(name)
	}
	err := act()
	return slices.DeleteFunc(endpoints(), func(name string) bool { return p.RequestCount(name) == before[name] }), err
}
