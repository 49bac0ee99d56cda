//go:build unix

package realtest

import (
	"bytes"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestChromiumShowsAPage(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><title>Hello</title><h1 id="h" style="background:#0a0">Hello</h1>`))
	}))
	t.Cleanup(server.Close)
	ctx := Chromium(t)
	if err := chromedp.Do(ctx, chromedp.Navigate(server.URL)); err != nil {
		t.Fatal(err)
	}
	title, err := chromedp.Run(ctx, chromedp.Title())
	if err != nil || title != "Hello" {
		t.Fatalf("title = %q, %v; want Hello", title, err)
	}

	path := Screenshot(t, ctx, "realtest hello/1")
	if !strings.HasSuffix(path, "realtest-hello-1.png") {
		t.Errorf("path = %s, want one that ends in realtest-hello-1.png", path)
	}
	picture, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if img, err := png.Decode(bytes.NewReader(picture)); err != nil || img.Bounds().Dx() < 1000 {
		t.Errorf("the screenshot is no picture of the page: %v", err)
	}
}

func TestChromiumSignsInAtTheProvider(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("code " + r.URL.Query().Get("code")))
	}))
	t.Cleanup(app.Close)
	n := StartOIDCProvider(t, OIDCConfig{RedirectURIs: []string{app.URL + "/callback"}})
	link := n.Issuer + "/auth?client_id=authd&response_type=code&scope=openid&redirect_uri=" + app.URL + "/callback" +
		"&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"

	ctx := Chromium(t)
	err := chromedp.Do(ctx,
		chromedp.Navigate(link),
		chromedp.SendKeys(chromedp.ID("username"), Bob.Username),
		chromedp.SendKeys(chromedp.ID("password"), Bob.Password),
	)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.ID("login"))); err != nil {
		t.Fatal(err)
	}
	where, err := chromedp.Run(ctx, chromedp.Location())
	if err != nil || !strings.HasPrefix(where, app.URL+"/callback?code=") {
		t.Errorf("the browser is at %s (%v), want the callback with a code", where, err)
	}
}
