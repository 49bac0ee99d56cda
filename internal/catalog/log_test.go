package catalog

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// logLines feeds lines to a processLog and returns what arrives in authd's log, without the times.
func logLines(t *testing.T, secrets []string, lines ...string) []map[string]any {
	t.Helper()
	buffer, log := newLog()
	l := newProcessLog(log.With("provider", "github"), newRedactor(secrets), newQuota())
	l.started(42)
	for _, line := range lines {
		l.stderr([]byte(line), 0)
	}
	l.ended()
	return entries(t, buffer)
}

func entries(t *testing.T, b *logBuffer) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(b.String()) {
		entry := map[string]any{}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("the log holds %q: %v", line, err)
		}
		delete(entry, "@timestamp")
		out = append(out, entry)
	}
	return out
}

// Threat 139: what a plugin prints becomes structured lines under its name.
func TestProcessLog(t *testing.T) {
	entry := func(level, message string, fields ...any) map[string]any {
		out := map[string]any{"@module": "authd", "@level": level, "@message": message, "provider": "github", "pid": 42.0}
		for i := 0; i < len(fields); i += 2 {
			out[fields[i].(string)] = fields[i+1]
		}
		return out
	}
	got := logLines(t, []string{"hunter2"},
		"plain hunter2 line\x1b[31m",
		"   ",
		`{"@level":"warn","@message":"slow\nanswer hunter2","@module":"acme","@timestamp":"2020-01-01T00:00:00Z","n":12,"ok":true,"list":["hunter2"]}`,
		`{"@level":"error","@message":"x","provider":"google","pid":1,"@evil":"y","client_secret":12345,"nothing":null}`,
		`{"@level":"nonsense","@message":"x"}`,
		`{"level":"info","msg":"another logger"}`,
		`{"@level":"info","@message":"two"} {"@level":"info"}`,
		"panic: oh no, client_secret=abcdef",
		"goroutine 1 [running]:",
	)
	want := []map[string]any{
		entry("info", `plain *** line\x1b[31m`),
		entry("warn", `slow\nanswer ***`, "module", "acme", "n", 12.0, "ok", true, "list", `["***"]`),
		entry("error", "x", "plugin_provider", "google", "plugin_pid", 1.0, "client_secret", masked, "nothing", nil),
		entry("info", `{"@level":"nonsense","@message":"x"}`),
		entry("info", `{"level":"info","msg":"another logger"}`),
		entry("info", `{"@level":"info","@message":"two"} {"@level":"info"}`),
		entry("error", "panic: oh no, client_secret=***"),
		entry("error", "goroutine 1 [running]:"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestProcessLogBoundsFields(t *testing.T) {
	fields := map[string]any{"@level": "info", "@message": "x"}
	for i := range 100 {
		fields[fmt.Sprintf("f%03d", i)] = i
	}
	line, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	got := logLines(t, nil, string(line))
	const own = 5 // @level, @message, @module, provider, pid
	if len(got) != 1 || len(got[0]) != own+fieldsMax {
		t.Errorf("the log holds %d fields, want %d", len(got[0]), own+fieldsMax)
	}
}

func TestProcessLogCutLine(t *testing.T) {
	buffer, log := newLog()
	l := newProcessLog(log, newRedactor([]string{"hunter2"}), newQuota())
	l.stderr([]byte(`{"@level":"info","@message":"xxxxxxxxhunt`), 99)
	got := entries(t, buffer)
	if len(got) != 1 || got[0]["bytes_cut"] != 99.0 || strings.Contains(fmt.Sprint(got), "hunt") {
		t.Errorf("log = %v; want the line with the number of bytes that were cut, and no part of the secret", got)
	}
}

// Threat 139: the rate is limited, over restarts too, and what is dropped is counted.
func TestProcessLogRate(t *testing.T) {
	buffer, log := newLog()
	q := newQuota()
	const lines = 5000
	for range 2 {
		l := newProcessLog(log, newRedactor(nil), q)
		for i := range lines {
			l.stderr(fmt.Appendf(nil, "line %d", i), 0)
		}
		q.bucket.SetBurst(linesPeak + 1) // one more may pass, and says what came before it
		l.ended()
	}
	got := entries(t, buffer)
	if len(got) > lines {
		t.Errorf("%d of %d lines were written", len(got), 2*lines)
	}
	var reported float64
	for _, e := range got {
		if n, ok := e["dropped"].(float64); ok {
			reported += n
		}
	}
	if dropped := q.dropped.Load(); dropped < lines || reported != float64(dropped) {
		t.Errorf("dropped = %d and reported = %v, of %d", dropped, reported, 2*lines)
	}
}

// The last words of a process are one line, without secrets.
func TestProcessLogTail(t *testing.T) {
	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprintf("line %02d %s", i, strings.Repeat("x", 90))
	}
	for _, test := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"nothing", nil, ""},
		{"two lines", []string{"a", "b\x07"}, `a | b\a`},
		{"structured", []string{`{"@level":"error","@message":"no config","error":"client_secret=abc is bad","pid":1}`}, "no config: client_secret=*** is bad"},
		{"a secret", []string{"password=hunter2"}, "password=***"},
		{"many", many, strings.Join(many[90:], " | ")},
		{"one long", []string{strings.Repeat("y", 5000)}, strings.Repeat("y", tailMax) + "…"},
		{"a panic", append([]string{"before", "panic: boom"}, many...), "panic: boom | " + strings.Join(many, " | ")[:tailMax-len("panic: boom | ")] + "…"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, log := newLog()
			l := newProcessLog(log, newRedactor([]string{"hunter2"}), newQuota())
			for _, line := range test.lines {
				l.stderr([]byte(line), 0)
			}
			if diff := cmp.Diff(test.want, l.tail()); diff != "" {
				t.Errorf("tail (-want +got):\n%s", diff)
			}
		})
	}
}
