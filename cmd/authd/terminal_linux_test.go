package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/authd/authd/sdk/userfile"
)

// pty opens a pseudo-terminal: what a person has, and what the program has.
func pty(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	return person, program
}

// screen is standard error; each prompt is answered as soon as it is there.
type screen struct {
	mu      sync.Mutex
	text    strings.Builder
	prompts []string
	answer  func(prompt string)
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(p)
	if len(s.prompts) > 0 && strings.HasSuffix(s.text.String(), s.prompts[0]) {
		prompt := s.prompts[0]
		s.prompts = s.prompts[1:]
		s.answer(prompt)
	}
	return len(p), nil
}

// ask runs "user add ada" in a terminal where a person gives these answers.
func ask(t *testing.T, ctx context.Context, file string, answer func(person io.Writer, prompt string)) (code int, shown, echoed string) {
	t.Helper()
	person, program := pty(t)
	seen := &screen{prompts: []string{"Password for ada: ", "Once more: "}}
	seen.answer = func(prompt string) { answer(person, prompt) }
	before, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	a := &app{out: io.Discard, errOut: seen}
	root := newRoot(a)
	root.SetIn(program)
	root.SetArgs([]string{"user", "add", "ada", "--file", file})
	code = a.report(root.ExecuteContext(ctx))
	after, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil || after.Lflag != before.Lflag || after.Iflag != before.Iflag {
		t.Errorf("the terminal is not as it was: %+v, %+v, error %v", before, after, err)
	}
	// What the terminal showed lies before this mark.
	if _, err := program.WriteString("MARK"); err != nil {
		t.Fatal(err)
	}
	var echo strings.Builder
	for buffer := make([]byte, 1024); !strings.Contains(echo.String(), "MARK"); {
		n, err := person.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		echo.Write(buffer[:n])
	}
	return code, seen.text.String(), echo.String()
}

// Threat 154: the password is typed twice and shown nowhere.
func TestPasswordFromTerminal(t *testing.T) {
	const secret = "Grüße an alle, die hier sind"
	file := filepath.Join(t.TempDir(), "users.toml")
	code, shown, echoed := ask(t, t.Context(), file, func(person io.Writer, _ string) { _, _ = io.WriteString(person, secret+"\r") })
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, shown)
	}
	if strings.Contains(shown+echoed, "alle") {
		t.Errorf("the password was shown: %q, %q", shown, echoed)
	}
	s, err := userfile.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	if u, ok := s.ByLogin("ada"); !ok || !u.Password.Matches(secret) {
		t.Errorf("the password in the file is not the one that was typed")
	}
}

func TestPasswordsDiffer(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users.toml")
	code, shown, _ := ask(t, t.Context(), file, func(person io.Writer, prompt string) { _, _ = io.WriteString(person, "a long password, "+prompt+"\r") })
	if code != exitFailed || !strings.Contains(shown, "the two passwords differ; nothing was changed") {
		t.Errorf("exit code %d: %s", code, shown)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the file was made")
	}
}

// An interrupt, or the end of what is typed, changes nothing and leaves the terminal usable.
func TestPasswordInterrupted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users.toml")
	ctx, interrupt := context.WithCancel(t.Context())
	code, shown, _ := ask(t, ctx, file, func(io.Writer, string) { interrupt() })
	if code != exitFailed || !strings.Contains(shown, "interrupted; nothing was changed") {
		t.Errorf("exit code %d: %s", code, shown)
	}
	code, shown, _ = ask(t, t.Context(), file, func(person io.Writer, _ string) { _, _ = io.WriteString(person, "\x04") })
	if code != exitFailed || !strings.Contains(shown, "no password was typed") {
		t.Errorf("exit code %d: %s", code, shown)
	}
}
