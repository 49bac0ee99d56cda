//go:build unix

package realtest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"
)

// pollEvery is the pause between two questions whether a server is up.
const pollEvery = 50 * time.Millisecond

// ErrNotYet is the answer that has nothing more to tell.
var ErrNotYet = errors.New("not yet")

// Await asks again and again, with a pause between, until the answer is nil, and returns how long that took. It fails
// the test with the last answer when limit has passed.
func Await(t testing.TB, pause, limit time.Duration, what string, ask func() error) time.Duration {
	t.Helper()
	took, err := Poll(pause, limit, ask)
	if err != nil {
		t.Fatalf("%s: not within %v: %v", what, limit, err)
	}
	return took
}

// Poll is Await for callers to whom it is no failure: it returns the last answer.
func Poll(pause, limit time.Duration, ask func() error) (time.Duration, error) {
	return poll(nil, pause, limit, ask)
}

// poll gives up when limit has passed or end is closed.
func poll(end <-chan struct{}, pause, limit time.Duration, ask func() error) (time.Duration, error) {
	began := time.Now()
	deadline := time.After(limit)
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return time.Since(began), nil
		}
		select {
		case <-end:
			return time.Since(began), err
		case <-deadline:
			return time.Since(began), err
		case <-tick.C:
		}
	}
}

// Answers returns a question whose answer is nil when url answers with status 200.
func Answers(url string) func() error {
	client := &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{DisableKeepAlives: true},
	}
	return func() error {
		resp, err := client.Get(url)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(resp.Body)
		if resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("GET %s: %s %.500s", url, resp.Status, text)
		}
		return errors.Join(err, resp.Body.Close())
	}
}

// accepts returns a question whose answer is nil when a port of 127.0.0.1 takes a connection.
func accepts(port int) func() error {
	return func() error {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), 10*time.Second)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}
