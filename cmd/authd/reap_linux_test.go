package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// firstProcess runs authd serve so that orphans become its children. Its pid as the test sees it is that of the
// process that reaps.
func firstProcess(t *testing.T, dir string, namespace bool, environ ...string) (s *server, pid int) {
	t.Helper()
	path, err := exec.LookPath("authd")
	if err != nil {
		t.Fatal(err)
	}
	args := []string{path, "serve"}
	if namespace {
		args = append([]string{"unshare", "--pid", "--fork", "--mount-proc", "--kill-child"}, args...)
	} else {
		environ = append(environ, reapVariable+"=1")
	}
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir(), "AUTHD_LOG_FORMAT=json", "AUTHD_STORE_URL=memory:", "AUTHD_SERVER_ADMIN_LISTEN=",
		"AUTHD_SERVER_LISTEN=127.0.0.1:0", "AUTHD_SERVER_PUBLIC_URL=https://auth.example.com",
	}, environ...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s = &server{cmd: cmd, log: bufio.NewScanner(stderr)}
	if pid = cmd.Process.Pid; namespace {
		pid = awaitChildOf(t, pid, "authd")
	}
	return s, pid
}

// awaitChildOf waits for a process whose name begins so and whose parent is pid.
func awaitChildOf(t *testing.T, pid int, name string) (child int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d has a child %s", pid, name), func() bool {
		for _, one := range childrenOf(pid) {
			comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", one))
			if strings.HasPrefix(string(comm), name) {
				child = one
				return true
			}
		}
		return false
	})
	return child
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	deadline, tick := time.After(30*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for !ask() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

func gone(pid int) func() bool {
	return func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/%d", pid)) // a zombie would still be there
		return errors.Is(err, fs.ErrNotExist)
	}
}

// As the first process of a container authd reaps what plugins leave behind, and still learns how each plugin ended.
func TestServeReapsOrphans(t *testing.T) {
	roads := map[string]bool{"subreaper": false}
	if os.Geteuid() == 0 { // nobody else may make a process the first one
		roads["first process"] = true
	}
	for name, namespace := range roads {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := linkPlugin(filepath.Join(dir, "real"), "acme"); err != nil {
				t.Fatal(err)
			}
			// The subshell ends at once, so sleep loses its parent.
			script := fmt.Sprintf("#!/bin/sh\n(sleep 1000 >/dev/null 2>&1 &)\nexec %q \"$@\"\n", filepath.Join(dir, "real", "authd-provider-acme"))
			writePlugin(t, filepath.Join(dir, "plugins"), script)
			s, pid := firstProcess(t, dir, namespace, "OAUTH_ACME_CLIENT_ID=a", "OAUTH_ACME_CLIENT_SECRET=hush-hush")
			s.logged(t, "authd is listening")

			server := awaitChildOf(t, pid, "authd")
			orphan := awaitChildOf(t, pid, "sleep")
			kill(t, orphan)
			eventually(t, "the orphan is reaped", gone(orphan))

			kill(t, awaitChildOf(t, server, "authd-provider-"))
			for !strings.Contains(s.log.Text(), "was ended by signal 9") {
				if !s.log.Scan() {
					t.Fatal("authd did not learn how its plugin ended")
				}
			}
			if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			s.logged(t, "authd is stopping")
			if code := s.end(t); code != exitOK {
				t.Errorf("exit code %d, want 0", code)
			}
			eventually(t, "authd is gone", gone(server))
		})
	}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func writePlugin(t *testing.T, dir, script string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "authd-provider-acme"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
}

// The exit code is that of the server.
func TestReapPassesOnTheExitCode(t *testing.T) {
	s, _ := firstProcess(t, t.TempDir(), false, "AUTHD_SERVER_LISTEN=nonsense")
	if code := s.end(t); code != exitUsage {
		t.Errorf("exit code %d for a faulty configuration, want %d", code, exitUsage)
	}
	s, pid := firstProcess(t, t.TempDir(), false)
	s.logged(t, "authd is listening")
	kill(t, awaitChildOf(t, pid, "authd"))
	if code := s.end(t); code != 128+int(syscall.SIGKILL) {
		t.Errorf("exit code %d after signal 9, want %d", code, 128+int(syscall.SIGKILL))
	}
}

// No server without the process that reaps: whoever kills that kills both.
func TestServerDiesWithReaper(t *testing.T) {
	s, pid := firstProcess(t, t.TempDir(), false)
	s.logged(t, "authd is listening")
	server := awaitChildOf(t, pid, "authd")
	kill(t, pid)
	s.end(t)
	eventually(t, "the server is gone", gone(server))
}
