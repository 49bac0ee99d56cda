package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// format is the value of -o.
type format string

// String implements pflag.Value.
func (f *format) String() string { return string(*f) }

// Set implements pflag.Value.
func (f *format) Set(s string) error {
	if s != "text" && s != "json" {
		return fmt.Errorf("use text or json")
	}
	*f = format(s)
	return nil
}

// Type implements pflag.Value.
func (f *format) Type() string { return "text|json" }

// formatFlag adds -o.
func formatFlag(c *cobra.Command, f *format) {
	*f = "text"
	c.Flags().VarP(f, "output", "o", "how to print the result")
}

// table is a result for people; value is the same for programs. notes are sentences, which would not fit into a row.
type table struct {
	header []string
	rows   [][]string
	notes  []string
	value  any
}

// write prints the result in the chosen format.
func (f format) write(w io.Writer, t table) error {
	if f == "json" {
		return writeJSON(w, t.value)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{t.header}, t.rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			if cells[i] = oneLine(cell); cells[i] == "" {
				cells[i] = "-"
			}
		}
		if _, err := fmt.Fprintln(tw, strings.Join(cells, "\t")); err != nil {
			return err
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	below := ""
	for _, note := range t.notes {
		below += "\n" + oneLine(note)
	}
	if below == "" {
		return nil
	}
	_, err := fmt.Fprintln(w, below)
	return err
}

func writeJSON(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(value)
}
