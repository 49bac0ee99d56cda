package audit

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
)

// Threat 155, 156: one JSON line per event, with what strangers sent escaped and nothing that is empty.
func TestOneLinePerEvent(t *testing.T) {
	var out bytes.Buffer
	l := New(hclog.New(&hclog.LoggerOptions{Output: &out, JSONFormat: true}))
	l.Write(Event{Kind: Denied, Incident: "abc", Provider: "github", Session: strings.Repeat("h", 43), Cause: "a\nforged line"})

	if n := strings.Count(strings.TrimSpace(out.String()), "\n"); n != 0 {
		t.Fatalf("the event takes %d lines:\n%s", n+1, out.String())
	}
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "@timestamp")
	want := map[string]any{
		"@level": "info", "@module": "audit", "@message": "denied", "incident": "abc", "provider": "github",
		"session": "hhhhhhhhhh", "cause": "a\nforged line",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
}
