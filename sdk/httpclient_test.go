package sdk_test

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/authd/authd/sdk"
)

func newClient(t *testing.T, caPEM []byte) *http.Client {
	t.Helper()
	client, err := sdk.NewHTTPClient(caPEM)
	if err != nil {
		t.Fatalf("NewHTTPClient: %v", err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// getAll asks a URL and reads the whole body.
func getAll(t *testing.T, client *http.Client, target string) (*http.Response, []byte, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

const mebibyte = 1 << 20

// Threat 44: an identity provider's answer is at most 1 MiB.
func TestHTTPClientTakesABodyOfTheVeryLimit(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(bytes.Repeat([]byte("x"), mebibyte))
	})
	_, body, err := getAll(t, newClient(t, nil), s.URL)
	if err != nil || len(body) != mebibyte {
		t.Fatalf("got %d bytes, error %v; want the whole mebibyte", len(body), err)
	}
}

// Threat 44: longer, endless and unpacking bodies are cut, and the fault is the identity provider's.
func TestHTTPClientCutsLongBodies(t *testing.T) {
	bodies := map[string]http.HandlerFunc{
		"one byte more": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(bytes.Repeat([]byte("x"), mebibyte+1))
		},
		"endless": func(w http.ResponseWriter, r *http.Request) {
			chunk := bytes.Repeat([]byte("x"), 32<<10)
			for r.Context().Err() == nil {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		},
		"gzip bomb": func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				t.Error("the client does not offer gzip, so this test shows nothing")
			}
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			for range 64 {
				_, _ = z.Write(make([]byte, mebibyte))
			}
			_ = z.Close()
		},
	}
	for name, handler := range bodies {
		t.Run(name, func(t *testing.T) {
			_, body, err := getAll(t, newClient(t, nil), serve(t, handler).URL)
			var typed *sdk.Error
			if !errors.As(err, &typed) || typed.Source != sdk.SourceUpstream || typed.HTTPStatus != http.StatusOK {
				t.Fatalf("got error %v, want an *sdk.Error of source upstream with status 200", err)
			}
			if len(body) != mebibyte {
				t.Errorf("read %d bytes before the error, want %d", len(body), mebibyte)
			}
		})
	}
}

// Threat 44: response headers are at most 64 KiB.
func TestHTTPClientRefusesHugeHeaders(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 70 {
			w.Header().Add("X-Filler", strings.Repeat("x", 1024))
		}
	})
	if resp, _, err := getAll(t, newClient(t, nil), s.URL); err == nil {
		t.Fatalf("got status %d, want an error", resp.StatusCode)
	}
}

// Threat 44: a call ends after 10 s, and that is told apart from other failures. The test does not wait so long.
func TestHTTPClientEndsSlowCalls(t *testing.T) {
	client := newClient(t, nil)
	if was := sdk.SetCallTimeout(client, 50*time.Millisecond); was != 10*time.Second {
		t.Errorf("got a timeout of %v, want 10s", was)
	}
	stop := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("{"))
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
		case <-stop:
		}
	})
	t.Cleanup(func() { close(stop) })
	_, _, err := getAll(t, client, s.URL)
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatalf("got error %v, want a timeout", err)
	}
}

// Threat 45: no redirect is followed, whatever its kind; nothing reaches the place it points at.
func TestHTTPClientFollowsNoRedirect(t *testing.T) {
	trap := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") })
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", trap.URL)
			w.WriteHeader(status)
		})
		resp, _, err := getAll(t, newClient(t, nil), s.URL)
		if err != nil || resp.StatusCode != status {
			t.Errorf("status %d: got %v, error %v; want the redirect itself", status, resp, err)
		}
	}
}

func TestHTTPClientKeepsNoCookies(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if len(r.Cookies()) > 0 {
			t.Errorf("got cookies %v, want none", r.Cookies())
		}
		http.SetCookie(w, &http.Cookie{Name: "track", Value: "me"})
	})
	client := newClient(t, nil)
	for range 2 {
		if _, _, err := getAll(t, client, s.URL); err != nil {
			t.Fatal(err)
		}
	}
}

// tlsServer listens with httptest's own certificate, which no system trusts.
func tlsServer(t *testing.T, config *tls.Config) (*httptest.Server, []byte) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // failed handshakes are the point here
	s.TLS = config
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

// Threat 52: certificates are verified; an unknown authority is trusted only when the operator names it.
func TestHTTPClientVerifiesCertificates(t *testing.T) {
	s, caPEM := tlsServer(t, nil)
	if _, _, err := getAll(t, newClient(t, nil), s.URL); err == nil {
		t.Error("a certificate of an unknown authority was accepted")
	}
	if _, body, err := getAll(t, newClient(t, caPEM), s.URL); err != nil || string(body) != "ok" {
		t.Errorf("with the authority named: got %q, error %v", body, err)
	}
	wrongName := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	if _, _, err := getAll(t, newClient(t, caPEM), wrongName); err == nil {
		t.Error("a certificate for another name was accepted")
	}
}

// Threat 52: TLS 1.2 is the least.
func TestHTTPClientRefusesOldTLS(t *testing.T) {
	s, caPEM := tlsServer(t, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}) //nolint:gosec // old on purpose
	if _, _, err := getAll(t, newClient(t, caPEM), s.URL); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
}

func TestHTTPClientRefusesEmptyPEM(t *testing.T) {
	if _, err := sdk.NewHTTPClient([]byte("no certificate")); err == nil {
		t.Error("got no error for PEM without a certificate")
	}
}
