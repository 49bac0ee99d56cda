package main

import (
	"testing"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

// withPublic adds the client that has no secret.
func withPublic() devidp.Options {
	return devidp.Options{Clients: append(devidp.DefaultClients(), devidp.Client{ID: "spa"})}
}

func codeAt(idp *devidp.Server) map[string]string {
	return map[string]string{
		"client_id":     "spa",
		"authorize_url": idp.EndpointURL(devidp.EndpointAuthorize),
		"token_url":     idp.EndpointURL(devidp.EndpointToken),
		"user_url":      idp.EndpointURL(devidp.EndpointUserInfo),
	}
}

func TestCode(t *testing.T) {
	providertest.Run(t, providertest.Harness{Type: codeType(), Settings: codeAt, IDP: withPublic()})
}

func TestCodeWithLogout(t *testing.T) {
	providertest.Run(t, providertest.Harness{Type: codeType(), IDP: withPublic(), Settings: func(idp *devidp.Server) map[string]string {
		return with(codeAt(idp), map[string]string{"logout_url": idp.EndpointURL(devidp.EndpointEndSession)})
	}})
}

func goodCode() map[string]string {
	return map[string]string{
		"client_id": "c", "authorize_url": "https://idp.example.com/authorize",
		"token_url": "https://idp.example.com/token", "user_url": "https://idp.example.com/me",
	}
}

func TestCodeMistakes(t *testing.T) {
	checkMistakes(t, codeType(), goodCode(), map[string]mistake{
		"no scheme":        {map[string]string{"authorize_url": "idp.example.com/authorize"}, []string{"authorize_url", "beginning with https://"}},
		"not encrypted":    {map[string]string{"user_url": "http://idp.example.com/me"}, []string{"user_url", "use https, or set insecure_http"}},
		"no client":        {map[string]string{"client_id": ""}, []string{"client_id is not set", "OAUTH_CODE_CLIENT_ID"}},
		"a secret":         {map[string]string{"client_secret": "s"}, []string{"client_secret is not a setting of type code", "remove it"}},
		"logout elsewhere": {map[string]string{"logout_url": "https://other.example.com/logout"}, []string{"logout_url is on other.example.com", "server of authorize_url"}},
	})
}

// A public client sends its id and the verifier, and no secret in any way.
func TestCodeSendsNoSecret(t *testing.T) {
	v := newVendor(t, map[string]answer{"/token": {body: `{"access_token":"a","token_type":"Bearer"}`}})
	p := mustConfigure(t, codeType(), with(goodCode(), map[string]string{"token_url": v.URL + "/token"}))
	if _, err := p.GetToken(t.Context(), sdk.CodeExchange{Code: "the-code", RedirectURI: "https://auth.example.com/cb", CodeVerifier: "the-verifier"}); err != nil {
		t.Fatal(err)
	}
	sent := v.requests()[0]
	if len(sent.Header["Authorization"]) > 0 {
		t.Error("an Authorization header is sent")
	}
	for name, want := range map[string]string{"client_id": "c", "code_verifier": "the-verifier", "client_secret": ""} {
		if got := v.forms()[0].Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestCodeUserKey(t *testing.T) {
	v := newVendor(t, map[string]answer{"/me": {body: `{"id":12,"login":"ada","email":"a@example.org"}`}})
	p := mustConfigure(t, codeType(), with(goodCode(), map[string]string{"user_url": v.URL + "/me", "user_key": "login"}))
	u, err := p.GetUserInfo(t.Context(), bearer())
	if err != nil || u.Sub != "12" || u.PreferredUsername != "ada" || u.EmailVerified != nil {
		t.Errorf("got %+v, error %v", u, err)
	}
}
