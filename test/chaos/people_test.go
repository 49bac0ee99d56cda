//go:build linux

package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"sync/atomic"
	"time"
)

// sessionCookie is its name on plain http.
const sessionCookie = "authd"

// nobodyWaits is how long a person looks at an empty page.
const nobodyWaits = 30 * time.Second

// person has a browser of their own, and an address.
type person struct {
	s       *site
	client  *http.Client
	address string
}

// met counts all people, so that no two have the same address.
type met struct{ atomic.Int64 }

var strangers = &met{}

func (s *site) newPerson() *person {
	n := strangers.Add(1)
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // it never fails without options
	}
	return &person{
		s: s, address: fmt.Sprintf("10.%d.%d.%d", n>>16&0xff, n>>8&0xff, n&0xff),
		client: &http.Client{
			Jar: jar, Transport: s.web, Timeout: nobodyWaits,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// answer is what a person got, and after how long. Without an answer the status is 0.
type answer struct {
	status  int
	took    time.Duration
	code    string // the error of the answer
	to      string // where it leads
	session string // that it begins
	err     error
}

// String says what happened, for people.
func (a answer) String() string {
	return fmt.Sprintf("%d %s after %v %v", a.status, a.code, a.took.Round(time.Millisecond), a.err)
}

// ask sends a request; cookies, if there are any, go in place of the browser's own.
func (p *person) ask(ctx context.Context, method, target, cookies string) (a answer) {
	began := time.Now()
	defer func() { a.took = time.Since(began) }()
	req, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return answer{err: err}
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-Forwarded-For", p.address)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	client := *p.client
	if cookies != "" {
		client.Jar = nil
		req.Header.Set("Cookie", cookies)
	}
	res, err := client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	a = answer{status: res.StatusCode, to: res.Header.Get("Location"), err: err}
	var told struct{ Error string }
	if json.Unmarshal(body, &told) == nil {
		a.code = told.Error
	}
	for _, c := range res.Cookies() {
		if c.Name == sessionCookie && c.MaxAge >= 0 {
			a.session = c.Value
		}
	}
	return a
}

// begin presses the button of a provider. A status of 303 leads to the identity provider.
func (p *person) begin(ctx context.Context, id string) answer {
	return p.ask(ctx, http.MethodGet, p.s.url+"/auth/oauth/"+id, "")
}

// away is a person who is at the identity provider, and whom it is about to send back.
type away struct {
	*person
	callback string
	cookies  string // as they were before the way back
}

// leave goes to the identity provider and signs in there. Its failures are not authd's, so they are errors of the test.
func (p *person) leave(ctx context.Context, id string) (*away, answer, error) {
	started := p.begin(ctx, id)
	if started.status != http.StatusSeeOther {
		return nil, started, nil
	}
	callback, err := p.s.idps[id].Authorize(ctx, started.to, "ada")
	if err != nil {
		return nil, started, fmt.Errorf("at the identity provider of %s: %w", id, err)
	}
	return &away{p, callback, p.cookies()}, started, nil
}

func (p *person) cookies() (header string) {
	at, err := url.Parse(p.s.url + "/auth/oauth/x/callback")
	if err != nil {
		return ""
	}
	for _, c := range p.client.Jar.Cookies(at) {
		header += c.Name + "=" + c.Value + "; "
	}
	return header
}

// back ends the login.
func (a *away) back(ctx context.Context) answer {
	return a.ask(ctx, http.MethodGet, a.callback, "")
}

// again sends the callback once more, with the cookies of the first time.
func (a *away) again(ctx context.Context) answer {
	return a.ask(ctx, http.MethodGet, a.callback, a.cookies)
}

// signIn is a whole login. It went well if the answer begins a session.
func (p *person) signIn(ctx context.Context, id string) (answer, error) {
	left, started, err := p.leave(ctx, id)
	if left == nil || err != nil {
		return started, err
	}
	return left.back(ctx), nil
}

// signOut ends a session.
func (p *person) signOut(ctx context.Context, session string) answer {
	return p.ask(ctx, http.MethodPost, p.s.url+"/auth/logout", sessionCookie+"="+session)
}

// check asks as nginx does for somebody with this session, or without one.
func (p *person) check(ctx context.Context, session string) answer {
	cookies := "theme=dark"
	if session != "" {
		cookies += "; " + sessionCookie + "=" + session
	}
	return p.ask(ctx, http.MethodGet, p.s.url+"/auth/check", cookies)
}
