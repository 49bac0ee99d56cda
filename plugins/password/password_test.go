package main

import (
	"bytes"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

func settingsAt(idp *devidp.Server) map[string]string {
	return map[string]string{
		"client_id": "demo", "client_secret": "demo-secret",
		"token_url": idp.EndpointURL(devidp.EndpointToken), "user_info_url": idp.EndpointURL(devidp.EndpointUserInfo),
	}
}

func TestProvider(t *testing.T) {
	providertest.Run(t, providertest.Harness{Type: passwordType(), Settings: settingsAt})
}

func TestProviderWithoutSecret(t *testing.T) {
	idp := devidp.Options{Clients: append(devidp.DefaultClients(), devidp.Client{ID: "cli"})}
	providertest.Run(t, providertest.Harness{Type: passwordType(), IDP: idp, Settings: func(idp *devidp.Server) map[string]string {
		return map[string]string{"client_id": "cli", "token_url": idp.EndpointURL(devidp.EndpointToken), "user_info_url": idp.EndpointURL(devidp.EndpointUserInfo)}
	}})
}

func startIDP(t *testing.T) *devidp.Server {
	t.Helper()
	return providertest.StartIDP(t, devidp.Options{SigningAlg: "ES256"})
}

func mustConfigure(t *testing.T, values map[string]string) *password {
	t.Helper()
	p, err := providertest.Configure(t, passwordType(), values, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p.(*password)
}

func typed(t *testing.T, err error) *sdk.Error {
	t.Helper()
	var e *sdk.Error
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want an *sdk.Error", err)
	}
	return e
}

func TestLogin(t *testing.T) {
	idp := startIDP(t)
	p := mustConfigure(t, settingsAt(idp))
	ada, _ := idp.User("ada")
	token, err := p.PasswordLogin(t.Context(), sdk.Credentials{Username: "ada", Password: ada.Password})
	if err != nil {
		t.Fatal(err)
	}
	u, err := p.GetUserInfo(t.Context(), token)
	if err != nil || u.Sub != ada.Sub || u.Email != ada.Email || u.Name != ada.Name {
		t.Errorf("got %+v, error %v; want %+v", u, err, ada)
	}
	sent := idp.Requests(devidp.EndpointToken)[0]
	if sent.Form.Get("scope") != "openid profile email" || len(sent.Query) > 0 {
		t.Errorf("got scope %q and query %v", sent.Form.Get("scope"), sent.Query)
	}
}

// A wrong password is the person's fault, and no text repeats it. An empty one is not even sent: it would count
// towards a lock.
func TestWrongPassword(t *testing.T) {
	idp := startIDP(t)
	p := mustConfigure(t, settingsAt(idp))
	for _, in := range []sdk.Credentials{
		{Username: "ada", Password: "wrong-password"}, {Username: "nobody", Password: "wrong-password"}, {Username: "ada"}, {Password: "wrong-password"}, {},
	} {
		_, err := p.PasswordLogin(t.Context(), in)
		e := typed(t, err)
		if e.Source != sdk.SourceUser || e.Code != "invalid_grant" || strings.Contains(err.Error(), "wrong-password") {
			t.Errorf("%q: got error %v, want source user with invalid_grant", in.Username, err)
		}
	}
	if n := idp.RequestCount(devidp.EndpointToken); n != 2 {
		t.Errorf("got %d token requests, want 2", n)
	}
}

// The log says at each start what this is for, and holds no secret.
func TestSaysWhatItIsFor(t *testing.T) {
	var log bytes.Buffer
	if _, err := providertest.Configure(t, passwordType(), settingsAt(startIDP(t)), hclog.New(&hclog.LoggerOptions{Output: &log})); err != nil {
		t.Fatal(err)
	}
	if text := log.String(); !strings.Contains(text, "[WARN]") || !strings.Contains(text, "for development") || strings.Contains(text, "demo-secret") {
		t.Errorf("got log %q", text)
	}
	if label := passwordType().Label; !strings.Contains(label, "for development") {
		t.Errorf("got label %q", label)
	}
}

func TestMistakes(t *testing.T) {
	good := map[string]string{"client_id": "c", "client_secret": "s", "token_url": "https://idp.example.com/token", "user_info_url": "https://idp.example.com/me"}
	mustConfigure(t, good)
	tests := map[string]struct {
		over map[string]string
		says []string
	}{
		"no scheme":     {map[string]string{"token_url": "idp.example.com/token"}, []string{"token_url", "beginning with https://"}},
		"not encrypted": {map[string]string{"token_url": "http://idp.example.com/token"}, []string{"token_url", "use https, or set insecure_http"}},
		"a fragment":    {map[string]string{"user_info_url": "https://idp.example.com/me#x"}, []string{"user_info_url", "beginning with https://"}},
		"no userinfo":   {map[string]string{"user_info_url": ""}, []string{"user_info_url is not set", "OAUTH_PASSWORD_USER_INFO_URL"}},
		"no client":     {map[string]string{"client_id": ""}, []string{"client_id is not set", "OAUTH_PASSWORD_CLIENT_ID"}},
		"other method":  {map[string]string{"token_endpoint_auth_method": "none"}, []string{"token_endpoint_auth_method", "client_secret_post or client_secret_basic"}},
		"auth_url":      {map[string]string{"auth_url": "https://idp.example.com/authorize"}, []string{"auth_url is not a setting of type password", "remove it"}},
	}
	for name, test := range tests {
		values := maps.Clone(good)
		maps.Copy(values, test.over)
		_, err := providertest.Configure(t, passwordType(), values, nil)
		if e := typed(t, err); e.Source != sdk.SourceConfig {
			t.Errorf("%s: got %v, want source config", name, err)
		}
		for _, text := range test.says {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: got error %q, want it to say %q", name, err, text)
			}
		}
	}
}

