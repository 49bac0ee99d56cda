package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/authd/authd/internal/host"
)

// The names of the sockets that a service manager may pass: FileDescriptorName= of systemd.socket(5).
const (
	publicSocket = "authd"
	adminSocket  = "authd-admin"
)

// drainTime is how long authd goes on serving when it has been told to stop: long enough for those who send requests
// all the time to leave, short enough to wait for.
const drainTime = time.Second

// serviceManager is who started this process, as its environment tells: systemd, or nobody who is to be told.
func serviceManager() (host.Manager, error) {
	m := host.Manager{}
	if os.Getenv("NOTIFY_SOCKET") != "" {
		m.Notify = func(state string) error {
			_, err := daemon.SdNotify(false, state)
			return err
		}
	}
	var err error
	if m.Watchdog, err = daemon.SdWatchdogEnabled(false); err != nil {
		return host.Manager{}, fmt.Errorf("WATCHDOG_USEC or WATCHDOG_PID: %w; they are the service manager's to set", err)
	}
	for _, f := range activation.Files(true) {
		if err := adopt(&m, f); err != nil {
			return host.Manager{}, err
		}
	}
	return m, nil
}

// adopt makes a listener of one passed socket. One that authd has no use for is refused: whoever connects to it would
// wait for ever.
func adopt(m *host.Manager, f *os.File) error {
	l, err := net.FileListener(f)
	if closeErr := f.Close(); err == nil && closeErr != nil {
		err = errors.Join(closeErr, l.Close())
	}
	if err != nil {
		return fmt.Errorf("the service manager's socket %q can't be used: %w; it must be a stream socket that listens (ListenStream=)", f.Name(), err)
	}
	slot := map[string]*net.Listener{publicSocket: &m.Listener, adminSocket: &m.AdminListener}[strings.TrimSuffix(f.Name(), ".socket")]
	switch {
	case slot == nil:
		err = fmt.Errorf("the service manager passed a socket called %q; set FileDescriptorName= to %s or %s", f.Name(), publicSocket, adminSocket)
	case *slot != nil:
		err = fmt.Errorf("the service manager passed two sockets called %q; authd listens on one address", f.Name())
	default:
		*slot = l
		return nil
	}
	return errors.Join(err, l.Close())
}
