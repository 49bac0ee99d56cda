package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// referenceHead begins the page for authors who read no .proto file.
const referenceHead = `# The messages of the plugin protocol

<!-- Generated from sdk/proto by protogen ("make proto"). Do not edit. -->

Every method, message and field of the wire, with its number. [protocol.md](../plugins/protocol.md) tells how a plugin
lives and how it reports errors. A field marked *secret* holds a secret or personal data: don't log it.
`

// reference renders the contract as a page in Markdown.
func reference(files linker.Files) string {
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, file := range files {
		if about := comment(file.SourceLocations().ByPath(protoreflect.SourcePath{2})); about != "" {
			fmt.Fprintf(&b, "\n%s\n", about)
		}
		for i := range file.Services().Len() {
			referenceService(&b, file, file.Services().Get(i))
		}
		for i := range file.Enums().Len() {
			referenceEnum(&b, file, file.Enums().Get(i))
		}
		for i := range file.Messages().Len() {
			referenceMessage(&b, file, file.Messages().Get(i))
		}
	}
	return b.String()
}

func referenceService(b *strings.Builder, file linker.File, s protoreflect.ServiceDescriptor) {
	fmt.Fprintf(b, "\n## Service %s\n\n`%s`. %s\n\n| method | gets | gives | |\n|-|-|-|-|\n", s.Name(), s.FullName(), described(file, s))
	for i := range s.Methods().Len() {
		m := s.Methods().Get(i)
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", m.Name(), link(m.Input()), link(m.Output()), cell(described(file, m)))
	}
}

func referenceEnum(b *strings.Builder, file linker.File, e protoreflect.EnumDescriptor) {
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n| value | number | |\n|-|-|-|\n", shortName(e), described(file, e))
	for i := range e.Values().Len() {
		v := e.Values().Get(i)
		fmt.Fprintf(b, "| `%s` | %d | %s |\n", v.Name(), v.Number(), cell(described(file, v)))
	}
}

func referenceMessage(b *strings.Builder, file linker.File, m protoreflect.MessageDescriptor) {
	if m.IsMapEntry() {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n", shortName(m))
	if about := described(file, m); about != "" {
		fmt.Fprintf(b, "%s\n\n", about)
	}
	if m.Fields().Len() == 0 {
		b.WriteString("No fields.\n")
	} else {
		b.WriteString("| field | number | type | |\n|-|-|-|-|\n")
	}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		about := described(file, f)
		if f.Options().(*descriptorpb.FieldOptions).GetDebugRedact() {
			about = strings.TrimSpace("*secret* " + about)
		}
		fmt.Fprintf(b, "| `%s` | %d | %s | %s |\n", f.Name(), f.Number(), fieldType(f), cell(about))
	}
	for i := range m.Enums().Len() {
		referenceEnum(b, file, m.Enums().Get(i))
	}
	for i := range m.Messages().Len() {
		referenceMessage(b, file, m.Messages().Get(i))
	}
}

// fieldType is the type as the .proto file has it, with links to the messages of this page.
func fieldType(f protoreflect.FieldDescriptor) string {
	switch {
	case f.IsMap():
		return "map of " + fieldType(f.MapKey()) + " to " + fieldType(f.MapValue())
	case f.IsList():
		return "list of " + singleType(f)
	case f.HasOptionalKeyword():
		return "optional " + singleType(f)
	}
	return singleType(f)
}

func singleType(f protoreflect.FieldDescriptor) string {
	switch {
	case f.Message() != nil:
		return link(f.Message())
	case f.Enum() != nil:
		return link(f.Enum())
	}
	return f.Kind().String()
}

// link names a message or an enum and leads to it; google's own lead nowhere.
func link(d protoreflect.Descriptor) string {
	if d.ParentFile().Package() == "google.protobuf" {
		return "`" + string(d.FullName()) + "`"
	}
	name := shortName(d)
	return "[" + name + "](#" + strings.ToLower(strings.ReplaceAll(name, ".", "")) + ")"
}

// shortName is the name without the package.
func shortName(d protoreflect.Descriptor) string {
	return strings.TrimPrefix(string(d.FullName()), string(d.ParentFile().Package())+".")
}

func described(file linker.File, d protoreflect.Descriptor) string {
	return comment(file.SourceLocations().ByDescriptor(d))
}

// comment is the text above or beside a declaration, on one line for each paragraph.
func comment(at protoreflect.SourceLocation) string {
	text := strings.TrimSpace(at.LeadingComments + "\n" + at.TrailingComments)
	var paragraphs []string
	for _, paragraph := range strings.Split(text, "\n\n") {
		paragraphs = append(paragraphs, strings.Join(strings.Fields(paragraph), " "))
	}
	return strings.Join(paragraphs, "\n\n")
}

// cell makes a text fit into a table.
func cell(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\n\n", " "), "|", `\|`)
}

// compareReference finds a page that is missing or old.
func compareReference(path, text string) error {
	have, err := os.ReadFile(path)
	if err != nil || string(have) != text {
		return fmt.Errorf("%s is not what the .proto files say; run \"make proto\"", path)
	}
	return nil
}
