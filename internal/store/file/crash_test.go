package file_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/internal/store/file"
)

// The test binary, started with crashPath set, is a process that writes to the
// store at that path until it is killed.
const (
	crashPath   = "AUTHD_TEST_STORE_PATH"
	crashRound  = "AUTHD_TEST_STORE_ROUND"
	crashShrink = "AUTHD_TEST_STORE_SHRINK" // set: the file is shrunk all the time
)

func TestMain(m *testing.M) {
	if path := os.Getenv(crashPath); path != "" {
		if err := writeUntilKilled(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// writeUntilKilled writes from several goroutines. It prints a line before each
// write that may be cut short, and one after each that was acknowledged.
func writeUntilKilled(path string) error {
	opt := file.Options{TidyEvery: 2 * time.Millisecond}
	if os.Getenv(crashShrink) != "" {
		opt = file.WithShrinkFrom(opt, 1)
	}
	s, err := file.Open(path, opt)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	say := func(verb, key string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(verb, key) // os.Stdout has no buffer that a kill could take along
	}
	failed := make(chan error)
	for worker := range 4 {
		go func() { failed <- writeForEver(s, fmt.Sprintf("%s/%d", os.Getenv(crashRound), worker), say) }()
	}
	return <-failed
}

// writeForEver keeps two of three records and deletes or takes the third.
func writeForEver(s *file.Store, prefix string, say func(verb, key string)) error {
	ctx := context.Background()
	for i := 0; ; i++ {
		key := fmt.Sprintf("%s/%06d", prefix, i)
		if _, err := s.Put(ctx, key, []byte("value of "+key), time.Hour*time.Duration(i%2), store.Absent()); err != nil {
			return err
		}
		say("put", key)
		if _, err := s.Put(ctx, key+"/short", make([]byte, 50_000), time.Microsecond, store.Any()); err != nil {
			return err // it expires at once; the purge and the shrinking feed on it
		}
		var err error
		switch i % 6 {
		case 2:
			say("removing", key)
			err = s.Delete(ctx, key)
		case 5:
			say("removing", key)
			_, err = s.Take(ctx, key)
		default:
			continue
		}
		if err != nil {
			return err
		}
		say("removed", key)
	}
}

// crash starts a writer, kills it with SIGKILL after so many lines, and adds to
// state what the writer said last about each key.
func crash(t *testing.T, path, round string, lines int, shrink bool, state map[string]string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashPath+"="+path, crashRound+"="+round)
	if shrink {
		cmd.Env = append(cmd.Env, crashShrink+"=1")
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	seen := 0
	for {
		line, err := r.ReadString('\n')
		if err == io.EOF {
			break // a line without its end was cut short by the kill, and does not count
		}
		if err != nil {
			t.Fatal(err)
		}
		verb, key, _ := strings.Cut(strings.TrimSpace(line), " ")
		state[key] = verb
		if seen++; seen == lines {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("the writer was not killed: %v; it said: %s", err, stderr.String())
	}
	if seen < lines {
		t.Fatalf("the writer ended after %d lines: %s", seen, stderr.String())
	}
}

// checkState opens the store as the next process would and compares it with what
// was acknowledged.
func checkState(t *testing.T, path string, state map[string]string) {
	t.Helper()
	s, err := file.Open(path, file.Options{})
	if err != nil {
		t.Fatalf("Open after the kill: %v", err)
	}
	defer s.Close()
	for key, verb := range state {
		item, err := s.Get(t.Context(), key)
		switch {
		case verb == "put" && (err != nil || string(item.Value) != "value of "+key):
			t.Errorf("acknowledged record %s is lost: %q, %v", key, item.Value, err)
		case verb == "removed" && !errors.Is(err, store.ErrNotFound):
			t.Errorf("removed record %s came back: %q, %v", key, item.Value, err)
		case err != nil && !errors.Is(err, store.ErrNotFound):
			t.Errorf("Get %s: %v", key, err)
		}
	}
	if _, err := s.Put(t.Context(), "alive", nil, 0, store.Any()); err != nil {
		t.Errorf("Put after the kill: %v", err)
	}
}

// Threat 145: kill -9 loses no acknowledged login and brings no acknowledged
// logout back, whatever the moment, also while the file is being shrunk.
func TestKill(t *testing.T) {
	for _, shrink := range []bool{false, true} {
		t.Run(fmt.Sprintf("shrink=%v", shrink), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "authd.db")
			state := map[string]string{} // key → what was said of it last
			var inode os.FileInfo
			shrunk := 0
			for round := range 8 {
				crash(t, path, fmt.Sprint("r", round), 1+round*61, shrink, state)
				checkState(t, path, state)
				now, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				if inode != nil && !os.SameFile(inode, now) {
					shrunk++
				}
				inode = now
			}
			if shrink && shrunk == 0 {
				t.Error("the file was never shrunk")
			}
			kept, removed := 0, 0
			for _, verb := range state {
				switch verb {
				case "put":
					kept++
				case "removed":
					removed++
				}
			}
			if kept < 100 || removed < 100 {
				t.Errorf("%d records kept, %d removed: too few to prove anything", kept, removed)
			}
		})
	}
}

// Threat 148: the lock holds between processes, and ends with the process.
func TestLockOfKilledProcessIsFree(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authd.db")
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashPath+"="+path, crashRound+"=r")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Open(path, file.Options{LockWait: 60 * time.Millisecond}); !errors.Is(err, file.ErrInUse) {
		t.Errorf("Open while the other process runs: %v, want ErrInUse", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the other process ended by itself")
	}
	checkState(t, path, nil)
}
