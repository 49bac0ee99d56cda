package login

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/identity"
	"github.com/authd/authd/internal/keys"
	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/internal/store/memory"
	"github.com/authd/authd/sdk"
)

// fakeProvider answers as it is told and remembers what it was asked.
type fakeProvider struct {
	params     sdk.AuthorizeParams
	configured sdk.Configured
	user       *sdk.User // of GetUserInfo
	along      *sdk.User // of GetToken
	err        error     // of GetToken, RefreshToken and PasswordLogin
	refreshed  *sdk.Token

	mu        sync.Mutex
	exchanges []sdk.CodeExchange
	asked     sdk.AuthorizeRequest
}

func (p *fakeProvider) AuthorizeParams(_ context.Context, in sdk.AuthorizeRequest) (sdk.AuthorizeParams, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = in
	return p.params, nil
}

func (p *fakeProvider) GetToken(_ context.Context, in sdk.CodeExchange) (*sdk.Token, *sdk.User, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exchanges = append(p.exchanges, in)
	return &sdk.Token{AccessToken: "at", RefreshToken: "rt", IDToken: "it"}, p.along, p.err
}

func (p *fakeProvider) GetUserInfo(context.Context, *sdk.Token) (*sdk.User, error) {
	return p.user, nil
}

func (p *fakeProvider) RefreshToken(context.Context, *sdk.Token) (*sdk.Token, error) {
	return p.refreshed, p.err
}

func (p *fakeProvider) PasswordLogin(context.Context, sdk.Credentials) (*sdk.Token, error) {
	return &sdk.Token{AccessToken: "at"}, p.err
}

func (p *fakeProvider) Configured() (sdk.Configured, bool) { return p.configured, true }

func (p *fakeProvider) exchanged() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.exchanges)
}

// world is a flow with one provider, one browser and a clock.
type world struct {
	t        *testing.T
	flow     *Flow
	provider *fakeProvider
	setup    Setup
	now      time.Time
	cookies  map[string]string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ring, err := keys.NewRing([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), cookies: map[string]string{}}
	st := memory.New(memory.Options{Now: func() time.Time { return w.now }})
	t.Cleanup(func() { _ = st.Close() })
	w.provider = &fakeProvider{
		params:     sdk.AuthorizeParams{Endpoint: "https://idp.example/authorize?policy=p1", Params: url.Values{"scope": {"openid"}}},
		configured: sdk.Configured{Metadata: sdk.Metadata{Issuer: "https://idp.example"}},
		user:       &sdk.User{Sub: "u1", PreferredUsername: "ada"},
	}
	w.setup = Setup{
		Provider: w.provider, ID: "idp", Plugin: "oidc", ClientID: "client",
		RedirectURI: "https://auth.example.com/auth/oauth/idp/callback", Scopes: []string{"openid"},
	}
	w.flow = New(Config{
		Setup: func(id string) (Setup, error) {
			if id != "idp" {
				return Setup{}, errors.New("no such provider")
			}
			return w.setup, nil
		},
		Ring: ring, Store: st, ReturnTo: newReturnTo(t).Check, Now: func() time.Time { return w.now },
	})
	return w
}

