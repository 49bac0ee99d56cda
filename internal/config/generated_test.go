package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"
	orderedmap "github.com/pb33f/ordered-map/v2"
	toml "github.com/pelletier/go-toml/v2"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write the generated files instead of comparing them")

const (
	schemaFile    = "schema.json"
	referenceFile = "../../docs/reference/configuration.md"
)

// TestGenerated keeps schema.json and the reference in step with types.go; `go generate` writes them.
func TestGenerated(t *testing.T) {
	docs := readDocs(t)
	for path, want := range map[string]string{schemaFile: makeSchema(t, docs), referenceFile: makeReference(docs)} {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s is not what types.go says; run go generate ./internal/config (-want +got):\n%s", path, diff)
		}
	}
}

// comments of types.go.
// :: "Server" → of the type, "Server.Listen" → of the field
type comments map[string]string

func readDocs(t *testing.T) comments {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "types.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	docs := comments{}
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range gen.Specs {
			if typ, ok := spec.(*ast.TypeSpec); ok {
				docs[typ.Name.Name] = paragraph(gen.Doc.Text())
				docs.addFields(typ)
			}
		}
	}
	return docs
}

func (c comments) addFields(typ *ast.TypeSpec) {
	s, ok := typ.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range s.Fields.List {
		for _, name := range f.Names {
			c[typ.Name.Name+"."+name.Name] = paragraph(f.Doc.Text())
		}
	}
}

func paragraph(text string) string { return strings.Join(strings.Fields(text), " ") }

// forKey is a field's comment as the operator reads it: without Go's name for it.
func (c comments) forKey(t reflect.Type, f field) string {
	name := t.Field(f.index).Name
	text := strings.TrimPrefix(c[t.Name()+"."+name], name+" ")
	for _, verb := range []string{"is ", "are "} {
		text = strings.TrimPrefix(text, verb)
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

func TestEveryKeyIsDocumented(t *testing.T) {
	docs := readDocs(t)
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for _, f := range fieldsOf(typ) {
			name := typ.Name() + "." + typ.Field(f.index).Name
			if docs[name] == "" {
				t.Errorf("%s has no comment", name)
			}
			if f.isTable() {
				walk(f.typ)
			} else if f.isTables() {
				walk(f.typ.Elem())
			} else if f.def == "" && f.typ.Kind() != reflect.Bool && f.key != "id" && f.key != "host" && f.key != "path" &&
				!strings.Contains(docs[name], "Empty: ") && f.key != "redirect_uris" {
				t.Errorf("%s has no default and its comment does not say what empty means", name)
			}
		}
	}
	walk(reflect.TypeFor[Config]())
}

func makeSchema(t *testing.T, docs comments) string {
	t.Helper()
	r := jsonschema.Reflector{
		FieldNameTag: "toml", Anonymous: true, ExpandedStruct: true, RequiredFromJSONSchemaTags: true,
		Mapper: func(typ reflect.Type) *jsonschema.Schema {
			switch typ {
			case reflect.TypeFor[time.Duration]():
				return &jsonschema.Schema{Type: "string", Pattern: `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`}
			case reflect.TypeFor[Ports]():
				port := &jsonschema.Schema{Type: "integer", Minimum: "1", Maximum: "65535"}
				return &jsonschema.Schema{Type: "array", Items: port}
			case reflect.TypeFor[OneOrMore]():
				one := &jsonschema.Schema{Type: "string"}
				return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{one, {Type: "array", Items: one}}}
			}
			return nil
		},
	}
	root := r.Reflect(&Config{})
	refine(t, docs, root, reflect.TypeFor[Config](), root.Definitions)
	root.Title = "authd.toml"
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out) + "\n"
}

