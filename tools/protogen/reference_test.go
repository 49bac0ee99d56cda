package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const wide = `syntax = "proto3";
package wide.v1;
import "google/protobuf/duration.proto";
option go_package = "example.com/wide/v1;widev1";

// Shop sells
// things.
service Shop {
  // Buy is called once | or never.
  rpc Buy(BuyRequest) returns (Thing);
}
// Colour of a thing.
enum Colour {
  COLOUR_UNSPECIFIED = 0;
  // COLOUR_RED is red.
  COLOUR_RED = 1;
}
message BuyRequest {}
// Thing is a thing.
//
// It has parts.
message Thing {
  // name of it.
  string name = 1 [debug_redact = true];
  optional bool sold = 2;
  repeated Part parts = 3; // in order
  map<string, string> labels = 4;
  Colour colour = 5;
  google.protobuf.Duration age = 6;
  bytes raw = 7 [debug_redact = true];
  // Part of a thing.
  message Part {
    uint32 size = 1;
    Kind kind = 2;
    enum Kind { KIND_UNSPECIFIED = 0; }
  }
}
`

func TestReference(t *testing.T) {
	files, err := compile(t.Context(), writeContract(t, wide))
	if err != nil {
		t.Fatal(err)
	}
	page := reference(files)
	for _, want := range []string{
		"\n## Service Shop\n\n`wide.v1.Shop`. Shop sells things.\n",
		"\n| `Buy` | [BuyRequest](#buyrequest) | [Thing](#thing) | Buy is called once \\| or never. |\n",
		"\n## Colour\n\nColour of a thing.\n", "\n| `COLOUR_RED` | 1 | COLOUR_RED is red. |\n",
		"\n## BuyRequest\n\nNo fields.\n",
		"\n## Thing\n\nThing is a thing.\n\nIt has parts.\n\n| field | number | type | |\n",
		"\n| `name` | 1 | string | *secret* name of it. |\n", "\n| `sold` | 2 | optional bool |  |\n",
		"\n| `parts` | 3 | list of [Thing.Part](#thingpart) | in order |\n", "\n| `labels` | 4 | map of string to string |  |\n",
		"\n| `colour` | 5 | [Colour](#colour) |  |\n", "\n| `age` | 6 | `google.protobuf.Duration` |  |\n", "\n| `raw` | 7 | bytes | *secret* |\n",
		"\n## Thing.Part\n\nPart of a thing.\n", "\n| `kind` | 2 | [Thing.Part.Kind](#thingpartkind) |  |\n", "\n## Thing.Part.Kind\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "LabelsEntry") {
		t.Error("the page shows the entry message of a map")
	}
	if t.Failed() {
		t.Log(page)
	}
}

func TestCompareReference(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	if err := compareReference(path, "new"); err == nil || !strings.Contains(err.Error(), "make proto") {
		t.Errorf("without the page: %v; want the command that writes it", err)
	}
	for text, good := range map[string]bool{"old": false, "new": true} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := compareReference(path, "new"); (err == nil) != good {
			t.Errorf("the page is %q: %v", text, err)
		}
	}
}

func TestRunWritesThePage(t *testing.T) {
	dir, page := writeContract(t, wide), filepath.Join(t.TempDir(), "page.md")
	if err := run(t.Context(), dir, page, false, false); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil || !strings.Contains(string(text), "## Thing.Part") {
		t.Errorf("the page is %q, %v", text, err)
	}
}