// start begins a login and returns the parameters that went to the identity provider.
func (w *world) start(returnTo string) url.Values {
	w.t.Helper()
	started, err := w.flow.Start(context.Background(), StartRequest{ProviderID: "idp", ReturnTo: returnTo, Cookies: w.cookies})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, name := range started.Gone {
		delete(w.cookies, name)
	}
	w.cookies[started.Cookie.Name] = started.Cookie.Value
	u, err := url.Parse(started.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	return u.Query()
}

func (w *world) finish(params url.Values) (*Finished, error) {
	return w.flow.Finish(context.Background(), Callback{Path: "/auth/oauth/idp/callback", Params: params, Cookies: w.cookies})
}

func answer(state string) url.Values { return url.Values{"state": {state}, "code": {"c1"}} }

func TestLogin(t *testing.T) {
	w := newWorld(t)
	sent := w.start("/deep/link?x=1")
	done, err := w.finish(url.Values{"state": {sent.Get("state")}, "code": {"c1"}, "session_state": {"s"}})
	if err != nil {
		t.Fatal(err)
	}
	if done.ReturnTo != "/deep/link?x=1" || done.ProviderID != "idp" || done.User.Identifier != "ada" || done.Token.AccessToken != "at" {
		t.Errorf("Finish = %+v", done)
	}
	if want := (identity.Source{Provider: "idp", Plugin: "oidc", Issuer: "https://idp.example"}).Subject("u1"); done.User.Subject != want {
		t.Errorf("Subject = %q, want that of (issuer, sub) %q", done.User.Subject, want)
	}
	if _, ok := w.cookies[done.Cookie]; !ok {
		t.Errorf("Finish names no cookie to delete")
	}
	got := w.provider.exchanges[0]
	if got.Code != "c1" || got.RedirectURI != w.setup.RedirectURI || got.Nonce != sent.Get("nonce") || got.Params.Get("session_state") != "s" {
		t.Errorf("GetToken was asked with %+v", got)
	}
	if got.Params.Has("code") || got.Params.Has("state") {
		t.Error("the provider was told code or state a second time")
	}
}

// TestUserWhoComesAlong: a provider that tells the user with the token is not asked again.
func TestUserWhoComesAlong(t *testing.T) {
	w := newWorld(t)
	w.provider.along = &sdk.User{Sub: "u2", PreferredUsername: "grace"}
	done, err := w.finish(answer(w.start("").Get("state")))
	if err != nil || done.User.Identifier != "grace" {
		t.Errorf("Finish = %+v, %v; want grace, who came along", done.User, err)
	}
	w.provider.along = &sdk.User{PreferredUsername: "nobody"}
	if done, err = w.finish(answer(w.start("").Get("state"))); !errors.Is(err, identity.ErrUnusable) || done.User != nil {
		t.Errorf("Finish = %+v, %v; want ErrUnusable", done, err)
	}
}

// Threat 1, 7, 8, 12, 13: what authd must write itself stands over all that a provider or an operator sets.
func TestHostOwnsItsParameters(t *testing.T) {
	w := newWorld(t)
	own := []string{"state", "nonce", "code_challenge", "code_challenge_method", "redirect_uri", "client_id", "response_type"}
	for _, name := range own {
		w.provider.params.Params[name] = []string{"forged", "twice"}
	}
	w.provider.params.Params["access_type"] = []string{"offline"}
	w.setup.AuthorizeParams = map[string]string{"audience": "api", "access_type": "online"}
	w.setup.Prompt = "login"
	sent := w.start("")
	for _, name := range own {
		if values := sent[name]; len(values) != 1 || values[0] == "forged" || values[0] == "" {
			t.Errorf("%s = %q, want authd's own", name, values)
		}
	}
	want := map[string]string{
		"client_id": "client", "response_type": "code", "code_challenge_method": "S256", "redirect_uri": w.setup.RedirectURI,
		"policy": "p1", "scope": "openid", "audience": "api", "access_type": "online",
	}
	for name, value := range want {
		if sent.Get(name) != value {
			t.Errorf("%s = %q, want %q", name, sent.Get(name), value)
		}
	}
	if w.provider.asked.Prompt != "login" {
		t.Errorf("the provider was asked with prompt %q", w.provider.asked.Prompt)
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(sent.Get(name)) != 43 {
			t.Errorf("%s has %d characters, want 43 (256 bits)", name, len(sent.Get(name)))
		}
	}
	again := w.start("")
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if sent.Get(name) == again.Get(name) {
			t.Errorf("%s is used twice", name)
		}
	}
}

