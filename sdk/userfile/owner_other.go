//go:build !unix

package userfile

import "os"

// own does nothing: the new file inherits what its directory gives.
func (s *Snapshot) own(*os.File) error { return nil }
