package devidp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// ErrNotLoopback is returned by [Start] for an address that other machines could reach.
var ErrNotLoopback = errors.New("not a loopback address")

// Options say how a [Server] behaves. The zero value is a working provider with
// [DefaultUsers] and [DefaultClients] on a free loopback port.
type Options struct {
	Addr    string // host:port to listen on, loopback only; "" = 127.0.0.1:0, a free port
	Issuer  string // issuer of the main provider; "" = http://addr. Its path, if any, is put before its endpoints
	Users   []User
	Clients []Client

	// AutoLogin is the sub or username of the user who signs in at once wherever
	// the page would have been shown. "" = show the page.
	AutoLogin string

	Now              func() time.Time // nil = time.Now
	AccessTokenLife  time.Duration    // 0 = 1 hour
	IDTokenLife      time.Duration    // 0 = 1 hour
	RefreshTokenLife time.Duration    // 0 = 30 days
	SessionLife      time.Duration    // of the user's session here; 0 = 12 hours
	CodeLife         time.Duration    // 0 = 60 seconds

	SigningAlg    string  // RS256 (default), ES256 or EdDSA
	RefreshAlways bool    // give a refresh token even without the scope offline_access
	ThinIDToken   bool    // ID tokens name only the sub; profile, email and groups are at userinfo
	Azp           bool    // ID tokens carry azp even with one audience
	Mounts        []Mount // further vendors beside the built-in ones
}

// Server is one running developer identity provider. Its methods may be called
// from any goroutine.
type Server struct {
	opt    Options
	base   string // scheme://host[:port]
	issuer string
	mounts []*Mount

	handler  http.Handler
	people   *directory
	keys     *keyring
	grants   *grants
	faults   *faultBook
	requests *recorder
	pages    *pageSet

	ctx    context.Context // ends at Close; the parent of every request of Start's listener
	cancel context.CancelFunc
	http   *http.Server
	served chan error // closed when the accept loop has ended
	close  sync.Once
}

// Start makes a provider and serves it on a loopback address until Close.
// Another address than loopback is refused with [ErrNotLoopback].
func Start(opt Options) (*Server, error) {
	if opt.Addr == "" {
		opt.Addr = "127.0.0.1:0"
	}
	if err := loopbackAddr(opt.Addr); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", opt.Addr)
	if err != nil {
		return nil, fmt.Errorf("devidp: listen on %s: %w; choose a free port or 127.0.0.1:0", opt.Addr, err)
	}
	if opt.Issuer == "" {
		opt.Issuer = "http://" + listener.Addr().String()
	}
	s, err := New(opt)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	s.http = &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
	}
	s.served = make(chan error, 1)
	go func() {
		defer close(s.served)
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.served <- err
		}
	}()
	return s, nil
}

// New makes a provider that does not listen, for a test that brings its own
// listener (TLS, say) and serves Handler. Options.Issuer must be set; the caller
// keeps it on loopback.
func New(opt Options) (*Server, error) {
	opt = opt.withDefaults()
	base, prefix, err := splitIssuer(opt.Issuer)
	if err != nil {
		return nil, err
	}
	keys, err := newKeyring(opt.SigningAlg)
	if err != nil {
		return nil, err
	}
	people, err := newDirectory(opt, base)
	if err != nil {
		return nil, err
	}
	pages, err := newPages()
	if err != nil {
		return nil, err
	}
	s := &Server{
		opt: opt, base: base, issuer: opt.Issuer,
		people: people, keys: keys, pages: pages,
		grants: newGrants(opt.Now), faults: newFaultBook(), requests: newRecorder(),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if s.handler, err = s.mount(prefix); err != nil {
		s.cancel()
		return nil, err
	}
	return s, nil
}

// URL is where the provider listens, without a trailing slash: scheme://host:port.
func (s *Server) URL() string { return s.base }

// Issuer is the issuer of the main provider, byte by byte as its tokens say it.
func (s *Server) Issuer() string { return s.issuer }

// Handler is the whole provider as a handler. It does not check that the caller
// is on loopback: serve it nowhere else.
func (s *Server) Handler() http.Handler { return s.handler }

// Close ends the listener and every request, the hung ones too. It may be called twice.
func (s *Server) Close() error {
	var err error
	s.close.Do(func() {
		s.cancel()
		if s.http == nil {
			return
		}
		err = errors.Join(s.http.Close(), <-s.served)
	})
	return err
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	for _, d := range []struct {
		life *time.Duration
		def  time.Duration
	}{
		{&o.AccessTokenLife, time.Hour},
		{&o.IDTokenLife, time.Hour},
		{&o.RefreshTokenLife, 30 * 24 * time.Hour},
		{&o.SessionLife, 12 * time.Hour},
		{&o.CodeLife, time.Minute},
	} {
		if *d.life == 0 {
			*d.life = d.def
		}
	}
	if o.SigningAlg == "" {
		o.SigningAlg = "RS256"
	}
	return o
}

// splitIssuer parts an issuer into its origin and its path, which must be a
// plain URL without query or fragment (OpenID Connect Discovery 1.0 section 3).
func splitIssuer(issuer string) (base, prefix string, err error) {
	u, err := url.Parse(issuer)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" ||
		u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.ContainsAny(u.Path, "{}") {
		return "", "", fmt.Errorf("devidp: issuer %q is no plain http(s) URL; write it like http://127.0.0.1:5556", issuer)
	}
	return u.Scheme + "://" + u.Host, strings.TrimSuffix(u.Path, "/"), nil
}

// loopbackAddr refuses every host but localhost and loopback IP addresses.
// Other names are not looked up: a name may point elsewhere a second later.
func loopbackAddr(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("devidp: address %q: %w; write it like 127.0.0.1:0", addr, err)
	}
	if !loopbackHost(host) {
		return fmt.Errorf("devidp: address %q: %w; anybody who reaches this provider signs in as anybody, so it listens on 127.0.0.1, [::1] or localhost only", addr, ErrNotLoopback)
	}
	return nil
}

func loopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
