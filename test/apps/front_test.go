//go:build apps && linux

package apps

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// front is what browsers reach in place of the proxy, to which it passes everything on. It sees which WebSockets are
// opened. When it lies it adds forged identity headers to each request, that of a WebSocket too, which a browser can't
// be told to do.
type front struct {
	*httptest.Server
	lies atomic.Bool

	mu      sync.Mutex
	sockets []string
}

// newFront passes requests on to target, a https origin.
func newFront(t testing.TB, target string) *front {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{}
	transport := &http.Transport{Proxy: nil, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // on this machine
	t.Cleanup(transport.CloseIdleConnections)
	f.Server = httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host // and the Host field as it was
			if f.lies.Load() {
				for name, value := range forged() {
					r.Out.Header[name] = []string{value}
				}
			}
		},
		ModifyResponse: func(res *http.Response) error {
			if res.StatusCode == http.StatusSwitchingProtocols {
				f.mu.Lock()
				f.sockets = append(f.sockets, res.Request.URL.Path)
				f.mu.Unlock()
			}
			return nil
		},
	})
	f.StartTLS()
	t.Cleanup(func() {
		f.CloseClientConnections() // WebSockets stay open as long as their pages
		f.Close()
	})
	return f
}

// mark is in the value of every forged header.
const mark = "mallory"

// forged are identity headers, in all spellings that an application may take for one.
func forged() map[string]string {
	headers := map[string]string{}
	for _, name := range []string{"User", "Subject", "Email", "Preferred-Username", "Name", "Groups", "Provider", "Jwt"} {
		dashed := "X-Auth-Request-" + name
		for _, spelling := range []string{dashed, strings.ToLower(dashed), strings.ReplaceAll(dashed, "-", "_"), strings.ReplaceAll(dashed, "-", ".")} {
			headers[spelling] = mark + "@example.org"
		}
	}
	return headers
}

// opened tells whether a WebSocket was opened at this path, and forgets it.
func (f *front) opened(path string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := slices.Contains(f.sockets, path)
	f.sockets = nil
	return found
}

// certificateFiles writes a certificate and its key, with which the proxy speaks TLS.
func certificateFiles(t testing.TB) (certificate, key string) {
	t.Helper()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	pair := server.TLS.Certificates[0]
	server.Close()
	private, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{
		certificate: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]},
		key:         {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}