// Threat 1, 2, 3, 4, 9, 10, 11: none of these callbacks may reach the identity provider's token endpoint.
func TestRefusedCallbacks(t *testing.T) {
	for name, c := range map[string]struct {
		change func(w *world, in *Callback)
		want   error
	}{
		"no state":         {func(_ *world, in *Callback) { in.Params.Del("state") }, ErrInvalidState},
		"empty state":      {func(_ *world, in *Callback) { in.Params.Set("state", "") }, ErrInvalidState},
		"other state":      {func(_ *world, in *Callback) { in.Params.Set("state", keys.RandomID()) }, ErrInvalidState},
		"other case":       {func(_ *world, in *Callback) { in.Params.Set("state", swapCase(in.Params.Get("state"))) }, ErrInvalidState},
		"longer state":     {func(_ *world, in *Callback) { in.Params.Set("state", in.Params.Get("state")+"x") }, ErrInvalidState},
		"doubled state":    {func(_ *world, in *Callback) { in.Params.Add("state", in.Params.Get("state")) }, ErrInvalidRequest},
		"doubled code":     {func(_ *world, in *Callback) { in.Params.Add("code", "c2") }, ErrInvalidRequest},
		"no cookie":        {func(_ *world, in *Callback) { in.Cookies = nil }, ErrInvalidState},
		"another's cookie": {otherCookie, ErrInvalidState},
		"tampered cookie":  {tamper, ErrInvalidState},
		"too late":         {func(w *world, _ *Callback) { w.now = w.now.Add(10 * time.Minute) }, ErrExpired},
		"other path":       {func(_ *world, in *Callback) { in.Path = "/auth/oauth/evil/callback" }, ErrInvalidState},
		"posted":           {func(_ *world, in *Callback) { in.FormPost = true }, ErrInvalidRequest},
		"no code":          {func(_ *world, in *Callback) { in.Params.Del("code") }, ErrInvalidRequest},
		"token in URL":     {func(_ *world, in *Callback) { in.Params.Set("access_token", "t") }, ErrInvalidRequest},
		"ID token in URL":  {func(_ *world, in *Callback) { in.Params.Set("id_token", "t") }, ErrInvalidRequest},
		"other issuer":     {func(_ *world, in *Callback) { in.Params.Set("iss", "https://evil.example") }, ErrInvalidRequest},
		"issuer missing":   {func(w *world, _ *Callback) { w.provider.configured.ResponseIssSupported = true }, ErrInvalidRequest},
		"denied":           {func(_ *world, in *Callback) { in.Params.Set("error", "access_denied") }, ErrDenied},
		"error beats code": {func(_ *world, in *Callback) { in.Params.Set("error", "server_error") }, ErrUpstream},
		"hostile error":    {func(_ *world, in *Callback) { in.Params.Set("error", "<script>\r\n"+strings.Repeat("x", 9999)) }, ErrUpstream},
		"provider is gone": {func(w *world, _ *Callback) {
			w.flow.Setup = func(string) (Setup, error) { return Setup{}, ErrUnsupported }
		}, ErrUnsupported},
		"store unavailable": {func(w *world, _ *Callback) { w.flow.Store = broken{w.flow.Store} }, store.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			in := Callback{Path: "/auth/oauth/idp/callback", Params: answer(w.start("/x").Get("state")), Cookies: w.cookies}
			c.change(w, &in)
			done, err := w.flow.Finish(context.Background(), in)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if done == nil || done.User != nil || done.Token != nil {
				t.Errorf("a refused callback gave %+v", done)
			}
			if n := w.provider.exchanged(); n != 0 {
				t.Errorf("the code was sent %d times", n)
			}
			if err != nil && (strings.ContainsAny(err.Error(), "\r\n") || len(err.Error()) > 800) {
				t.Errorf("the error repeats what a stranger sent: %q", err)
			}
		})
	}
}

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		if r >= 'A' && r <= 'Z' {
			return r - 'A' + 'a'
		}
		return r
	}, s)
}

// otherCookie puts the sealed login of one tab under the cookie name of another.
func otherCookie(w *world, in *Callback) {
	other := w.start("/other").Get("state")
	in.Cookies[cookieName(in.Params.Get("state"))] = in.Cookies[cookieName(other)]
}

func tamper(_ *world, in *Callback) {
	for name, value := range in.Cookies {
		flipped := byte('A')
		if value[len(value)/2] == 'A' {
			flipped = 'B'
		}
		in.Cookies[name] = value[:len(value)/2] + string(flipped) + value[len(value)/2+1:]
	}
}

// broken is a store that can't be written.
type broken struct{ store.Store }

func (broken) Put(context.Context, string, []byte, time.Duration, store.Condition) (uint64, error) {
	return 0, fmt.Errorf("%w: gone", store.ErrUnavailable)
}

