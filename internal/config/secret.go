package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
)

// maxSecretFile bounds what is read from a file named in the configuration: whoever names a disk by mistake shall
// get an error and not run out of memory.
const maxSecretFile = 64 << 10

// readSecretFiles replaces each KEY_file by the contents of the file.
func (l *loader) readSecretFiles() {
	for _, path := range slices.Sorted(maps.Keys(l.secretFiles)) {
		var secrets []string
		for _, file := range l.secretFiles[path] {
			secret, warning, err := readSecret(file)
			if err != nil {
				l.fault(path+fileSuffix, err.Error(), "check the path and who may read it")
				continue
			}
			if warning != "" {
				l.warn(warning)
			}
			secrets = append(secrets, secret)
		}
		l.setSecret(path, secrets)
	}
}

func (l *loader) setSecret(path string, secrets []string) {
	switch target := l.lookup(path).Addr().Interface().(type) {
	case *OneOrMore:
		*target = secrets
	case *string:
		if len(l.secretFiles[path]) > 1 {
			l.fault(path+fileSuffix, "names several files", "name one")
			return
		}
		*target = strings.Join(secrets, "")
	}
}

// lookup finds the field at a path such as "clients[2].secret".
func (l *loader) lookup(path string) reflect.Value {
	v := reflect.ValueOf(l.cfg).Elem()
	for step := range strings.SplitSeq(path, ".") {
		key, index, isElement := strings.Cut(strings.TrimSuffix(step, "]"), "[")
		fields := fieldsOf(v.Type())
		v = v.Field(fields[slices.IndexFunc(fields, func(f field) bool { return f.key == key })].index)
		if isElement {
			n := 0
			_, _ = fmt.Sscanf(index, "%d", &n) // we wrote it ourselves
			v = v.Index(n)
		}
	}
	return v
}

func (l *loader) warn(warning string) {
	if !slices.Contains(l.cfg.Warnings, warning) {
		l.cfg.Warnings = append(l.cfg.Warnings, warning)
	}
}

// readSecret returns what a file holds without the line end at its end, and a warning when everybody on the machine
// may read it. The error names the file and never what is in it.
func readSecret(path string) (secret, warning string, err error) {
	content, info, err := readBounded(path)
	if err != nil {
		return "", "", err
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0 {
		warning = fmt.Sprintf("%s can be read by everybody on this machine; chmod o-r it", path)
	}
	secret = strings.TrimRight(string(content), "\r\n")
	if secret == "" {
		return "", "", fmt.Errorf("%s is empty", path)
	}
	return secret, warning, nil
}

// readBounded reads a file of at most maxSecretFile bytes.
func readBounded(path string) ([]byte, fs.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, reason(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, reason(err))
	}
	content, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, reason(err))
	}
	if len(content) > maxSecretFile {
		return nil, nil, fmt.Errorf("%s is larger than %d KiB", path, maxSecretFile>>10)
	}
	return content, info, nil
}

// reason cuts an error of package os down to its cause: the path is in the message already.
func reason(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	return err
}
