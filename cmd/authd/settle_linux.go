package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// forgetProgram takes the pages of the executable out of the process. Two thirds of them are there for the start alone,
// which runs a little of every package; those that are needed again come back from the page cache, which has them
// anyhow. Only pages that nobody can have written to are forgotten.
func forgetProgram() error {
	traced, err := isTraced()
	if err != nil || traced { // a debugger writes its breakpoints into these pages
		return err
	}
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return err
	}
	var failed error
	for line := range strings.Lines(string(maps)) {
		// proc_pid_maps(5): 00400000-0112a000 r-xp 00000000 08:02 173521  /usr/bin/authd
		fields := strings.Fields(line)
		if len(fields) < 6 || !strings.HasSuffix(strings.TrimSuffix(line, "\n"), " "+program) {
			continue
		}
		if rights := fields[1]; rights == "r-xp" || rights == "r--p" {
			failed = errors.Join(failed, forget(fields[0]))
		}
	}
	return failed
}

// forget takes the pages of a range such as 00400000-0112a000 out of the process.
func forget(span string) error {
	from, to, _ := strings.Cut(span, "-")
	start, err := strconv.ParseUint(from, 16, 64)
	if err != nil {
		return fmt.Errorf("/proc/self/maps: %w", err)
	}
	end, err := strconv.ParseUint(to, 16, 64)
	if err != nil {
		return fmt.Errorf("/proc/self/maps: %w", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_MADVISE, uintptr(start), uintptr(end-start), unix.MADV_DONTNEED); errno != 0 {
		return fmt.Errorf("madvise: %w", errno)
	}
	return nil
}

func isTraced() (bool, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false, err
	}
	for line := range bytes.Lines(status) {
		if pid, found := bytes.CutPrefix(line, []byte("TracerPid:")); found {
			return string(bytes.TrimSpace(pid)) != "0", nil
		}
	}
	return false, errors.New("/proc/self/status has no TracerPid")
}
