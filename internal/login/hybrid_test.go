package login

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/authd/authd/sdk"
)

// newHybrid is a world whose provider asks for an ID token beside the code.
func newHybrid(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.provider.configured.ResponseType = sdk.ResponseTypeHybrid
	return w
}

// post brings an answer as the identity provider posts it.
func (w *world) post(params url.Values) (*Finished, error) {
	return w.flow.Finish(context.Background(), Callback{
		Path: "/auth/oauth/idp/callback", Params: params, Cookies: w.cookies, FormPost: true,
	})
}

func TestHybrid(t *testing.T) {
	w := newHybrid(t)
	started, err := w.flow.Start(context.Background(), StartRequest{ProviderID: "idp"})
	if err != nil || !started.Cookie.CrossSite {
		t.Fatalf("Start = %+v, %v; want a cookie that comes along with a posted form", started, err)
	}
	sent := w.start("/x")
	params := answer(sent.Get("state"))
	params.Set("id_token", "front")
	done, err := w.post(params)
	if err != nil || done.User.Identifier != "ada" || done.ReturnTo != "/x" {
		t.Fatalf("Finish = %+v, %v", done, err)
	}
	got := w.provider.exchanges[0]
	if got.Params.Get("id_token") != "front" || got.Nonce != sent.Get("nonce") || got.CodeVerifier == "" {
		t.Errorf("GetToken was asked with %+v; want the ID token, the nonce and the verifier", got)
	}
}

// Threat 11: whatever a provider or an operator sets, an ID token is asked for as a posted form and never in a URL; and
// it is asked for only where Configure said so. PKCE stays on.
func TestHybridRequest(t *testing.T) {
	for _, mode := range []string{"", "query", "fragment", "form_post"} {
		w := newHybrid(t)
		if mode != "" {
			w.provider.params.Params.Set("response_mode", mode)
			w.setup.AuthorizeParams = map[string]string{"response_mode": mode, "response_type": "token"}
		}
		sent := w.start("")
		if sent.Get("response_type") != "code id_token" || len(sent["response_mode"]) != 1 || sent.Get("response_mode") != "form_post" {
			t.Errorf("response_mode %q set: asked with %v", mode, sent)
		}
		if sent.Get("code_challenge_method") != "S256" || sent.Get("nonce") == "" {
			t.Errorf("response_mode %q set: PKCE or nonce is gone: %v", mode, sent)
		}
	}
	w := newWorld(t)
	w.provider.params.Params.Set("response_type", "code id_token")
	for _, responseType := range []string{"", "code"} {
		w.provider.configured.ResponseType = responseType
		if sent := w.start(""); sent.Get("response_type") != "code" || sent.Has("response_mode") {
			t.Errorf("response type %q declared: asked with %v", responseType, sent)
		}
	}
}

// Threat 1, 2, 10, 11: an ID token is there exactly when it was asked for, and state counts as ever; none of these
// answers leads to an exchange.
func TestRefusedHybridCallbacks(t *testing.T) {
	const secret = "eyJhbGciOiJFUzI1NiJ9.front.token"
	for name, c := range map[string]struct {
		declared string
		change   func(in *Callback)
		want     error
	}{
		"no ID token":          {"code id_token", func(in *Callback) { in.Params.Del("id_token") }, ErrInvalidRequest},
		"empty ID token":       {"code id_token", func(in *Callback) { in.Params.Set("id_token", "") }, ErrInvalidRequest},
		"two ID tokens":        {"code id_token", func(in *Callback) { in.Params.Add("id_token", "other") }, ErrInvalidRequest},
		"an access token too":  {"code id_token", func(in *Callback) { in.Params.Set("access_token", secret) }, ErrInvalidRequest},
		"no code":              {"code id_token", func(in *Callback) { in.Params.Del("code") }, ErrInvalidRequest},
		"in the URL":           {"code id_token", func(in *Callback) { in.FormPost = false }, ErrInvalidRequest},
		"no state":             {"code id_token", func(in *Callback) { in.Params.Del("state") }, ErrInvalidState},
		"other state":          {"code id_token", func(in *Callback) { in.Params.Set("state", "other") }, ErrInvalidState},
		"no cookie":            {"code id_token", func(in *Callback) { in.Cookies = nil }, ErrInvalidState},
		"denied":               {"code id_token", func(in *Callback) { in.Params.Set("error", "access_denied") }, ErrDenied},
		"not asked for":        {"code", func(*Callback) {}, ErrInvalidRequest},
		"not asked for, empty": {"code", func(in *Callback) { in.Params.Set("id_token", "") }, ErrInvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.provider.configured.ResponseType = c.declared
			w.provider.params.Params.Set("response_mode", "form_post")
			params := answer(w.start("/x").Get("state"))
			params.Set("id_token", secret)
			in := Callback{Path: "/auth/oauth/idp/callback", Params: params, Cookies: w.cookies, FormPost: true}
			c.change(&in)
			done, err := w.flow.Finish(context.Background(), in)
			if !errors.Is(err, c.want) || done.User != nil || done.Token != nil {
				t.Errorf("Finish = %+v, %v; want %v", done, err, c.want)
			}
			if n := w.provider.exchanged(); n != 0 {
				t.Errorf("the code was sent %d times", n)
			}
			if err != nil && strings.Contains(err.Error(), "front.token") {
				t.Errorf("the error, which is logged, holds the token: %v", err)
			}
		})
	}
}

// What was asked for is sealed with the login: a provider that is configured anew meanwhile changes nothing about it.
func TestHybridIsBoundToTheLogin(t *testing.T) {
	w := newHybrid(t)
	params := answer(w.start("").Get("state"))
	w.provider.configured.ResponseType = ""
	if _, err := w.post(params); !errors.Is(err, ErrInvalidRequest) {
		t.Errorf("an answer without the ID token that was asked for: %v, want ErrInvalidRequest", err)
	}
}
