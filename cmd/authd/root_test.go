package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/config"
)

func TestReport(t *testing.T) {
	for _, test := range []struct {
		name    string
		err     error
		running bool
		code    int
		stderr  string
	}{
		{"nothing", nil, true, exitOK, ""},
		{"failure", errors.New("it broke"), true, exitFailed, "authd: it broke\n"},
		{"several joined", errors.Join(errors.New("one"), errors.New("two")), true, exitFailed, "authd: one two\n"},
		{"terminal control", errors.New("red \x1b[31m\u009b\x07!"), true, exitFailed, "authd: red [31m!\n"},
		{"usage", usage(errors.New("no such thing")), true, exitUsage, "authd: no such thing\n"},
		{"wrapped usage", fmt.Errorf("plugin: %w", usage(errors.New("gone"))), true, exitUsage, "authd: plugin: gone\n"},
		{"arguments", errors.New("unknown flag: --x"), false, exitUsage, "authd: unknown flag: --x; see authd plugin list --help\n"},
		{"said before", errReported, true, exitFailed, ""},
		{"faults", &config.Faults{List: []config.Fault{{File: "a.toml", Line: 2, Key: "k", Summary: "is wrong", Mend: "mend it"}, {Key: "AUTHD_X", Summary: "is wrong"}}}, true, exitUsage, "a.toml:2: k: is wrong; mend it\nAUTHD_X: is wrong\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stderr strings.Builder
			a := &app{errOut: &stderr, running: test.running, asked: "authd plugin list"}
			if code := a.report(test.err); code != test.code || stderr.String() != test.stderr {
				t.Errorf("report = %d, %q, want %d, %q", code, stderr.String(), test.code, test.stderr)
			}
		})
	}
}

type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) { return 0, os.ErrClosed }

// Nothing is printed by halves without an exit code that says so.
func TestBrokenPipe(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, args := range [][]string{
		{"version"},
		{"version", "-o", "json"},
		{"keygen"},
		{"config", "schema"},
		{"config", "print"},
		{"config", "check"},
		{"config", "check", "-o", "json"},
		{"plugin", "list"},
		{"plugin", "list", "-o", "json"},
		{"provider", "list"},
	} {
		a := &app{out: closedPipe{}, errOut: &strings.Builder{}}
		if code := a.run(t.Context(), args); code != exitFailed {
			t.Errorf("authd %s to a closed pipe: exit code %d, want 1", strings.Join(args, " "), code)
		}
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	err := format("text").write(&b, table{header: []string{"A", "LONG"}, rows: [][]string{{"", "x"}, {"two\twords", "a\nb\x1b[2J"}}})
	if err != nil {
		t.Fatal(err)
	}
	want := "A          LONG\n-          x\ntwo words  a b[2J\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

// The Makefile sets version and commit by name.
func TestVersionVariables(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"main.version", "main.commit"} {
		if !regexp.MustCompile(`-X ` + regexp.QuoteMeta(name) + `=`).Match(makefile) {
			t.Errorf("the Makefile does not set %s", name)
		}
	}
	if v := thisVersion(); v.Version == "" || v.Commit == "" || v.Protocol != "1.0" {
		t.Errorf("thisVersion() = %+v", v)
	}
}
