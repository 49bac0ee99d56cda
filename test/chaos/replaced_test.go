//go:build linux

package chaos

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/authd/authd/internal/realtest"
)

// brokenFiles are what an update may leave when it goes wrong.
func brokenFiles(good []byte) [][]byte {
	return [][]byte{
		[]byte("this is no program"),
		good[:len(good)/2],
		[]byte("#!/bin/sh\necho 'no licence was found' >&2\nexit 3\n"),
		[]byte("#!/bin/sh\necho 'Hello, I am a plugin.'\nexec sleep 600\n"),
		nil,
	}
}

// F4. Threat 141: a plugin's file is replaced again and again under logins. Not one fails, and a file that does not work
// leaves the process before it in service.
func TestPluginReplaced(t *testing.T) {
	parallel(t)
	s := newStep(t, "F4", siteOptions{}, usual(of(5.0, 3.0)))
	good, err := os.ReadFile(programs.Path(t, "plugins", pluginPrefix+"oidc"))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(good, []byte(firstVersion)); n == 0 {
		t.Fatal("the plugin does not hold its version")
	}
	broken := brokenFiles(good)
	replacements, eachBroken := of(20, 5), of(4, 2)
	serving, bad := firstVersion, 0
	var slowest, slowestEvent time.Duration
	for i := range replacements {
		if i%eachBroken == 1 {
			slowestEvent = max(slowestEvent, s.replaceBroken(broken[bad%len(broken)], serving))
			bad++
			continue
		}
		serving = fmt.Sprintf("chaos-version-%05d", i+1)
		s.installBytes("oidc", bytes.ReplaceAll(good, []byte(firstVersion), []byte(serving)))
		slowest = max(slowest, s.awaitProvider(victim, "serves "+serving, patience, func(p provider) bool {
			return isReady(p) && p.Version == serving
		}))
		pass(t, of(2*time.Second, 500*time.Millisecond))
	}
	s.recover()
	pass(t, of(10*time.Second, time.Second))
	s.end()

	during := s.fault.logins[victim]
	s.none(fmt.Sprintf("failed logins on it of %d", during.count()), append(during.failures(), s.after.logins[victim].failures()...))
	s.within(fmt.Sprintf("each of %d new versions serves", replacements-bad), 2*time.Second, slowest, "the slowest, from the rename on")
	s.within(fmt.Sprintf("each of %d broken ones is reported", bad), 30*time.Second, slowestEvent, "plugin_kept in the audit log; the version before goes on, /readyz says ready")
	s.checksTold()
	left, err := filepath.Glob(s.path("tmp/*"))
	if err != nil || len(left) > 1 {
		t.Errorf("the temporary directory holds %v (%v), want what the running plugins use alone", left, err)
	}
}

// replaceBroken puts a file in place that does not work, and returns after how long that was reported.
func (s *step) replaceBroken(body []byte, serving string) time.Duration {
	s.t.Helper()
	before, pid := s.events("plugin_kept"), s.must(victim).PID
	s.installBytes("oidc", body)
	took := realtest.Await(s.t, 20*time.Millisecond, patience, "a broken plugin is reported", func() error {
		if s.events("plugin_kept") == before {
			return realtest.ErrNotYet
		}
		return nil
	})
	if p := s.must(victim); !isReady(p) || p.Version != serving || p.PID != pid {
		s.t.Errorf("with a broken file %.30q in its place the provider is %+v, want version %s with pid %d", body, p, serving, pid)
	}
	if err := s.readyz(); err != nil {
		s.t.Errorf("with a broken file in place of a plugin: %v", err)
	}
	return took
}
