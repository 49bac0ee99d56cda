//go:build unix

package realtest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// Nginx passes a request on only when the auth_request said 2xx: the way in which
// authd is used behind it.
func TestNginxAsksBeforeItAnswers(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/check" && r.Header.Get("X-Original-URI") == "/closed" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Header().Set("X-Auth-Request-User", "alice")
	}))
	t.Cleanup(upstream.Close)

	n := StartNginx(t, `
	server {
		listen 127.0.0.1:${PORT};
		location /hello { return 200 "hello from port ${PORT}"; }
		location /page {
			auth_request /check;
			proxy_pass `+upstream.URL+`;
		}
		location /closed {
			auth_request /check;
			proxy_pass `+upstream.URL+`;
		}
		location = /check {
			internal;
			proxy_pass `+upstream.URL+`;
			proxy_pass_request_body off;
			proxy_set_header Content-Length "";
			proxy_set_header X-Original-URI $request_uri;
		}
	}`)
	if status, body := get(t, n.URL+"/hello"); status != http.StatusOK || body == "" {
		t.Errorf("GET /hello = %d %q, want 200 and the greeting", status, body)
	}
	if status, _ := get(t, n.URL+"/page"); status != http.StatusOK {
		t.Errorf("GET /page = %d, want 200", status)
	}
	if status, _ := get(t, n.URL+"/closed"); status != http.StatusForbidden {
		t.Errorf("GET /closed = %d, want 403", status)
	}
}
