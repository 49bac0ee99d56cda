package providertest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/authd/authd/sdk"
)

// transport is a way to the identity provider that hides what goes wrong on it.
type transport func(*http.Request, http.RoundTripper) (*http.Response, error)

type carrier struct {
	next  http.RoundTripper
	carry transport
}

func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) { return c.carry(r, c.next) }

// makeUp answers in place of the identity provider.
func makeUp(resp *http.Response, body string) *http.Response {
	resp.StatusCode, resp.ContentLength, resp.Body = http.StatusOK, int64(len(body)), io.NopCloser(strings.NewReader(body))
	resp.Header = http.Header{"Content-Type": {"application/json"}}
	return resp
}

const madeUp = `{"access_token":"made-up","token_type":"Bearer","sub":"made-up"}`

// TestAccidentFaults: a provider that takes an identity provider's failure for something else.
func TestAccidentFaults(t *testing.T) {
	optimist := func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err != nil {
			return makeUp(&http.Response{Request: r, Proto: "HTTP/1.1"}, madeUp), nil
		}
		body, _ := io.ReadAll(resp.Body)
		if text := strings.TrimSpace(string(body)); resp.StatusCode == http.StatusOK && strings.HasSuffix(text, "}") {
			return makeUp(resp, text), nil
		}
		return makeUp(resp, madeUp), nil
	}
	stubborn := func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		resp, err := next.RoundTrip(r.Clone(r.Context()))
		if r.Method == http.MethodPost && (err != nil || resp.StatusCode >= 300) {
			again := r.Clone(r.Context())
			again.Body, _ = r.GetBody()
			return next.RoundTrip(again)
		}
		return resp, err
	}
	deaf := func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		return next.RoundTrip(r.WithContext(context.WithoutCancel(r.Context())))
	}
	type row struct {
		check, says string
		carry       transport
	}
	rows := []row{
		{"token-500", "2 times", stubborn},
		{"token-429", "2 times", stubborn},
		{"token-drop", "2 times", stubborn},
		{"token-echo", "2 times", stubborn},
		{"token-hang", "context of the call", deaf},
		{"userinfo-hang", "context of the call", deaf},
		{"cancel", "context of the call", deaf},
	}
	for _, a := range accidents("") {
		if a.name != "10mb" && a.name != "gzip-bomb" { // the engine counts for itself; see TestEndlessAnswers
			rows = append(rows, row{"token-" + a.name, "good answer", optimist}, row{"userinfo-" + a.name, "good answer", optimist})
		}
	}
	for _, a := range refusals() {
		rows = append(rows, row{"token-" + a.name, "good answer", optimist})
	}
	for _, test := range rows {
		t.Run(test.check+"/"+test.says, func(t *testing.T) {
			t.Parallel() // some wait for seconds
			typ := plainType()
			typ.New = func(_ context.Context, c sdk.Config) (sdk.Provider, error) {
				c.HTTP.Transport = carrier{c.HTTP.Transport, test.carry}
				return plainProvider(c, nil)
			}
			caught(t, test.check, test.says, plainHarness(typ), inProcess{types: []sdk.Type{typ}})
		})
	}
}

// TestRedirectsAreTraps: a client that goes wherever it is sent.
func TestRedirectsAreTraps(t *testing.T) {
	typ := plainType()
	typ.New = func(_ context.Context, c sdk.Config) (sdk.Provider, error) {
		c.HTTP = &http.Client{}
		return plainProvider(c, nil)
	}
	for _, check := range []string{"token-redirect", "userinfo-redirect"} {
		caught(t, check, "follow none", plainHarness(typ), inProcess{types: []sdk.Type{typ}})
	}
}

// TestEndlessAnswers: a provider that reads whatever there is.
func TestEndlessAnswers(t *testing.T) {
	typ := plainType()
	typ.New = func(_ context.Context, c sdk.Config) (sdk.Provider, error) {
		p, err := plainProvider(c, nil)
		return greedy{p, c}, err
	}
	for _, check := range []string{"token-10mb", "token-gzip-bomb", "userinfo-10mb", "userinfo-gzip-bomb"} {
		caught(t, check, "good answer", plainHarness(typ), inProcess{types: []sdk.Type{typ}})
	}
}

// greedy has no bounds; all else about it is right.
type greedy struct {
	sdk.Provider
	c sdk.Config
}

func (g greedy) GetToken(ctx context.Context, in sdk.CodeExchange) (*sdk.Token, error) {
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {in.Code}, "redirect_uri": {in.RedirectURI}, "code_verifier": {in.CodeVerifier},
	}
	var t struct {
		AccessToken string `json:"access_token"`
	}
	if err := post(ctx, g.c, g.c.Settings["token_url"], form, &t); err != nil {
		return nil, err
	}
	return &sdk.Token{AccessToken: t.AccessToken}, nil
}

func (g greedy) GetUserInfo(ctx context.Context, t *sdk.Token) (*sdk.User, error) {
	var u struct{ Sub string }
	if err := get(ctx, g.c.Settings["user_info_url"], t, &u); err != nil {
		return nil, err
	}
	return &sdk.User{Sub: u.Sub}, nil
}

// post sends a form as the client of the settings, and get asks with a token; both read all of the answer.
func post(ctx context.Context, c sdk.Config, to string, form url.Values, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(c.Settings["client_id"], c.Settings["client_secret"])
	return read(r, into)
}

func get(ctx context.Context, from string, t *sdk.Token, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+t.AccessToken)
	return read(r, into)
}

func read(r *http.Request, into any) error {
	client := &http.Client{}
	defer client.CloseIdleConnections()
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	return json.NewDecoder(resp.Body).Decode(into)
}
