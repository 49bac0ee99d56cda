package main

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Every line of the kit ends up in the report for programs, and what is none is not lost in silence.
func TestAcceptanceLines(t *testing.T) {
	var got acceptance
	lines := &acceptanceLines{into: &got, began: time.Now().Add(-time.Hour)}
	for _, line := range []string{
		"ok   process-handshake\n", "note acme: logins were not tried: no setting is an endpoint\n", "FAIL acme/login: GetToken answered: x; want y\n", "ok   acme/secrets\n",
	} {
		if n, err := lines.Write([]byte(line)); n != len(line) || err != nil {
			t.Errorf("%q: %d, %v", line, n, err)
		}
	}
	want := acceptance{
		Checks: []acceptanceCheck{
			{Name: "process-handshake", OK: true}, {Name: "acme/login", Error: "GetToken answered: x; want y"}, {Name: "acme/secrets", OK: true},
		},
		Notes: []string{"acme: logins were not tried: no setting is an endpoint"},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(acceptanceCheck{}, "Seconds")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if first, second := got.Checks[0].Seconds, got.Checks[1].Seconds; first < 3600 || second >= 3600 {
		t.Errorf("the checks took %v and %v seconds, want an hour for the first alone", first, second)
	}
	if n, err := lines.Write([]byte("panic: oh\n")); n != 0 || err == nil || len(got.Checks) != 3 {
		t.Errorf("what is no line: %d, %v, %+v", n, err, got.Checks)
	}
}

// The report for programs says of a plugin what the lines for people say of it.
func TestPluginCheckSaysTheSame(t *testing.T) {
	dir := t.TempDir()
	if err := linkPlugin(dir, "acme"); err != nil {
		t.Fatal(err)
	}
	path := dir + "/authd-provider-acme"
	codeText, text, _ := runAuthd(t, nil, "plugin", "check", path)
	codeJSON, object, _ := runAuthd(t, nil, "plugin", "check", path, "-o", "json")
	var got acceptance
	if err := json.Unmarshal([]byte(object), &got); err != nil || codeText != exitOK || codeJSON != exitOK {
		t.Fatalf("exit codes %d and %d, %v\n%s", codeText, codeJSON, err, object)
	}
	var names []string
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(line, "ok   "); ok {
			names = append(names, strings.TrimSpace(name))
		}
	}
	var reported []string
	for _, c := range got.Checks {
		reported = append(reported, c.Name)
		if !c.OK || c.Error != "" || c.Seconds < 0 || math.IsNaN(c.Seconds) {
			t.Errorf("%+v", c)
		}
	}
	if diff := cmp.Diff(names, reported); diff != "" {
		t.Errorf("checks (-lines +json):\n%s", diff)
	}
	if got.Name != "acme" || got.Path != path || got.Verdict != "pass" || len(got.Notes) == 0 || len(names) < 10 {
		t.Errorf("%+v", got)
	}
}
