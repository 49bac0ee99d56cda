package devidp

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

// application is a client with a login link and a callback, as authd or any other.
func application(t *testing.T, s *Server, change with) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	app := httptest.NewServer(mux)
	t.Cleanup(app.Close)
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "flow", Value: "1"})
		params := authParams(change)
		params.Set("redirect_uri", app.URL+"/callback")
		http.Redirect(w, r, s.EndpointURL(EndpointAuthorize)+"?"+params.Encode(), http.StatusFound)
	})
	mux.HandleFunc("/callback", func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie("flow"); err != nil {
			http.Error(w, "no flow cookie", http.StatusBadRequest)
			return
		}
		if problem := r.FormValue("error"); problem != "" {
			http.Error(w, problem, http.StatusForbidden)
			return
		}
		body := exchange(t, s, r.FormValue("code"), with{"redirect_uri": app.URL + "/callback"})
		_, claims, _ := parts(t, text(t, body.object(t), "id_token"))
		fmt.Fprintf(w, "hello %v by %s", claims["sub"], r.Method)
	})
	return app
}

func jarClient(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

// The whole journey with the caller's cookies, by redirect and by form.
func TestLogin(t *testing.T) {
	s := start(t, Options{})
	for mode, method := range map[string]string{"query": "GET", "form_post": "POST"} {
		t.Run(mode, func(t *testing.T) {
			app := application(t, s, with{"response_mode": mode})
			client := jarClient(t)
			for _, who := range []string{"grace", "nobody, for this is single sign-on"} {
				res, err := s.Login(t.Context(), client, app.URL+"/login", who)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(res.Body)
				if err != nil || string(body) != "hello dev-2b58e4d7-grace by "+method {
					t.Errorf("%s: %d %s %v", who, res.StatusCode, body, err)
				}
			}
			res, err := s.Login(t.Context(), jarClient(t), app.URL+"/login", "")
			if err != nil || res.StatusCode != http.StatusForbidden {
				t.Errorf("Cancel: %v, %v", res, err)
			}
		})
	}
}

func TestLoginEndsWhereItEnds(t *testing.T) {
	s := start(t, Options{})
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	defer elsewhere.Close()
	if res, err := s.Login(t.Context(), jarClient(t), elsewhere.URL, "ada"); err != nil || res.StatusCode != http.StatusNotFound {
		t.Errorf("a journey that never comes here: %v, %v", res, err)
	}
	if _, err := s.Login(t.Context(), jarClient(t), ":", "ada"); err == nil {
		t.Error("a journey from no URL")
	}
	s.Fault(EndpointAuthorize, Fault{Drop: true})
	if _, err := s.Login(t.Context(), jarClient(t), authURL(s, nil), "ada"); err == nil {
		t.Error("a dropped connection went unnoticed")
	}
}

// A browser that ends on a page says what stands there.
func TestAuthorizeEndsOnPage(t *testing.T) {
	s := start(t, Options{})
	_, err := s.Authorize(t.Context(), authURL(s, with{"client_id": "nobody"}), "ada")
	if err == nil || !contains(err.Error(), `No client has the client_id "nobody"`) || !contains(err.Error(), "400") {
		t.Errorf("error %v does not tell what the page says", err)
	}
	if _, err := s.Authorize(t.Context(), authURL(s, nil), "a stranger"); err == nil || !contains(err.Error(), "Nobody of that name") {
		t.Errorf("an unknown user: %v", err)
	}
	if _, err := s.Authorize(t.Context(), "http://127.0.0.1:1/", "ada"); err == nil {
		t.Error("nobody listens there")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	cancel()
	if _, _, err := s.AuthorizeForm(ctx, authURL(s, nil), "ada"); err == nil {
		t.Error("a context that has ended")
	}
}

// Redirects on the way, within the provider, are followed.
func TestAuthorizeFollowsOwnRedirects(t *testing.T) {
	s := start(t, Options{})
	s.Fault(EndpointAuthorize, Fault{RedirectTo: s.URL() + "/realms/one/protocol/openid-connect/auth?" + authParams(nil).Encode(), Times: 1})
	got := authorize(t, s, nil)
	if got.Get("iss") != s.URL()+"/realms/one" {
		t.Errorf("answered by %q", got.Get("iss"))
	}
}

func TestBrowserLogoutErrors(t *testing.T) {
	s := start(t, Options{})
	if _, err := s.NewBrowser().Logout(t.Context(), "http://127.0.0.1:1/"); err == nil {
		t.Error("nobody listens there")
	}
	if back, err := s.NewBrowser().Logout(t.Context(), logoutURL(s, url.Values{})); err != nil || back != "" {
		t.Errorf("nobody signed in, nowhere to go: %q, %v", back, err)
	}
}