// Threat 3, 33: a login ends at its first callback, also when 50 come at once, and whatever the provider answers.
func TestReplay(t *testing.T) {
	w := newWorld(t)
	params := answer(w.start("/x").Get("state"))
	var wg sync.WaitGroup
	results := make([]error, 50)
	for i := range results {
		wg.Go(func() { _, results[i] = w.finish(params) })
	}
	wg.Wait()
	won := 0
	for _, err := range results {
		if err == nil {
			won++
		} else if !errors.Is(err, ErrInvalidState) {
			t.Errorf("got %v, want ErrInvalidState", err)
		}
	}
	if won != 1 || w.provider.exchanged() != 1 {
		t.Errorf("%d of 50 callbacks won, the code was sent %d times; want 1 and 1", won, w.provider.exchanged())
	}

	w = newWorld(t)
	w.provider.err = sdk.UpstreamErrorf("down")
	params = answer(w.start("/x").Get("state"))
	for range 2 {
		if _, err := w.finish(params); err == nil {
			t.Error("a login at a provider that is down succeeded")
		}
	}
	if w.provider.exchanged() != 1 {
		t.Errorf("the code was sent %d times", w.provider.exchanged())
	}
}

// Threat 5: five tabs finish in any order.
func TestParallelTabs(t *testing.T) {
	w := newWorld(t)
	var states []string
	for i := range maxPending {
		states = append(states, w.start(fmt.Sprintf("/tab/%d", i)).Get("state"))
	}
	for i, state := range slices.Backward(states) {
		done, err := w.finish(answer(state))
		if err != nil {
			t.Fatalf("tab %d: %v", i, err)
		}
		if want := fmt.Sprintf("/tab/%d", i); done.ReturnTo != want {
			t.Errorf("tab %d leads to %q, want %q", i, done.ReturnTo, want)
		}
	}
}

// Threat 6: pending logins stay within five and within 4 KiB; the oldest goes first, foreign cookies stay.
func TestPendingLoginsAreBounded(t *testing.T) {
	for _, returnTo := range []string{"/", "/" + strings.Repeat("x", maxReturnTo-1)} {
		w := newWorld(t)
		w.cookies["foreign"] = "stays"
		w.cookies[CookiePrefix+"junk"] = "goes"
		var last string
		for range 12 {
			w.now = w.now.Add(time.Second)
			last = w.start(returnTo).Get("state")
			size, count := 0, 0
			for name, value := range w.cookies {
				if strings.HasPrefix(name, CookiePrefix) {
					size += len(name) + len(value)
					count++
				}
			}
			if count > maxPending || size > maxCookieBytes {
				t.Fatalf("%d logins are pending in %d bytes", count, size)
			}
		}
		if _, ok := w.cookies[CookiePrefix+"junk"]; ok || w.cookies["foreign"] != "stays" {
			t.Errorf("cookies are now %v", w.cookies)
		}
		if _, err := w.finish(answer(last)); err != nil {
			t.Errorf("the newest login can't be finished: %v", err)
		}
	}
}

// Threat 82: the target is sealed; what the callback says does not count.
func TestReturnToIsBoundToTheLogin(t *testing.T) {
	w := newWorld(t)
	params := answer(w.start("/mine").Get("state"))
	params.Set("return_to", "https://app.example.com/evil")
	done, err := w.finish(params)
	if err != nil || done.ReturnTo != "/mine" {
		t.Errorf("Finish = %+v, %v; want /mine", done, err)
	}

	started, err := w.flow.Start(context.Background(), StartRequest{ProviderID: "idp", ReturnTo: "https://evil.com/"})
	if err != nil || !started.ReturnToRefused {
		t.Errorf("Start = %+v, %v; want the target refused", started, err)
	}
}

// Threat 80: a target is checked where it is used, too. What was allowed when the login began, and no longer is when it
// ends, leads home; sealed in the cookie it is authd's own, and yet nobody's permission for ever.
func TestReturnToIsCheckedAgain(t *testing.T) {
	const target = "https://app.example.com/deep"
	for _, c := range []struct {
		allowed []string // at the callback
		want    string
	}{{[]string{"https://app.example.com"}, target}, {nil, "/"}} {
		w := newWorld(t)
		params := answer(w.start(target).Get("state"))
		now, err := NewReturnTo("https://auth.example.com", c.allowed)
		if err != nil {
			t.Fatal(err)
		}
		w.flow.ReturnTo = now.Check
		done, err := w.finish(params)
		if err != nil || done.ReturnTo != c.want {
			t.Errorf("with %q allowed at the callback: ReturnTo = %q, %v; want %q", c.allowed, done.ReturnTo, err, c.want)
		}
	}
}

