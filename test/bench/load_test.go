//go:build linux

package bench

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// connections is how many keep-alive connections the load comes over.
const connections = 16

// client sends one request over many connections, again and again: a server that has always something to do shows what
// a request costs. It uses epoll itself: a goroutine for each connection would cost more than the server that is measured.
type client struct {
	tb      testing.TB
	request []byte
	want    []byte // how an answer begins
	epoll   int
	socks   []int
	buf     []byte
}

// newClient opens n connections to addr.
func newClient(tb testing.TB, addr string, n int, request string) *client {
	tb.Helper()
	c := &client{tb: tb, request: []byte(request), buf: make([]byte, 64<<10)}
	c.expect("200 OK")
	var err error
	if c.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.close)
	tcp, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		tb.Fatal(err)
	}
	to := &unix.SockaddrInet4{Port: tcp.Port}
	copy(to.Addr[:], tcp.IP.To4())
	for range n {
		if err := c.open(to); err != nil {
			tb.Fatal(err)
		}
	}
	return c
}

func (c *client) open(to unix.Sockaddr) error {
	sock, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("connection %d: %w", len(c.socks), err)
	}
	c.socks = append(c.socks, sock)
	if err := unix.Connect(sock, to); err != nil {
		return fmt.Errorf("connection %d: %w", len(c.socks), err)
	}
	if err := unix.SetsockoptInt(sock, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	// A server that hangs in the middle of an answer fails the run.
	if err := unix.SetsockoptTimeval(sock, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 30}); err != nil {
		return err
	}
	return unix.EpollCtl(c.epoll, unix.EPOLL_CTL_ADD, sock, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(sock)})
}

// expect sets the status that every answer must have.
func (c *client) expect(status string) *client {
	c.want = []byte("HTTP/1.1 " + status + "\r\n")
	return c
}

func (c *client) close() {
	for _, sock := range c.socks {
		_ = unix.Close(sock)
	}
	_ = unix.Close(c.epoll)
	c.socks = nil
}

// run makes n requests, one at a time on each connection, from the load's core. Any answer but the expected one fails it.
func (c *client) run(n int) {
	c.tb.Helper()
	if err := onCore(c.tb, loadCore, func() error { return c.exchange(n) }); err != nil {
		c.tb.Fatal(err)
	}
}

func (c *client) exchange(n int) error {
	sent, done := 0, 0
	for _, sock := range c.socks[:min(n, len(c.socks))] {
		if err := c.send(sock); err != nil {
			return err
		}
		sent++
	}
	events := make([]unix.EpollEvent, 64)
	for done < n {
		ready, err := unix.EpollWait(c.epoll, events, 30_000)
		if err == unix.EINTR {
			continue
		}
		if err != nil || ready == 0 {
			return fmt.Errorf("%d of %d requests are answered, then nothing more comes: %v", done, n, err)
		}
		for _, event := range events[:ready] {
			if err := c.receive(int(event.Fd)); err != nil {
				return err
			}
			if done++; sent < n {
				if err := c.send(int(event.Fd)); err != nil {
					return err
				}
				sent++
			}
		}
	}
	return nil
}

func (c *client) send(sock int) error {
	if n, err := unix.Write(sock, c.request); err != nil || n != len(c.request) {
		return fmt.Errorf("send a request: %d of %d bytes: %w", n, len(c.request), err)
	}
	return nil
}

// receive reads one answer. Its body is empty, so it ends with its header.
func (c *client) receive(sock int) error {
	for n := 0; ; {
		more, err := unix.Read(sock, c.buf[n:])
		if err != nil || more == 0 {
			return fmt.Errorf("the server closed the connection after %q: %v", c.buf[:n], err)
		}
		n += more
		if begins := min(n, len(c.want)); !bytes.Equal(c.buf[:begins], c.want[:begins]) {
			return fmt.Errorf("the answer is %q", c.buf[:n])
		}
		if bytes.HasSuffix(c.buf[:n], []byte("\r\n\r\n")) {
			return nil
		}
	}
}

// checkRequest is what nginx sends as a subrequest of a signed-in browser.
func checkRequest(host, session string) string {
	return proxyRequest("/auth/check", host, session, appOpen)
}

// proxyRequest is what a proxy sends for a signed-in browser that asks for a file of an app; without an app it does
// not say for which.
func proxyRequest(route, host, session, app string) string {
	lines := []string{"GET " + route + " HTTP/1.1", "Host: " + host}
	switch {
	case app == "":
	case route == "/auth/forward":
		lines = append(lines, "X-Forwarded-Proto: https", "X-Forwarded-Host: "+app, "X-Forwarded-Uri: "+appFile, "X-Forwarded-Method: GET")
	default:
		lines = append(lines, "X-Original-URL: https://"+app+appFile, "X-Original-Method: GET")
	}
	return strings.Join(append(lines,
		"X-Forwarded-For: 192.0.2.17",
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
		"Accept-Language: en-GB,en;q=0.7,de;q=0.3",
		"Accept-Encoding: gzip, deflate, br",
		"Referer: https://app.example.com/",
		"Cookie: theme=dark; authd="+session+"; _ga=GA1.2.1234567890.1234567890",
		"", "",
	), "\r\n")
}

const appFile = "/static/js/main.4f2a.js"
