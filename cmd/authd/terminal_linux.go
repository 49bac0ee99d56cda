package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/authd/authd/sdk/userfile"
)

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// pollEvery is how soon an interrupt is noticed while nobody types, in milliseconds.
const pollEvery = 100

// askHidden reads one line from a terminal that does not show it. An interrupt ends ctx; the terminal is as before then.
func askHidden(ctx context.Context, terminal *os.File, out io.Writer, prompt string) (line string, err error) {
	fd := int(terminal.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return "", fmt.Errorf("ask the terminal: %w", err)
	}
	hidden := *before
	hidden.Lflag &^= unix.ECHO
	hidden.Lflag |= unix.ICANON | unix.ISIG
	hidden.Iflag |= unix.ICRNL
	// TCSETSF drops what was typed before the question.
	if err := unix.IoctlSetTermios(fd, unix.TCSETSF, &hidden); err != nil {
		return "", fmt.Errorf("hide what is typed: %w", err)
	}
	defer func() {
		_, _ = fmt.Fprintln(out) // for the line end that was not shown
		err = errors.Join(err, unix.IoctlSetTermios(fd, unix.TCSETS, before))
	}()
	if _, err := fmt.Fprint(out, prompt); err != nil {
		return "", err
	}
	for {
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, pollEvery)
		switch {
		case ctx.Err() != nil:
			return "", errors.New("interrupted; nothing was changed")
		case err != nil && !errors.Is(err, unix.EINTR):
			return "", fmt.Errorf("wait for the password: %w", err)
		case ready > 0:
			return readLine(fd)
		}
	}
}

// readLine reads what was typed up to the line end, which is one read of a terminal in its usual mode.
func readLine(fd int) (string, error) {
	buffer := make([]byte, userfile.MaxPassword+2)
	n, err := unix.Read(fd, buffer)
	if err != nil || n == 0 {
		return "", errors.Join(errors.New("no password was typed"), err)
	}
	return strings.TrimRight(string(buffer[:n]), "\r\n"), nil
}
