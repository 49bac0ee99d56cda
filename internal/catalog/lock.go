package catalog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/authd/authd/sdk"
)

// ErrUnlocked means that the lock file does not allow a plugin, or can't be used.
var ErrUnlocked = errors.New("not allowed by the lock file")

// unlockedError is an ErrUnlocked with a text of its own.
type unlockedError string

func unlocked(format string, args ...any) error { return unlockedError(fmt.Sprintf(format, args...)) }

func (e unlockedError) Error() string { return string(e) }

func (e unlockedError) Is(target error) bool { return target == ErrUnlocked }

// Lock holds plugins to a lock file. Once the file has been there, what is not in it is not run: not if the file is
// damaged, and not if it is gone. The file is read anew whenever it has changed. Make one with OpenLock.
type Lock struct {
	path  string
	files digests // of the plugins that were guarded

	mu       sync.Mutex
	required bool     // there must be a file
	read     identity // of the file that content is from
	content  LockFile
}

// OpenLock returns the lock of that path. required: the file must be there; otherwise nothing is locked until there
// is one. What is wrong with the file is told by whatever is held to it.
func OpenLock(path string, required bool) *Lock {
	l := &Lock{path: path, required: required}
	_, _, _ = l.current() // a file that is there now has to stay
	return l
}

// Locks reports whether there is a lock file to hold plugins to. A nil Lock has none.
func (l *Lock) Locks() bool {
	if l == nil {
		return false
	}
	_, locked, _ := l.current()
	return locked
}

// current returns what the file says now; locked is false when nothing is locked.
func (l *Lock) current() (content LockFile, locked bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id, err := identify(l.path)
	if errors.Is(err, fs.ErrNotExist) && !l.required {
		return LockFile{}, false, nil
	}
	l.required = true
	if err == nil && id == l.read {
		return l.content, true, nil
	}
	if err == nil {
		content, err = l.load()
	}
	if err != nil {
		return LockFile{}, true, unlocked("can't be checked, and so is not run: %v; mend it, or remove it and run authd plugin lock", err)
	}
	l.read, l.content = id, content
	return content, true, nil
}

// load reads the file, which must be one that nobody else could have written.
func (l *Lock) load() (LockFile, error) {
	path, err := filepath.Abs(l.path)
	if err != nil {
		return LockFile{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return LockFile{}, err
	}
	if why := newTrust(filepath.Dir(path), false).writable(path, info, false); why != "" {
		return LockFile{}, errors.New("the lock file " + why)
	}
	return ReadLockFile(path)
}

// Guard returns the plugin held to the lock: it is refused unless its file is one that the lock allows, and is asked
// again at every start. A nil Lock allows everything.
func (l *Lock) Guard(p Plugin) Plugin {
	if l == nil || p.Name == "" {
		return p
	}
	p.lock = l
	if p.Refused != "" {
		return p
	}
	content, locked, err := l.current()
	if err == nil && locked {
		var sum string
		if sum, _, err = l.files.of(p.Path); err == nil {
			_, err = content.allows(l.path, p.Name, sum)
		}
	}
	if err != nil {
		p.Refused, p.Unlocked = err.Error(), errors.Is(err, ErrUnlocked)
	}
	return p
}

// permit returns what the lock says of a file with that digest; locked is false when nothing is locked.
func (l *Lock) permit(name, sum string) (allowed LockedPlugin, locked bool, err error) {
	content, locked, err := l.current()
	if err != nil || !locked {
		return LockedPlugin{}, locked, err
	}
	allowed, err = content.allows(l.path, name, sum)
	return allowed, true, err
}

// allows returns the plugin's entry, if it has the digest.
func (f LockFile) allows(path, name, sum string) (LockedPlugin, error) {
	allowed, ok := f.Plugins[name]
	switch {
	case !ok:
		return LockedPlugin{}, unlocked("has sha256 %s and is not in %s at all; %s", sum, path, mend(name))
	case !slices.Contains(allowed.SHA256, sum):
		return LockedPlugin{}, unlocked("has sha256 %s, but %s allows only %s; %s", sum, path, strings.Join(allowed.SHA256, " and "), mend(name))
	}
	return allowed, nil
}

// mend is the command that has the lock file take the plugin as it is.
func mend(name string) string {
	return "if that is meant to be, run authd plugin lock --update " + name
}

// Differences says how what a plugin declares goes beyond its entry; none: it does not.
func (p LockedPlugin) Differences(m *sdk.Manifest) []string {
	var found []string
	if m.Version != p.Version {
		found = append(found, fmt.Sprintf("version %s instead of %s", m.Version, p.Version))
	}
	if protocol := ProtocolOf(m); protocol != p.Protocol {
		found = append(found, fmt.Sprintf("protocol %s instead of %s", protocol, p.Protocol))
	}
	for _, t := range m.Types {
		if !slices.Contains(p.Types, t.Name) {
			found = append(found, "type "+t.Name)
		}
	}
	return found
}

// ProtocolOf is the version of the protocol that a plugin speaks, such as "1.0".
func ProtocolOf(m *sdk.Manifest) string {
	return fmt.Sprintf("%d.%d", sdk.ProtocolVersion, m.ProtocolMinor)
}

// hold refuses a plugin that declares more than its entry says.
func (p LockedPlugin) hold(path, name string, m *sdk.Manifest) error {
	if found := p.Differences(m); len(found) > 0 {
		return unlocked("declares %s, which %s does not allow; %s", clean(shorten(strings.Join(found, ", "), errorTextMax)), path, mend(name))
	}
	return nil
}

// reach returns the ports that the process may connect to: those asked for, or else those of the entry, which bounds
// them if it names any.
func (p LockedPlugin) reach(path, name string, asked []uint16) ([]uint16, error) {
	if len(asked) == 0 || len(p.EgressPorts) == 0 {
		return slices.Concat(asked, p.EgressPorts), nil
	}
	for _, port := range asked {
		if !slices.Contains(p.EgressPorts, port) {
			return nil, unlocked("is to connect to port %d, which is not among the egress_ports of %s in %s; add it there", port, name, path)
		}
	}
	return asked, nil
}
