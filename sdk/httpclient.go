package sdk

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// The limits of every request to an identity provider.
const (
	connectTimeout = 3 * time.Second
	callTimeout    = 10 * time.Second
	maxHeaderBytes = 64 << 10
	maxBodyBytes   = 1 << 20
)

// NewHTTPClient makes the client that a provider gets in Config.HTTP. It connects within 3 s and ends each call, the
// reading of the body included, after 10 s. It speaks TLS 1.2 or newer and always verifies, against the system's
// certificate authorities and those in caPEM, which may be empty. It takes 64 KiB of response headers and 1 MiB of
// body, counted after decompression: reading further gives an *Error of source upstream. It follows no redirect, so
// that nobody is led away with a secret in hand: the caller sees the 3xx. It keeps no cookies and uses the proxy of
// the environment (HTTPS_PROXY, NO_PROXY …), though never for the loopback.
//
// The only error is a caPEM that holds no certificate.
func NewHTTPClient(caPEM []byte) (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(caPEM) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool() // no system roots on this machine; the given ones still count
		}
		if !pool.AppendCertsFromPEM(caPEM) {
			return nil, errors.New("no certificate in PEM found in it")
		}
		config.RootCAs = pool
	}
	dialer := &net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}
	return &http.Client{
		Transport: &boundedTransport{limit: maxBodyBytes, timeout: callTimeout, next: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            dialer.DialContext,
			TLSClientConfig:        config,
			TLSHandshakeTimeout:    connectTimeout,
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           32,
			MaxIdleConnsPerHost:    16,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: maxHeaderBytes,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// boundedTransport bounds the body of each answer and the time until it is read. It wraps the transport that
// decompresses, so that a small answer that unpacks to a huge one is cut as well. The time is not left to
// http.Client.Timeout, which starts two goroutines for each request that goes through a transport of others.
type boundedTransport struct {
	next    *http.Transport
	limit   int64
	timeout time.Duration
}

// RoundTrip sends the request once.
func (t *boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	cancel := func() {}
	if end, ok := r.Context().Deadline(); !ok || time.Until(end) > t.timeout {
		var ctx context.Context
		ctx, cancel = context.WithTimeout(r.Context(), t.timeout)
		r = r.WithContext(ctx)
	}
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: t.limit, limit: t.limit, status: resp.StatusCode, cancel: cancel}
	return resp, nil
}

// CloseIdleConnections lets http.Client.CloseIdleConnections through.
func (t *boundedTransport) CloseIdleConnections() { t.next.CloseIdleConnections() }

type boundedBody struct {
	io.ReadCloser
	left, limit int64
	status      int
	cancel      func() // ends what watches the time
}

// Close closes the body.
func (b *boundedBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// Read reads one byte more than allowed, since only that tells a body of the very limit from a longer one.
func (b *boundedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if int64(n) <= b.left {
		b.left -= int64(n)
		return n, err
	}
	n, b.left = int(b.left), 0
	tooLong := UpstreamErrorf("the identity provider answered more than %d bytes", b.limit)
	tooLong.HTTPStatus = b.status
	return n, tooLong
}
