package catalog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// trust decides which files may be run: those that nobody but root and authd's own user could have put there.
type trust struct {
	root     string // the plugins directory; no symbolic link may lead out of it
	uid      int    // authd's own user
	insecure bool   // owners and permissions are not looked at
}

func newTrust(root string, insecure bool) trust {
	return trust{root: root, uid: os.Geteuid(), insecure: insecure}
}

// fault says why the file at path may not be run and how to mend that; "" means that it may.
func (t trust) fault(path string) string {
	real, err := t.resolve(path)
	if err != nil {
		return err.Error()
	}
	info, err := os.Lstat(real)
	if err != nil {
		return fmt.Sprintf("can't be looked at: %v", err)
	}
	return t.judge(real, info, real)
}

// judge says what is wrong with a file that lies at real. attributes is a path by which the file itself is reached:
// real, or that of a file descriptor.
func (t trust) judge(real string, info fs.FileInfo, attributes string) string {
	switch {
	case !info.Mode().IsRegular():
		return "is not a regular file; put the executable itself there"
	case info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0:
		return "is setuid or setgid; run chmod ug-s " + real
	case hasCapabilities(attributes):
		return "has file capabilities; run setcap -r " + real
	case unix.Access(attributes, unix.X_OK) != nil:
		return "is not executable; run chmod +x " + real
	}
	if t.insecure {
		return ""
	}
	if why := t.writable(real, info, false); why != "" {
		return why
	}
	return t.directories(filepath.Dir(real))
}

// open opens the file at path for reading and judges what it has opened, so that it does not matter what is put at
// the path later.
func (t trust) open(path string) (*os.File, error) {
	real, err := t.resolve(path)
	if err != nil {
		return nil, err
	}
	// Without O_NONBLOCK a pipe in its place would be waited for.
	f, err := os.OpenFile(real, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("can't be opened: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("can't be looked at: %w", err), f.Close())
	}
	if why := t.judge(real, info, fdPath(f.Fd())); why != "" {
		return nil, errors.Join(errors.New(why), f.Close())
	}
	return f, nil
}

// resolve follows symbolic links, as long as they stay inside the plugins directory.
func (t trust) resolve(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("can't be found: %w", err)
	}
	root, err := filepath.EvalSymlinks(t.root)
	if err != nil {
		return "", fmt.Errorf("lies in a directory that can't be found: %w", err)
	}
	if inside, err := filepath.Rel(root, real); err != nil || !filepath.IsLocal(inside) {
		return "", fmt.Errorf("is a symbolic link out of %s to %s; put the executable itself there", t.root, real)
	}
	return real, nil
}

// directories looks at every directory from dir up to the root of the file system: whoever may rename one of
// them may put another file in the plugin's place. A sticky one above the plugins directory (such as /tmp) is
// fine, since only the owner may rename what is in it.
func (t trust) directories(dir string) string {
	root, err := filepath.EvalSymlinks(t.root)
	if err != nil {
		return fmt.Sprintf("lies in a directory that can't be found: %v", err)
	}
	for {
		info, err := os.Lstat(dir)
		if err != nil {
			return fmt.Sprintf("lies in a directory that can't be looked at: %v", err)
		}
		above := len(dir) < len(root)
		if why := t.writable(dir, info, above); why != "" {
			return why
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
		dir = filepath.Dir(dir)
	}
}

// writable says who else may change the file or directory.
func (t trust) writable(path string, info fs.FileInfo, stickyOK bool) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Sprintf("has an owner that can't be told: %s", path)
	}
	if owner := int(stat.Uid); owner != 0 && owner != t.uid {
		return fmt.Sprintf("can't be trusted: %s belongs to uid %d, neither root nor authd's own (%d); run chown %d %s", path, owner, t.uid, t.uid, path)
	}
	if info.Mode().Perm()&0o022 != 0 && !(stickyOK && info.Mode()&fs.ModeSticky != 0) {
		return fmt.Sprintf("can't be trusted: %s may be written by others (%v); run chmod go-w %s", path, info.Mode().Perm(), path)
	}
	return ""
}
