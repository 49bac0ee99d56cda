// Protogen compiles the protobuf contract of authd and generates its Go code and the page about its messages, without
// protoc or buf on the machine.
//
//	protogen -proto DIR            write the generated code beside the .proto files, and the page (-page FILE)
//	protogen -proto DIR -check     fail if that would change a file, or if the contract breaks the released one
//	protogen -proto DIR -freeze    remember the contract as released
//
// It runs in the module of the tools, whose go.mod says which protoc-gen-go and protoc-gen-go-grpc are used.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

const releasedDir = "protogen/released"

// generators are the plugins of protoc that are run, as "go tool" knows them.
var generators = []string{"protoc-gen-go", "protoc-gen-go-grpc"}

func main() {
	dir := flag.String("proto", "", "directory with the .proto files; import paths start there")
	check := flag.Bool("check", false, "compare instead of writing")
	freeze := flag.Bool("freeze", false, "remember the contract as released")
	page := flag.String("page", "../docs/reference/protocol.md", "page about the messages")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := run(ctx, *dir, *page, *check, *freeze); err != nil {
		fmt.Fprintln(os.Stderr, "protogen:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir, page string, check, freeze bool) error {
	if dir == "" {
		return errors.New("-proto is not set; give the directory with the .proto files")
	}
	if freeze {
		return copyContract(dir, releasedDir)
	}
	files, err := compile(ctx, dir)
	if err != nil {
		return err
	}
	generated, err := generate(ctx, files)
	if err != nil {
		return err
	}
	if !check {
		return errors.Join(write(dir, generated), os.WriteFile(page, []byte(reference(files)), 0o644))
	}
	released, err := compile(ctx, releasedDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(compare(dir, generated), compareReference(page, reference(files)), compatible(released, files))
}

// protoFiles lists the .proto files below dir, relative to it.
func protoFiles(dir string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".proto" {
			return err
		}
		name, err := filepath.Rel(dir, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	return names, err
}

// compile parses and links the .proto files below dir. The well-known types of
// google/protobuf are built in.
func compile(ctx context.Context, dir string) (linker.Files, error) {
	names, err := protoFiles(dir)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no .proto file in %s", dir)
	}
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{dir}}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	return compiler.Compile(ctx, names...)
}

// generate runs the plugins and returns file name → content.
func generate(ctx context.Context, files linker.Files) (map[string]string, error) {
	request := &pluginpb.CodeGeneratorRequest{Parameter: proto.String("paths=source_relative")}
	seen := map[string]bool{}
	for _, file := range files {
		request.FileToGenerate = append(request.FileToGenerate, file.Path())
		addWithImports(request, file, seen)
	}
	input, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	generated := map[string]string{}
	for _, generator := range generators {
		var stdout, stderr bytes.Buffer
		cmd := exec.CommandContext(ctx, "go", "tool", generator)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("go tool %s: %w\n%s", generator, err, stderr.String())
		}
		var response pluginpb.CodeGeneratorResponse
		if err := proto.Unmarshal(stdout.Bytes(), &response); err != nil {
			return nil, fmt.Errorf("go tool %s: %w", generator, err)
		}
		if response.Error != nil {
			return nil, fmt.Errorf("go tool %s: %s", generator, response.GetError())
		}
		for _, file := range response.File {
			generated[file.GetName()] = file.GetContent()
		}
	}
	return generated, nil
}

// addWithImports adds a file after everything that it imports, as the plugins demand.
func addWithImports(request *pluginpb.CodeGeneratorRequest, file linker.File, seen map[string]bool) {
	if seen[file.Path()] {
		return
	}
	seen[file.Path()] = true
	imports := file.Imports()
	for i := range imports.Len() {
		if dep := file.FindImportByPath(imports.Get(i).Path()); dep != nil {
			addWithImports(request, dep, seen)
		}
	}
	request.ProtoFile = append(request.ProtoFile, descriptor(file))
}

func descriptor(file linker.File) *descriptorpb.FileDescriptorProto {
	if result, ok := file.(linker.Result); ok {
		return result.FileDescriptorProto()
	}
	return protodesc.ToFileDescriptorProto(file)
}

func write(dir string, generated map[string]string) error {
	for name, text := range generated {
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// compare finds generated files that are missing, old, or left over.
func compare(dir string, generated map[string]string) error {
	var wrong []string
	for name, text := range generated {
		have, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil || string(have) != text {
			wrong = append(wrong, name)
		}
	}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".pb.go") {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if _, ok := generated[filepath.ToSlash(name)]; !ok {
			wrong = append(wrong, name)
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return fmt.Errorf("not what the .proto files say; run \"make proto\": %s", strings.Join(wrong, ", "))
	}
	return nil
}

// copyContract copies the .proto files from one directory to another.
func copyContract(from, to string) error {
	names, err := protoFiles(from)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(from, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		target := filepath.Join(to, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
