package sdk_test

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	pb "github.com/authd/authd/sdk/proto/provider/v1"
	"github.com/authd/authd/sdk/providertest"
)

// TestDocIsTheExample: the provider in the documentation is the one that is compiled and tested here.
func TestDocIsTheExample(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(file.Doc.Text(), "# A complete provider\n")
	if !found {
		t.Fatal("doc.go has no section about a complete provider")
	}
	section, _, _ = strings.Cut(section, "And the program:")
	var code []string
	for _, line := range strings.Split(section, "\n") {
		if rest, ok := strings.CutPrefix(line, "\t"); ok {
			code = append(code, rest)
		} else if line == "" && len(code) > 0 {
			code = append(code, "")
		}
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, want, found := strings.Cut(string(example), "// From here on the file is the code of doc.go.\n\n")
	if !found {
		t.Fatal("example_test.go does not say where the code of doc.go begins")
	}
	if diff := cmp.Diff(want, strings.TrimRight(strings.Join(code, "\n"), "\n")+"\n"); diff != "" {
		t.Errorf("the code of doc.go (-example_test.go +doc.go):\n%s", diff)
	}
}

// TestExample: the provider of the documentation passes the acceptance kit, as the documentation says to run it.
func TestExample(t *testing.T) {
	providertest.Run(t, providertest.Harness{
		Type: Acme(),
		Settings: func(idp *devidp.Server) map[string]string {
			return map[string]string{"base_url": idp.URL(), "client_id": "demo", "client_secret": "demo-secret"}
		},
	})
}

// TestDocNamesEveryFile: a map with a white spot leads astray.
func TestDocNamesEveryFile(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if name != "doc.go" && !strings.HasSuffix(name, "_test.go") && !strings.Contains(string(doc), name) {
			t.Errorf("the map in doc.go does not show %s", name)
		}
	}
}

// TestProtocolPage: whoever writes a plugin without Go finds every method, message, field and value of the wire in
// docs/plugins/protocol.md, and none that is gone.
func TestProtocolPage(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "docs", "plugins", "protocol.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	known := map[string]bool{}
	need := func(what string, name protoreflect.Name) {
		known[string(name)] = true
		if !regexp.MustCompile(`\b` + regexp.QuoteMeta(string(name)) + `\b`).MatchString(page) {
			t.Errorf("protocol.md does not mention the %s %s", what, name)
		}
	}
	file := pb.File_provider_v1_provider_proto
	service := file.Services().ByName("Provider")
	for i := range service.Methods().Len() {
		method := service.Methods().Get(i)
		need("method", method.Name())
		row := regexp.MustCompile(`(?m)^\| ` + string(method.Name()) + ` \|.*$`).FindString(page)
		for _, m := range []protoreflect.MessageDescriptor{method.Input(), method.Output()} {
			for j := range m.Fields().Len() {
				if name := string(m.Fields().Get(j).Name()); !strings.Contains(row, name) {
					t.Errorf("protocol.md: the row of %s does not mention the field %s of %s", method.Name(), name, m.Name())
				}
			}
		}
	}
	for i := range file.Messages().Len() {
		message := file.Messages().Get(i)
		need("message", message.Name())
		for j := range message.Fields().Len() {
			need("field", message.Fields().Get(j).Name())
		}
		for j := range message.Enums().Len() {
			needValues(need, message.Enums().Get(j))
		}
	}
	for i := range file.Enums().Len() {
		needValues(need, file.Enums().Get(i))
	}
	// Names in the style of the proto file that are not, or no longer, in it.
	for _, name := range regexp.MustCompile(`\b(?:CAPABILITY|SOURCE|SEVERITY)_[A-Z_]+\b|\b[A-Z][A-Za-z]+(?:Request|Response)\b`).FindAllString(page, -1) {
		if !known[name] {
			t.Errorf("protocol.md mentions %s, which is not on the wire", name)
		}
	}
	for _, want := range []string{sdk.Handshake().MagicCookieKey, sdk.Handshake().MagicCookieValue, "1|1|unix|", "GRPCController"} {
		if !strings.Contains(page, want) {
			t.Errorf("protocol.md does not mention %s", want)
		}
	}
}

func needValues(need func(string, protoreflect.Name), enum protoreflect.EnumDescriptor) {
	for i := range enum.Values().Len() {
		if value := enum.Values().Get(i); value.Number() != 0 {
			need("value", value.Name())
		}
	}
}

// TestWritePage: the short page for authors shows commands and names that exist.
func TestWritePage(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "docs", "plugins", "write-one.md"))
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`\]\(([^)#]+)`).FindAllStringSubmatch(string(raw), -1)
	if len(links) == 0 {
		t.Error("write-one.md leads nowhere")
	}
	for _, link := range links {
		if strings.Contains(link[1], "://") {
			continue
		}
		if _, err := os.Stat(filepath.Join("..", "docs", "plugins", filepath.FromSlash(link[1]))); err != nil {
			t.Errorf("write-one.md: %v", err)
		}
	}
	for _, flag := range []string{"-describe", "-version", "-debug"} {
		if !slices.Contains(strings.Fields(strings.NewReplacer("`", " ", ",", " ").Replace(string(raw))), flag) {
			t.Errorf("write-one.md does not mention the flag %s", flag)
		}
	}
}
