package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile/linker"
)

const contract = `syntax = "proto3";
package example.v1;
option go_package = "example.org/m/v1;examplev1";
import "google/protobuf/timestamp.proto";

// Thing is a thing.
message Thing {
  string name = 1;
  optional string note = 2;
  repeated int64 sizes = 3;
  map<string, bytes> parts = 4;
  google.protobuf.Timestamp at = 5;
  Kind kind = 6;
  oneof pick { string a = 7; string b = 8; }
  message Inner { bool on = 1; }
}
enum Kind {
  KIND_UNSPECIFIED = 0;
  KIND_GOOD = 1;
}
service Maker {
  rpc Make(Thing) returns (Thing);
  rpc Watch(Thing) returns (stream Thing);
}
`

func compileText(t *testing.T, text string) linker.Files {
	t.Helper()
	files, err := compile(t.Context(), writeContract(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func writeContract(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "v1"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "v1", "example.proto"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestCompatible(t *testing.T) {
	tests := []struct {
		name, old, replacement string
		want                   string // "" is compatible
	}{
		{"nothing changed", "", "", ""},
		{"a field more", "string name = 1;", "string name = 1; string more = 20;", ""},
		{"a message more", "service Maker", "message New { string x = 1; }\nservice Maker", ""},
		{"a method more", "rpc Make(", "rpc Extra(Thing) returns (Thing); rpc Make(", ""},
		{"an enum value more", "KIND_GOOD = 1;", "KIND_GOOD = 1; KIND_BAD = 2;", ""},
		{"a comment", "// Thing is a thing.", "// Thing is another.", ""},
		{"a field retired", "repeated int64 sizes = 3;", `reserved 3; reserved "sizes";`, ""},
		{"a field gone", "repeated int64 sizes = 3;", "", "Thing.sizes = 3 is gone"},
		{"only its number reserved", "repeated int64 sizes = 3;", "reserved 3;", "Thing.sizes = 3 is gone"},
		{"a field renamed", "string name = 1;", "string label = 1;", "Thing.name = 1 is called label now"},
		{"a field renumbered", "string name = 1;", "string name = 9;", "Thing.name = 1 is gone"},
		{"another type", "string name = 1;", "bytes name = 1;", "Thing.name is optional bytes now, was optional string"},
		{"presence lost", "optional string note", "string note", "Thing.note is optional string now"},
		{"one instead of many", "repeated int64 sizes", "int64 sizes", "Thing.sizes is optional int64 now"},
		{"another map", "map<string, bytes>", "map<string, string>", "Thing.parts is map"},
		{"out of the oneof", "oneof pick { string a = 7; string b = 8; }", "string a = 7; oneof pick { string b = 8; }", "Thing.a is"},
		{"an inner message gone", "message Inner { bool on = 1; }", "", "Thing.Inner is gone"},
		{"an enum value renumbered", "KIND_GOOD = 1;", "KIND_GOOD = 2;", "KIND_GOOD = 1 is gone or has another number"},
		{"a method gone", "rpc Make(Thing) returns (Thing);", "", "Maker.Make is gone"},
		{"a method streams", "rpc Make(Thing)", "rpc Make(stream Thing)", "Maker.Make is gone or is not (example.v1.Thing)"},
		{"the service gone", "service Maker", "service Baker", "service example.v1.Maker is gone"},
		{"the package renamed", "package example.v1", "package example.v2", "message example.v1.Thing is gone"},
	}
	released := compileText(t, contract)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if !strings.Contains(contract, test.old) {
				t.Fatalf("the contract does not hold %q", test.old)
			}
			err := compatible(released, compileText(t, strings.Replace(contract, test.old, test.replacement, 1)))
			switch {
			case test.want == "" && err != nil:
				t.Errorf("error = %v, want none", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("error = %v, want one with %q", err, test.want)
			}
		})
	}
	if err := compatible(nil, released); err != nil {
		t.Errorf("nothing released yet: %v", err)
	}
}

func TestGenerateWriteCompare(t *testing.T) {
	dir := writeContract(t, contract)
	files, err := compile(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	generated, err := generate(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(maps.Keys(generated)), []string{"v1/example.pb.go", "v1/example_grpc.pb.go"}; !slices.Equal(got, want) {
		t.Fatalf("generated %v, want %v", got, want)
	}
	if text := generated["v1/example.pb.go"]; !strings.Contains(text, "// Thing is a thing.\ntype Thing struct") {
		t.Error("the comments of the contract are not in the generated code")
	}

	fails := func(want string) {
		t.Helper()
		if err := compare(dir, generated); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("compare = %v, want an error with %q", err, want)
		}
	}
	fails("v1/example.pb.go, v1/example_grpc.pb.go") // nothing is written yet
	if err := write(dir, generated); err != nil {
		t.Fatal(err)
	}
	if err := compare(dir, generated); err != nil {
		t.Errorf("compare after write: %v", err)
	}
	for name, text := range map[string]string{"example.pb.go": "package old\n", "left_over.pb.go": "package v1\n"} {
		if err := os.WriteFile(filepath.Join(dir, "v1", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fails("v1/example.pb.go, v1/left_over.pb.go")
}

func TestCopyContract(t *testing.T) {
	from, to := writeContract(t, contract), filepath.Join(t.TempDir(), "released")
	for range 2 { // the second time replaces the first
		if err := copyContract(from, to); err != nil {
			t.Fatal(err)
		}
	}
	names, err := protoFiles(to)
	if err != nil || !slices.Equal(names, []string{"v1/example.proto"}) {
		t.Errorf("copied %v, %v; want v1/example.proto", names, err)
	}
}

func TestRunRefuses(t *testing.T) {
	for name, dir := range map[string]string{
		"no directory":  "",
		"nothing there": t.TempDir(),
		"not protobuf":  writeContract(t, "syntax = nonsense"),
	} {
		if err := run(t.Context(), dir, filepath.Join(t.TempDir(), "page.md"), true, false); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
