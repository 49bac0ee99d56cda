package devidp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestStartRefusesOtherAddresses(t *testing.T) {
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.org:0", "localhost.example.org:0"} {
		s, err := Start(Options{Addr: addr, SigningAlg: "ES256"})
		if !errors.Is(err, ErrNotLoopback) {
			t.Errorf("Start on %q: %v, want ErrNotLoopback", addr, err)
		}
		if s != nil {
			t.Errorf("Start on %q gave a server", addr)
		}
	}
	if _, err := Start(Options{Addr: "127.0.0.1"}); err == nil {
		t.Error("Start without a port succeeded")
	}
}

func TestStartOnTakenPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Start(Options{Addr: l.Addr().String()}); err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("Start on a taken port: %v, want an error that names it", err)
	}
}

func TestStartOnNames(t *testing.T) {
	s := start(t, Options{Addr: "localhost:0"})
	if got := get(t, s.EndpointURL(EndpointDiscovery)).status; got != http.StatusOK {
		t.Errorf("discovery on localhost: %d", got)
	}
}

func TestBadOptions(t *testing.T) {
	ada := User{Sub: "a", Username: "ada"}
	for name, tt := range map[string]struct {
		opt  Options
		says string
	}{
		"algorithm":        {Options{SigningAlg: "HS256"}, "HS256"},
		"issuer":           {Options{Issuer: "ftp://127.0.0.1"}, "ftp:"},
		"issuer query":     {Options{Issuer: "http://127.0.0.1/?a=b"}, "?a=b"},
		"auto-login":       {Options{AutoLogin: "nobody"}, "nobody"},
		"same sub":         {Options{Users: []User{ada, {Sub: "a", Username: "b"}}}, `"a"`},
		"same username":    {Options{Users: []User{ada, {Sub: "b", Username: "ada"}}}, `"ada"`},
		"no sub":           {Options{Users: []User{{Username: "ada"}}}, "sub"},
		"long sub":         {Options{Users: []User{{Sub: strings.Repeat("s", 256), Username: "ada"}}}, "255"},
		"no username":      {Options{Users: []User{{Sub: "a"}}}, "username"},
		"same client":      {Options{Clients: []Client{{ID: "x"}, {ID: "x"}}}, `"x"`},
		"no client id":     {Options{Clients: []Client{{Secret: "x"}}}, "no id"},
		"unknown endpoint": {Options{Mounts: []Mount{{Name: "acme", Paths: map[string]string{"tokens": "/t"}}}}, "tokens"},
		"bad path":         {Options{Mounts: []Mount{{Name: "acme", Paths: map[string]string{EndpointToken: "/{"}}}}, "mount acme"},
		"clash":            {Options{Mounts: []Mount{{Name: "acme", Paths: map[string]string{EndpointToken: "/token"}}}}, "paths of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.opt.SigningAlg == "" {
				tt.opt.SigningAlg = "ES256"
			}
			s, err := Start(tt.opt)
			if err == nil {
				_ = s.Close()
				t.Fatal("Start succeeded")
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %q does not name %q", err, tt.says)
			}
		})
	}
}

// A test may bring its own listener, with TLS for instance.
func TestNewUnderTLS(t *testing.T) {
	front := httptest.NewUnstartedServer(nil)
	s, err := New(Options{Issuer: "https://" + front.Listener.Addr().String(), SigningAlg: "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	front.Config.Handler = s.Handler()
	front.StartTLS()
	defer front.Close()
	c := newStrictClient(t, s)
	c.http = front.Client()
	var meta metadata
	if err := c.getJSON(s.Issuer()+"/.well-known/openid-configuration", "", &meta); err != nil {
		t.Fatal(err)
	}
	if err := c.checkMetadata(meta); err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(meta.Token, "https://") {
		t.Errorf("token endpoint %s", meta.Token)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close of a server without a listener: %v", err)
	}
	if _, err := New(Options{}); err == nil {
		t.Error("New without an issuer succeeded")
	}
}

func TestCloseTwiceAndForGood(t *testing.T) {
	s, err := Start(Options{SigningAlg: "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	if _, err := try(request(t, http.MethodGet, s.EndpointURL(EndpointDiscovery), nil)); err == nil {
		t.Error("a closed server answers")
	}
}

// Close must not wait for somebody who hangs.
func TestCloseEndsHungRequests(t *testing.T) {
	s, err := Start(Options{SigningAlg: "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	s.Fault(EndpointToken, Fault{Hang: true})
	ended := make(chan error, 1)
	go func() {
		_, err := try(request(t, http.MethodPost, s.EndpointURL(EndpointToken), tokenForm("x", nil)))
		ended <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.WaitRequests(ctx, EndpointToken, 1); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the hung request was answered")
		}
	case <-ctx.Done():
		t.Error("the hung request still hangs after Close")
	}
}

func TestURLs(t *testing.T) {
	s := start(t, Options{})
	if s.Issuer() != s.URL() {
		t.Errorf("Issuer %s, URL %s: want the same", s.Issuer(), s.URL())
	}
	for name, want := range map[string]string{
		EndpointToken: "/token", EndpointGitHubUser: "/user", "nonsense": "",
	} {
		if want != "" {
			want = s.URL() + want
		}
		if got := s.EndpointURL(name); got != want {
			t.Errorf("EndpointURL(%q) = %q, want %q", name, got, want)
		}
	}
	trap := s.TrapURL()
	if strings.HasPrefix(trap, s.URL()+"/") || !strings.HasSuffix(trap, "/-/trap") {
		t.Errorf("TrapURL %s is no other origin than %s", trap, s.URL())
	}
	if got := get(t, trap).status; got != http.StatusOK || s.RequestCount(EndpointTrap) != 1 {
		t.Errorf("the trap answered %d and counted %d", got, s.RequestCount(EndpointTrap))
	}
}