func TestFormPost(t *testing.T) {
	w := newWorld(t)
	w.provider.params.Params.Set("response_mode", "form_post")
	started, err := w.flow.Start(context.Background(), StartRequest{ProviderID: "idp"})
	if err != nil || !started.Cookie.CrossSite {
		t.Fatalf("Start = %+v, %v; want a cross-site cookie", started, err)
	}
	params := answer(w.start("").Get("state"))
	in := Callback{Path: "/auth/oauth/idp/callback", Params: params, Cookies: w.cookies, FormPost: true}
	if _, err := w.flow.Finish(context.Background(), in); err != nil {
		t.Error(err)
	}
}

func TestUnusableUserIsNoLogin(t *testing.T) {
	w := newWorld(t)
	w.provider.user = &sdk.User{Sub: ""}
	done, err := w.finish(answer(w.start("").Get("state")))
	if !errors.Is(err, identity.ErrUnusable) || done.User != nil {
		t.Errorf("Finish = %+v, %v; want ErrUnusable", done, err)
	}
}

func TestPassword(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	if _, err := w.flow.Password(ctx, "idp", sdk.Credentials{Username: "a", Password: "b"}, ""); !errors.Is(err, ErrUnsupported) {
		t.Errorf("a provider without passwords: %v, want ErrUnsupported", err)
	}
	w.provider.configured.Capabilities = []sdk.Capability{sdk.CapabilityPassword}
	for _, c := range []sdk.Credentials{{}, {Username: "a"}, {Password: "b"}} {
		if _, err := w.flow.Password(ctx, "idp", c, ""); !errors.Is(err, ErrInvalidRequest) {
			t.Errorf("%+v: %v, want ErrInvalidRequest", c, err)
		}
	}
	done, err := w.flow.Password(ctx, "idp", sdk.Credentials{Username: "a", Password: "b"}, "/x")
	if err != nil || done.User.Identifier != "ada" || done.ReturnTo != "/x" {
		t.Errorf("Password = %+v, %v", done, err)
	}
	w.provider.err = sdk.UserErrorf("invalid_grant", "wrong password")
	if done, err := w.flow.Password(ctx, "idp", sdk.Credentials{Username: "a", Password: "b"}, ""); err == nil || done.User != nil {
		t.Errorf("a wrong password gave %+v, %v", done, err)
	}
}

// Threat 38, 39: renewal keeps what was not sent again, refuses another user, and tells no from down.
func TestRenew(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	user, err := identity.Source{Provider: "idp", Plugin: "oidc", Issuer: "https://idp.example"}.User(&sdk.User{Sub: "u1", SID: "sid"})
	if err != nil {
		t.Fatal(err)
	}
	old := &sdk.Token{AccessToken: "a1", RefreshToken: "r1", IDToken: "i1"}
	w.provider.refreshed = &sdk.Token{AccessToken: "a2"}
	token, now, err := w.flow.Renew(ctx, user, old)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&sdk.Token{AccessToken: "a2", RefreshToken: "r1", IDToken: "i1"}, token); diff != "" {
		t.Errorf("token (-want +got):\n%s", diff)
	}
	if now.SID != "sid" || now.PreferredUsername != "ada" {
		t.Errorf("user = %+v", now)
	}

	w.provider.user = &sdk.User{Sub: "u2"}
	if _, _, err := w.flow.Renew(ctx, user, old); !errors.Is(err, ErrDenied) {
		t.Errorf("another user: %v, want ErrDenied", err)
	}
	w.provider.err = sdk.UserErrorf("invalid_grant", "revoked")
	if _, _, err := w.flow.Renew(ctx, user, old); !errors.Is(err, ErrDenied) {
		t.Errorf("refused: %v, want ErrDenied", err)
	}
	w.provider.err = sdk.UpstreamErrorf("down")
	if _, _, err := w.flow.Renew(ctx, user, old); err == nil || errors.Is(err, ErrDenied) {
		t.Errorf("down: %v, want an error that is not ErrDenied", err)
	}
}

func FuzzFinish(f *testing.F) {
	f.Add("state=x&code=y", "authd_flow_x", "v1")
	f.Fuzz(func(t *testing.T, query, name, value string) {
		params, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		w := newWorld(t)
		w.start("/")
		w.cookies[name] = value
		if done, err := w.finish(params); err == nil {
			t.Errorf("a made-up callback succeeded: %+v", done)
		}
	})
}