// answering is an identity provider that gives one answer to whatever it is asked.
func answering(t *testing.T, status int, body string) *password {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return mustConfigure(t, map[string]string{"client_id": "c", "client_secret": "s", "token_url": server.URL + "/token", "user_info_url": server.URL + "/me"})
}

// Threats 16, 28, 31, 34: an id is a text or a whole number, verified is the boolean true, and only a verified
// address may name the person to applications.
func TestUser(t *testing.T) {
	yes, no := true, false
	tests := map[string]struct {
		userinfo string
		want     *sdk.User // nil means refused
	}{
		"verified":            {`{"sub":"1","email":"a@example.org","email_verified":true,"name":"O'Brien","groups":["a,b",7]}`, &sdk.User{Sub: "1", PreferredUsername: "a@example.org", Email: "a@example.org", EmailVerified: &yes, Name: "O'Brien", Groups: []string{"a,b"}}},
		"not verified":        {`{"sub":"1","email":"a@example.org","email_verified":false}`, &sdk.User{Sub: "1", Email: "a@example.org", EmailVerified: &no}},
		"verified is a text":  {`{"sub":"1","email":"a@example.org","email_verified":"true"}`, &sdk.User{Sub: "1", Email: "a@example.org"}},
		"number above 2^53":   {`{"id":9007199254740993,"email":7}`, &sdk.User{Sub: "9007199254740993", PreferredUsername: "7"}},
		"no id":               {`{"name":"a"}`, nil},
		"sub is an address":   {`{"sub":"A@example.org","email":"a@example.org"}`, nil},
		"sub is no text":      {`{"sub":true,"id":"1"}`, nil},
		"id is zero":          {`{"id":0}`, nil},
		"sub twice":           {`{"sub":"1","sub":"2"}`, nil},
		"a list":              {`[]`, nil},
		"sub in two cases":    {`{"sub":"1","Sub":"2"}`, nil},
		"id with a line feed": {`{"sub":"1\n2"}`, nil},
	}
	for name, test := range tests {
		u, err := answering(t, 200, test.userinfo).GetUserInfo(t.Context(), &sdk.Token{AccessToken: "a"})
		if test.want == nil {
			if e := typed(t, err); e.Source != sdk.SourceUpstream {
				t.Errorf("%s: got error %v, want source upstream", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		u.Claims = nil
		if diff := cmp.Diff(u, test.want); diff != "" {
			t.Errorf("%s: user (got -, want +):\n%s", name, diff)
		}
	}
}

// Check signs in as nobody, which shows whether the client may use the grant.
func TestCheck(t *testing.T) {
	tests := map[string]struct {
		status   int
		body     string
		severity sdk.Severity
		says     string
	}{
		"refuses nobody":      {400, `{"error":"invalid_grant"}`, sdk.SeverityOK, "takes the client's credentials"},
		"takes anybody":       {200, `{"access_token":"a","token_type":"Bearer"}`, sdk.SeverityError, "do not trust"},
		"grant not allowed":   {400, `{"error":"unsupported_grant_type"}`, sdk.SeverityError, "allow the grant for this client"},
		"unauthorized client": {400, `{"error":"unauthorized_client"}`, sdk.SeverityError, "client_id is not accepted"},
		"wrong secret":        {401, `{"error":"invalid_client"}`, sdk.SeverityError, "client_id is not accepted"},
		"down":                {503, `{}`, sdk.SeverityError, "can't be used"},
	}
	for name, test := range tests {
		found, err := answering(t, test.status, test.body).Check(t.Context())
		if err != nil || len(found) == 0 || found[0].Severity != test.severity || !strings.Contains(found[0].String(), test.says) {
			t.Errorf("%s: got %v, error %v; want %v and %q", name, found, err, test.severity, test.says)
		}
	}
}
