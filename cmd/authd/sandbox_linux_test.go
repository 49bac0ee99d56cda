package main

import (
	"context"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/authd/authd/internal/catalog"
	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
)

// Threat 143: in the strict sandbox, held to a lock, a login works from discovery to the user, if the identity
// provider's port is among egress_ports; if it is not, the plugin does not reach it.
func TestLoginInStrictSandbox(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	idp, err := devidp.Start(devidp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idp.Close() })
	issuer, err := url.Parse(idp.Issuer())
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.ParseUint(issuer.Port(), 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := linkPlugin(dir, "oidc"); err != nil {
		t.Fatal(err)
	}
	a := &app{out: t.Output(), errOut: t.Output(), environ: []string{}}
	lockFile := filepath.Join(dir, "authd.lock")
	if code := a.run(ctx, []string{"plugin", "lock", "--plugins-dir", dir, "--lock-file", lockFile}); code != exitOK {
		t.Fatalf("authd plugin lock: exit code %d", code)
	}
	client := devidp.DefaultClients()[0]
	provider := func(id string, ports ...uint16) catalog.ProviderConfig {
		return catalog.ProviderConfig{
			ID: id, Type: "oidc", Plugin: catalog.At(filepath.Join(dir, "authd-provider-oidc"), false),
			Settings: map[string]string{"issuer": idp.Issuer(), "client_id": client.ID, "client_secret": client.Secret},
			Sandbox:  catalog.Sandbox{Level: catalog.LevelStrict, EgressPorts: ports},
			Env:      map[string]string{"GORACE": "atexit_sleep_ms=0"},
		}
	}
	c, err := catalog.New(catalog.Config{
		Providers: []catalog.ProviderConfig{provider("open", uint16(port)), provider("closed")}, Environ: []string{},
		Lock: catalog.OpenLock(lockFile, true),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Errorf("Stop: %v", err)
		}
	}()
	c.Start(ctx)
	open, err := c.Provider("open")
	if err != nil {
		t.Fatal(err)
	}
	if err := open.WaitReady(ctx); err != nil {
		if strings.Contains(err.Error(), "can't run in the strict sandbox, for this kernel has no ") {
			return // which is how it has to end here
		}
		t.Fatal(err)
	}
	if got := open.Status().Sandbox; !strings.HasPrefix(got, "strict (") {
		t.Errorf("Status.Sandbox = %q", got)
	}
	signInWith(ctx, t, open, idp, client)

	closed, err := c.Provider("closed")
	if err != nil {
		t.Fatal(err)
	}
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	for closed.Status().Problem == "" && waiting.Err() == nil {
		if closed.Ready() {
			t.Fatal("without its port the plugin reaches the identity provider")
		}
		tick(waiting)
	}
	if got := closed.Status().Problem; !strings.Contains(got, "permission denied") {
		t.Errorf("without its port: %q, want permission denied", got)
	}
}

// tick waits a moment for what nothing tells of.
func tick(ctx context.Context) {
	timer := time.NewTimer(time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// signInWith makes one login with the provider.
func signInWith(ctx context.Context, t *testing.T, p *catalog.Provider, idp *devidp.Server, client devidp.Client) {
	t.Helper()
	request := sdk.AuthorizeRequest{
		RedirectURI: "http://127.0.0.1/callback", State: "state", Nonce: "nonce", Scope: []string{"openid", "profile", "email"},
	}
	params, err := p.AuthorizeParams(ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	query := params.Params
	if query == nil {
		query = url.Values{}
	}
	for name, value := range map[string]string{
		"client_id": client.ID, "response_type": "code", "redirect_uri": request.RedirectURI, "state": request.State,
		"nonce": request.Nonce, "scope": strings.Join(request.Scope, " "),
	} {
		query.Set(name, value)
	}
	ada := devidp.DefaultUsers()[0]
	callback, err := idp.Authorize(ctx, params.Endpoint+"?"+query.Encode(), ada.Username)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := url.Parse(callback)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := p.GetToken(ctx, sdk.CodeExchange{Code: answer.Query().Get("code"), RedirectURI: request.RedirectURI, Nonce: request.Nonce})
	if err != nil {
		t.Fatal(err)
	}
	user, err := p.GetUserInfo(ctx, token)
	if err != nil || user.Email != ada.Email {
		t.Errorf("GetUserInfo = %+v, %v; want %s", user, err, ada.Email)
	}
}
