package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	toml "github.com/pelletier/go-toml/v2"
)

// LockFileName is what a lock file is called, beside the configuration file.
const LockFileName = "authd.lock"

const (
	lockVersion = 1
	lockFileMax = 1 << 20
)

// LockFile is the content of a lock file.
type LockFile struct {
	// Version of the format.
	Version int `toml:"version"`
	// Plugins that may be run, by name.
	Plugins map[string]LockedPlugin `toml:"plugins"`
}

// LockedPlugin says what a plugin must be.
type LockedPlugin struct {
	// Version as the plugin declares it.
	Version string `toml:"version"`
	// Protocol that it speaks, such as "1.0".
	Protocol string `toml:"protocol"`
	// Types that it may serve.
	Types []string `toml:"types"`
	// SHA256 of the executable in hex: one for each platform that it is built for.
	SHA256 []string `toml:"sha256"`
	// EgressPorts are the TCP ports besides 443 that its processes may connect to in the strict sandbox, written by
	// the operator. Empty: whatever a provider asks for.
	EgressPorts []uint16 `toml:"egress_ports,omitempty"`
}

var lockDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// ReadLockFile reads a lock file. Whatever is not as it must be is an error: unknown keys, missing ones, more than
// 1 MiB.
func ReadLockFile(path string) (file LockFile, err error) {
	f, err := os.Open(path)
	if err != nil {
		return LockFile{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	text, err := io.ReadAll(io.LimitReader(f, lockFileMax+1))
	if err != nil {
		return LockFile{}, fmt.Errorf("%s can't be read: %w", path, err)
	}
	if len(text) > lockFileMax {
		return LockFile{}, fmt.Errorf("%s is longer than a lock file", path)
	}
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&file); err != nil {
		var strict *toml.StrictMissingError
		if errors.As(err, &strict) && len(strict.Errors) > 0 {
			line, _ := strict.Errors[0].Position()
			return LockFile{}, fmt.Errorf("%s is damaged: line %d has a key that no lock file has", path, line)
		}
		return LockFile{}, fmt.Errorf("%s is damaged: %w", path, err)
	}
	if err := file.check(); err != nil {
		return LockFile{}, fmt.Errorf("%s is damaged: %w", path, err)
	}
	return file, nil
}

func (f LockFile) check() error {
	if f.Version != lockVersion {
		return fmt.Errorf("its version is %d, and this authd knows %d", f.Version, lockVersion)
	}
	for name, p := range f.Plugins {
		switch {
		case !pluginName.MatchString(namePrefix + name):
			return fmt.Errorf("%q is not the name of a plugin", name)
		case p.Version == "" || p.Protocol == "" || len(p.Types) == 0 || len(p.SHA256) == 0:
			return fmt.Errorf("plugin %s lacks version, protocol, types or sha256", name)
		case slices.Contains(p.EgressPorts, 0):
			return fmt.Errorf("plugin %s has 0 among its egress_ports, which is no port", name)
		}
		for _, sum := range p.SHA256 {
			if !lockDigest.MatchString(sum) {
				return fmt.Errorf("plugin %s has a sha256 that is not 64 of 0-9 and a-f", name)
			}
		}
	}
	return nil
}

const lockHead = `# Written by authd plugin lock; commit it beside authd.toml. While it is there authd runs no other plugin than these,
# with none but these bytes. After an update that you meant: authd plugin lock --update NAME. Comments are not kept.
# egress_ports is yours to add: the TCP ports besides 443 that a plugin may connect to in the strict sandbox.
`

// Write replaces the file at path at once: whoever reads it sees the old one or the new one. It is sorted, so that two
// of them compare well, and has mode 0644.
func (f LockFile) Write(path string) (err error) {
	f.Version = lockVersion
	if err := f.check(); err != nil {
		return fmt.Errorf("%s is not written: %w", path, err)
	}
	text := bytes.NewBufferString(lockHead)
	if err := toml.NewEncoder(text).Encode(f); err != nil {
		return fmt.Errorf("%s can't be written: %w", path, err)
	}
	next, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".")
	if err != nil {
		return fmt.Errorf("%s can't be written: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("%s can't be written: %w", path, err), os.Remove(next.Name()))
		}
	}()
	_, err = next.Write(text.Bytes())
	if err = errors.Join(err, next.Chmod(0o644), next.Sync(), next.Close()); err != nil {
		return err
	}
	return os.Rename(next.Name(), path)
}
