//go:build unix

package realtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Ports are taken from below the range that Linux uses for outgoing connections
// (32768 and up): a port of that range can be gone between the look and the listen.
const (
	firstPort = 20000
	endPort   = 32768
)

// FreePort returns a TCP port of 127.0.0.1 on which nothing listens. Until the end of
// the test no other call of FreePort returns it, in this process or in another one of
// this user.
func FreePort(t testing.TB) int {
	t.Helper()
	port, release, err := reservePort()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return port
}

// FreeAddr is a FreePort with its host: 127.0.0.1:PORT.
func FreeAddr(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(FreePort(t)))
}

// reservePort picks a port at random and locks a file named after it, because test
// binaries of several packages run at the same time.
func reservePort() (port int, release func(), err error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("authd-test-ports-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, nil, fmt.Errorf("realtest: port locks: %w", err)
	}
	for range 200 {
		port := firstPort + rand.IntN(endPort-firstPort)
		release, err := lockFile(filepath.Join(dir, strconv.Itoa(port)))
		if errors.Is(err, syscall.EWOULDBLOCK) {
			continue
		}
		if err != nil {
			return 0, nil, fmt.Errorf("realtest: port locks: %w", err)
		}
		if portFree(port) {
			return port, release, nil
		}
		release()
	}
	return 0, nil, fmt.Errorf("realtest: no free port between %d and %d on 127.0.0.1", firstPort, endPort-1)
}

func lockFile(path string) (release func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

func portFree(port int) bool {
	ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return ln.Close() == nil
}
