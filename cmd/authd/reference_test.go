package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

//go:generate go test -run ^TestReference$ -update .

var update = flag.Bool("update", false, "write the reference instead of comparing it")

const referenceFile = "../../docs/reference/cli.md"

// TestReference keeps the reference in step with the commands; `go generate` writes it.
func TestReference(t *testing.T) {
	want := reference(newRoot(&app{}))
	if *update {
		if err := os.WriteFile(referenceFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is not what the commands say; run go generate ./cmd/authd (-want +got):\n%s", referenceFile, diff)
	}
}

func reference(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString(`# Commands

<!-- Generated from cmd/authd by go generate. Do not edit. -->

Every command takes ` + "`--help`" + `; those that print a table take ` + "`-o json`" + `. Errors go to standard error, one line each, with
what is wrong and how to mend it.

| exit code | means |
|-|-|
| 0 | done |
| 1 | it failed, or a check did |
| 2 | wrong arguments, or a faulty configuration |
`)
	writeCommand(&b, root)
	return b.String()
}

func writeCommand(b *strings.Builder, c *cobra.Command) {
	if c.Runnable() && !c.HasAvailableSubCommands() {
		text := c.Short + "."
		if c.Long != "" {
			text = strings.TrimSpace(c.Long)
		}
		text = strings.ReplaceAll(text, "\n  ", "\n    ") // what a help text indents Markdown would run together
		fmt.Fprintf(b, "\n## `%s`\n\n%s\n", strings.TrimSuffix(c.UseLine(), " [flags]"), text)
		if c.Example != "" {
			fmt.Fprintf(b, "\n```sh\n%s\n```\n", strings.TrimPrefix(strings.ReplaceAll(c.Example, "\n  ", "\n"), "  "))
		}
		writeFlags(b, c)
	}
	for _, child := range c.Commands() {
		if child.IsAvailableCommand() && child.Name() != "help" && child.Parent().Name() != "completion" {
			writeCommand(b, child)
		}
	}
	if c.Name() == "completion" {
		b.WriteString("\n## `authd completion SHELL`\n\nPrint what makes a shell complete authd's commands: bash, zsh, fish or powershell. `authd completion bash --help` says\nhow to load it.\n")
	}
}

func writeFlags(b *strings.Builder, c *cobra.Command) {
	rows := 0
	c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		if rows++; rows == 1 {
			b.WriteString("\n| flag | meaning |\n|-|-|\n")
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if kind := f.Value.Type(); kind != "bool" {
			name += " " + strings.ReplaceAll(kind, "|", `\|`)
		}
		fmt.Fprintf(b, "| `%s` | %s |\n", name, f.Usage)
	})
}

// Every command says in one line what it does, without a full stop, and leaves the exit code to report.
func TestEveryCommandIsDescribed(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || len(c.Short) > 80 {
			t.Errorf("%s: Short is %q", c.CommandPath(), c.Short)
		}
		if c.Run != nil && c.Name() != "help" {
			t.Errorf("%s has Run, whose errors nobody sees; use RunE", c.CommandPath())
		}
		for _, child := range c.Commands() {
			walk(child)
		}
	}
	walk(newRoot(&app{}))
}

// Whoever copies an example of a help text gets a command line that authd takes.
func TestExamples(t *testing.T) {
	seen := 0
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		for line := range strings.Lines(c.Example) {
			for _, part := range strings.Split(line, "&&") {
				_, words, ours := strings.Cut(" "+strings.Trim(part, " \n)"), " authd ")
				if !ours {
					continue
				}
				seen++
				words, _, _ = strings.Cut(words, " > ")
				root := newRoot(&app{})
				named, args, err := root.Find(splitWords(words))
				if err == nil {
					err = named.ParseFlags(args)
				}
				if err == nil && named.Args != nil {
					err = named.ValidateArgs(named.Flags().Args())
				}
				if err != nil || !named.Runnable() || named.HasSubCommands() {
					t.Errorf("%s: the example %q: %v", c.CommandPath(), line, err)
				}
				if c.HasParent() && named.CommandPath() != c.CommandPath() {
					t.Errorf("%s has an example of %s", c.CommandPath(), named.CommandPath())
				}
			}
		}
		for _, child := range c.Commands() {
			if child.Name() != "completion" {
				walk(child)
			}
		}
	}
	walk(newRoot(&app{}))
	if seen < 15 {
		t.Errorf("%d examples were found", seen)
	}
}

// splitWords splits a line as a shell does that knows double quotes only.
func splitWords(line string) []string {
	var words []string
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}
