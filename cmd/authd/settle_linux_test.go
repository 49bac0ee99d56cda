package main

import (
	"os"
	"regexp"
	"strconv"
	"testing"
)

// residentFile is how much of files the process holds in memory, in KiB: the program itself, since nothing else is mapped.
func residentFile(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^RssFile:\s+(\d+) kB$`).FindSubmatch(status)
	if found == nil {
		t.Fatalf("no RssFile in\n%s", status)
	}
	kib, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kib
}

// TestForgetProgram: most of the program leaves the process, which goes on as before.
func TestForgetProgram(t *testing.T) {
	if traced, err := isTraced(); err != nil || traced {
		t.Fatalf("isTraced = %v, %v; this test is not for a debugger", traced, err)
	}
	before := residentFile(t)
	for range 3 {
		if err := forgetProgram(); err != nil {
			t.Fatal(err)
		}
	}
	if after := residentFile(t); after > before/2 {
		t.Errorf("%d KiB of the program are in memory, %d before", after, before)
	}
}

func TestForgetRefusesJunk(t *testing.T) {
	for _, span := range []string{"", "x-y", "1000", "1000-y"} {
		if err := forget(span); err == nil {
			t.Errorf("forget(%q) tells no error", span)
		}
	}
}
