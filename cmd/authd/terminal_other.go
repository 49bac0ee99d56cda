//go:build !linux

package main

import (
	"context"
	"errors"
	"io"
	"os"
)

// isTerminal is false where authd can't hide what is typed; --password-stdin works everywhere.
func isTerminal(*os.File) bool { return false }

func askHidden(context.Context, *os.File, io.Writer, string) (string, error) {
	return "", errors.New("give the password with --password-stdin")
}
