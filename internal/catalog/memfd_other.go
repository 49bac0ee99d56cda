//go:build !linux

package catalog

import (
	"errors"
	"os"
)

// sealable always fails: there are no files in memory.
func sealable(string) (*os.File, error) { return nil, errors.ErrUnsupported }

// seal and duplicate have nothing to work on.
func seal(*os.File) error { return errors.ErrUnsupported }

func duplicate(*os.File) (*os.File, error) { return nil, errors.ErrUnsupported }