// refine adds to the schema of a table what reflection does not see: comments, defaults, enums and KEY_file.
func refine(t *testing.T, docs comments, s *jsonschema.Schema, typ reflect.Type, defs jsonschema.Definitions) {
	t.Helper()
	refined := orderedmap.New[string, *jsonschema.Schema]()
	for _, f := range fieldsOf(typ) {
		property, ok := s.Properties.Get(f.key)
		if !ok {
			t.Fatalf("the schema of %s has no %s", typ.Name(), f.key)
		}
		property.Description = docs.forKey(typ, f)
		property.Default = schemaDefault(f)
		for _, value := range f.enum {
			property.Enum = append(property.Enum, value)
		}
		refined.Set(f.key, property)
		if f.secret != "" {
			file := &jsonschema.Schema{Type: "string", Description: "Path of a file that holds " + f.key + "; a line end at its end is cut off."}
			if f.typ == reflect.TypeFor[OneOrMore]() {
				file = &jsonschema.Schema{AnyOf: property.AnyOf, Description: file.Description}
			}
			refined.Set(f.key+fileSuffix, file)
		}
		if f.isTable() {
			refine(t, docs, defs[f.typ.Name()], f.typ, defs)
		} else if f.isTables() {
			refine(t, docs, defs[f.typ.Elem().Name()], f.typ.Elem(), defs)
		}
	}
	s.Properties = refined
	if typ == reflect.TypeFor[ProviderTable]() {
		s.AdditionalProperties = &jsonschema.Schema{
			AnyOf:       []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}},
			Description: "A setting of the provider's type: see `authd plugin describe TYPE`.",
		}
		s.Required = []string{"id"}
	}
}

func schemaDefault(f field) any {
	switch {
	case f.def == "":
		return nil
	case f.typ.Kind() == reflect.Bool:
		return f.def == "true"
	}
	return f.def
}

