//go:build linux

package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pacer sends requests at a fixed rate, whether or not the ones before are answered, as many browsers together do: a
// server that stands still is asked all the while. How long an answer takes counts from the moment at which its request
// was due, so nothing that holds up the requests, the server or this program, makes a figure better (others call that
// the correction for coordinated omission).
type pacer struct {
	*client
	every time.Duration
	idle  []int         // :: connections without a request
	due   map[int]int64 // :: connection → when its request was due, ns
	queue []int64       // :: when the requests were due that no connection was free for
	took  []time.Duration
}

// pace sends n requests, one each period, and returns how long each took. It runs on any core.
func (c *client) pace(n int, every time.Duration) ([]time.Duration, error) {
	p := &pacer{client: c, every: every, idle: slices.Clone(c.socks), due: map[int]int64{}, took: make([]time.Duration, 0, n)}
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("make a timer: %w", err)
	}
	defer unix.Close(timer)
	if err := unix.EpollCtl(c.epoll, unix.EPOLL_CTL_ADD, timer, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(timer)}); err != nil {
		return nil, err
	}
	period := unix.NsecToTimespec(int64(every))
	begun := monotonic()
	if err := unix.TimerfdSettime(timer, 0, &unix.ItimerSpec{Interval: period, Value: period}, nil); err != nil {
		return nil, err
	}
	err = p.run(timer, n, begun)
	return p.took, err
}

// run is the loop; tick i is due at begun + (i+1) periods.
func (p *pacer) run(timer, n int, begun int64) error {
	defer func() { p.queue = nil }()
	events, ticks := make([]unix.EpollEvent, 64), 0
	for len(p.took) < n {
		ready, err := unix.EpollWait(p.epoll, events, 30_000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || ready == 0 {
			return fmt.Errorf("%d of %d requests are answered, then nothing more comes: %v", len(p.took), n, err)
		}
		for _, event := range events[:ready] {
			if int(event.Fd) != timer {
				if err := p.answered(int(event.Fd)); err != nil {
					return err
				}
				continue
			}
			for range expired(timer) {
				if ticks++; ticks <= n {
					p.queue = append(p.queue, begun+int64(ticks)*int64(p.every))
				}
			}
		}
		if err := p.sendDue(); err != nil {
			return err
		}
	}
	return nil
}

func (p *pacer) sendDue() error {
	for len(p.queue) > 0 && len(p.idle) > 0 {
		sock := p.idle[len(p.idle)-1]
		p.idle, p.due[sock], p.queue = p.idle[:len(p.idle)-1], p.queue[0], p.queue[1:]
		if err := p.send(sock); err != nil {
			return err
		}
	}
	return nil
}

func (p *pacer) answered(sock int) error {
	if err := p.receive(sock); err != nil {
		return err
	}
	p.took = append(p.took, time.Duration(monotonic()-p.due[sock]))
	p.idle = append(p.idle, sock)
	return nil
}

// expired is how often the timer has gone off since it was asked last.
func expired(timer int) uint64 {
	var count [8]byte
	if n, err := unix.Read(timer, count[:]); err != nil || n != len(count) {
		return 0
	}
	return binary.NativeEndian.Uint64(count[:])
}

func monotonic() int64 {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // it fails for other clocks only
	return now.Nano()
}

// share is the value below which so much of all lies.
func share(took []time.Duration, of float64) time.Duration {
	sorted := slices.Sorted(slices.Values(took))
	return sorted[min(len(sorted)-1, int(of*float64(len(sorted))))]
}

// measureRate asks authd and the reference for 2,000 checks a second, in turn; both have both cores, as has the load.
// What the machine does besides moves it more than authd does, so it is reported and fails nothing.
func measureRate(b *testing.B, t *table) {
	const rate, rounds, seconds = 2000, 3, 1
	s := newSite(b, withApps)
	id := s.signIn(nil)
	authd := s.serve()
	request := checkRequest(s.addr, id)
	_, bareAddr := startBareOn(b, nil, s.sameAs(request))
	targets := []struct {
		client *client
		took   []time.Duration
	}{
		{client: newClient(b, bareAddr, 64, checkRequest(bareAddr, id))},
		{client: newClient(b, s.addr, 64, request)},
	}
	for range rounds {
		for i := range targets {
			took, err := targets[i].client.pace(rate*seconds, time.Second/rate)
			if err != nil {
				b.Fatalf("%v\n%s", err, authd.errs)
			}
			targets[i].took = append(targets[i].took, took...)
		}
	}
	fiber, took := targets[0].took, targets[1].took
	t.add(b, row{
		what: "2,000 checks a second, p99", unit: "ms", budget: 5, noisy: true, measured: milliseconds(share(took, .99)),
		note: fmt.Sprintf("p50 %.2f ms; bare Fiber p50 %.2f, p99 %.2f ms; %d each; load %s", milliseconds(share(took, .5)),
			milliseconds(share(fiber, .5)), milliseconds(share(fiber, .99)), len(took), loadAverage()),
	})
	authd.stop()
}

// loadAverage of the last minute says how busy the machine is.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil || len(text) < 4 {
		return "unknown"
	}
	return string(text[:4])
}
