package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Manager is the service manager that authd runs under: systemd, or whoever speaks as it does (sd_notify(3),
// sd_listen_fds(3)). The zero value is none.
type Manager struct {
	// Notify tells it what becomes of authd, in lines of NAME=VALUE. nil: nobody is told.
	Notify func(state string) error
	// Watchdog is how long authd may be silent before it is started anew. 0: for ever.
	Watchdog time.Duration
	// Listener and AdminListener are sockets that the manager keeps open while authd is started anew, so that nobody
	// is turned away meanwhile. They take the place of server.listen and server.admin_listen. nil: authd opens those.
	Listener, AdminListener net.Listener
}

// reportEvery is how often the manager is told how authd does.
const reportEvery = 10 * time.Second

// tell sends lines to the manager.
func (s *Server) tell(lines ...string) {
	if s.manager.Notify == nil {
		return
	}
	if err := s.manager.Notify(strings.Join(lines, "\n")); err != nil {
		s.log.Warn("the service manager can't be told how authd does", "cause", err.Error())
	}
}

// tellReady says that authd serves, at the start and when a reload has ended, well or not.
func (s *Server) tellReady() { s.tell("READY=1", s.status()) }

// tellReloading says that a reload has begun; tellReady must follow.
func (s *Server) tellReloading() {
	lines := []string{"RELOADING=1", "STATUS=reading the configuration anew"}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err == nil {
		lines = append(lines, fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/1000))
	}
	s.tell(lines...)
}

// status is a line for people: what systemctl status shows.
func (s *Server) status() string {
	ready, all := 0, s.live().providers
	for _, p := range all {
		if p.runtime.Ready() {
			ready++
		}
	}
	return fmt.Sprintf("STATUS=serving on %s; %d of %d providers ready", s.Addr(), ready, len(all))
}

// startReports tells the manager that authd serves, and until Stop how it does.
func (s *Server) startReports() {
	if s.manager.Notify == nil {
		return
	}
	s.tellReady()
	ctx, cancel := context.WithCancel(context.Background())
	var reporting sync.WaitGroup
	reporting.Go(func() { s.report(ctx) })
	s.closers = append(s.closers, func(context.Context) error {
		cancel()
		reporting.Wait()
		return nil
	})
}

// report feeds the watchdog as long as authd answers, and keeps the status line true.
func (s *Server) report(ctx context.Context) {
	every := reportEvery
	if s.manager.Watchdog > 0 {
		every = min(every, s.manager.Watchdog/3) // two may be lost
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for said := ""; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var lines []string
		if now := s.status(); now != said {
			said, lines = now, append(lines, now)
		}
		if s.manager.Watchdog > 0 {
			if err := selfCheck(ctx, s.listener.Addr(), every); err == nil {
				lines = append(lines, "WATCHDOG=1")
			} else if ctx.Err() == nil {
				s.log.Error("authd does not answer itself; if this lasts, the service manager starts it anew", "cause", err.Error())
			}
		}
		if len(lines) > 0 {
			s.tell(lines...)
		}
	}
}

// selfCheck asks at the address for /healthz, over a connection of its own, as everybody else does.
func selfCheck(ctx context.Context, at net.Addr, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, at.Network(), at.String())
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/healthz", nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if errors.Is(err, fs.ErrPermission) {
		return nil // a unix socket of the manager's that is for others only: there is no way to ask
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	if res.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET /healthz: %s", res.Status)
	}
	return errors.Join(err, res.Body.Close())
}