// validate checks a TOML document against the schema that authd prints.
func validate(t *testing.T, document string) error {
	t.Helper()
	parsed, err := validator.UnmarshalJSON(strings.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := validator.NewCompiler()
	if err := compiler.AddResource("authd.json", parsed); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("authd.json")
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := toml.Unmarshal([]byte(document), &tree); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	value, err := validator.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return compiled.Validate(value)
}

func TestSchema(t *testing.T) {
	if err := validate(t, everything); err != nil {
		t.Errorf("a file with every key does not fit: %v", err)
	}
	for name, document := range map[string]string{
		"unknown key":        "[server]\nlisten_on = \"127.0.0.1:1\"",
		"unknown table":      "[servers]\n",
		"wrong kind":         "[session]\nlifetime = 3",
		"not a duration":     "[session]\nlifetime = \"ten days\"",
		"value outside enum": "[log]\nlevel = \"loud\"",
		"provider, no id":    "[[providers]]\ntype = \"github\"",
		"setting, a list":    "[[providers]]\nid = \"github\"\nclient_id = [\"a\"]",
	} {
		if validate(t, document) == nil {
			t.Errorf("%s: the schema accepts\n%s", name, document)
		}
	}
}

func makeReference(docs comments) string {
	var b strings.Builder
	b.WriteString(`# Configuration

<!-- Generated from internal/config/types.go by go generate. Do not edit. -->

authd reads ` + "`authd.toml`" + ` from its working directory, or the file that ` + "`--config`" + ` names. Nothing in it has to be
there: whatever can be set in the file can be set in the environment, which wins over the file. Where both say nothing
the default holds.

- In the environment a key is ` + "`AUTHD_`" + ` and its path in upper case; each entry below names it. Lists are separated by
  commas, and the tables of a list are numbered from 0: ` + "`AUTHD_PROVIDERS_0_ID`" + `.
- Every secret key also exists as ` + "`KEY_file`" + ` (` + "`AUTHD_…_FILE`" + `): the path of a file that holds the secret. A line end at its
  end is cut off. authd warns of a file that everybody on the machine can read.
- Relative paths start at the working directory.
- An unknown key or an unknown ` + "`AUTHD_`" + ` name is an error. ` + "`authd config check`" + ` names all errors at once, ` + "`authd config print`" + `
  shows what is in force, ` + "`authd config schema`" + ` prints a JSON Schema for editors.

Providers need no table: see [providers from the environment](#providers-from-the-environment).
`)
	writeTable(&b, docs, "", "", reflect.TypeFor[Config]())
	b.WriteString(environmentReference)
	return b.String()
}

const environmentReference = `
## Providers from the environment

Each setting of a provider type has a name in the environment; ` + "`authd plugin describe TYPE`" + ` lists them. When all that a
type requires is set and no ` + "`[[providers]]`" + ` table has the type's name as its id, the provider is on, with that id.

| variable | meaning |
|-|-|
| ` + "`OAUTH_GITHUB_CLIENT_ID`" + ` and the like | a setting of the provider whose id equals its type |
| ` + "`OAUTH_<ID>_<SETTING>`" + ` | a setting of any other provider; in the id, ` + "`-`" + ` is written ` + "`_`" + ` |
| the same with ` + "`_FILE`" + ` | the path of a file that holds the setting, if it is secret |
| ` + "`OAUTH_<ID>_PROMPT`" + ` | the provider's prompt |
| ` + "`OAUTH_PROMPT`" + ` | the same as ` + "`login.prompt`" + ` |
| ` + "`OAUTH_KEYCLOAK_NAME`" + ` | renames the provider that the environment made: its label, and in lower case its id; so for every type that has a setting ` + "`name`" + ` |

What a provider's table says wins over these names. The prompt is the table's, else ` + "`OAUTH_<ID>_PROMPT`" + `, else for a provider
that goes by the names of its type the prompt of the type (` + "`OAUTH_KEYCLOAK_PROMPT`" + ` for a renamed Keycloak,
` + "`OAUTH_AWS_COGNITO_PROMPT`" + ` or ` + "`OAUTH_COGNITO_PROMPT`" + ` for Cognito), else ` + "`login.prompt`" + `.

A provider that lacks something does not keep authd from starting: it is shown as not available, and the log and
` + "`authd provider list`" + ` say what to set.
`

func writeTable(b *strings.Builder, docs comments, path, env string, typ reflect.Type) {
	for _, f := range fieldsOf(typ) {
		if !f.isTable() && !f.isTables() {
			writeKey(b, docs, path, env, typ, f)
		}
	}
	for _, f := range fieldsOf(typ) {
		at, name := join(path, f.key), env+"_"+strings.ToUpper(f.key)
		switch {
		case f.isTable():
			fmt.Fprintf(b, "\n## `[%s]`\n\n%s\n", at, markdown(docs.forKey(typ, f)))
			writeTable(b, docs, at, name, f.typ)
		case f.isTables():
			text := strings.TrimPrefix(docs[f.typ.Elem().Name()], f.typ.Elem().Name()+" is ")
			fmt.Fprintf(b, "\n## `[[%s]]`\n\n%s\n\n%s\n", at, markdown(strings.ToUpper(text[:1])+text[1:]), markdown(docs.forKey(typ, f)))
			writeTable(b, docs, at, name+"_0", f.typ.Elem())
		}
	}
}

func writeKey(b *strings.Builder, docs comments, path, env string, typ reflect.Type, f field) {
	kind := map[reflect.Type]string{
		reflect.TypeFor[string](): "string", reflect.TypeFor[bool](): "true or false", reflect.TypeFor[time.Duration](): "duration",
		reflect.TypeFor[[]string](): "list of strings", reflect.TypeFor[OneOrMore](): "string or list of strings",
		reflect.TypeFor[map[string]string](): "table of strings", reflect.TypeFor[Ports](): "list of ports",
	}[f.typ]
	def := cmp.Or(f.def, map[bool]string{true: "false"}[f.typ.Kind() == reflect.Bool])
	if def != "" {
		def = fmt.Sprintf(" · default `%s`", def)
	}
	secret := ""
	if f.secret != "" {
		secret = fmt.Sprintf(" · secret: also `%s%s`", f.key, fileSuffix)
	}
	fmt.Fprintf(b, "\n### `%s`\n\n%s%s%s · `AUTHD%s_%s`\n\n%s\n", join(path, f.key), kind, def, secret, env, strings.ToUpper(f.key), markdown(docs.forKey(typ, f)))
}

// markdown keeps a sentence from being read as markup.
func markdown(text string) string {
	return strings.NewReplacer("<", "&lt;", "*", `\*`, "[", `\[`).Replace(text)
}
