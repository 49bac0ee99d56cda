package catalog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// namePrefix begins the file name of every plugin.
const namePrefix = "authd-provider-"

// pluginName is the whole file name of a plugin.
var pluginName = regexp.MustCompile(`^authd-provider-[a-z0-9][a-z0-9-]{0,30}$`)

// Plugin is an executable in a plugins directory. Make one with Discover, At or Attached.
type Plugin struct {
	// Name is the file name without "authd-provider-"; empty when the entry is no plugin but a directory that
	// could not be searched.
	Name string
	// Path where it was found.
	Path string
	// Refused says why it is not run and how to mend that; empty: it is trusted.
	Refused string
	// Unlocked means that it is refused only because the lock file does not name it as it is: Lock.Guard sets it. What
	// runs already may go on.
	Unlocked bool
	// Sandbox is where Describe runs it; where a provider's process runs is ProviderConfig.Sandbox.
	Sandbox Sandbox

	anchor   trust       // what was asked of it, asked again before every start
	lock     *Lock       // :: nil, or what else it must pass
	attached *attachment // :: nil, or the process that runs already
}

// At returns the plugin at path, whatever its name. Its Refused is set as Discover would set it.
// allowInsecurePermissions waives the checks of owners and permissions; it is for development only.
func At(path string, allowInsecurePermissions bool) Plugin {
	p := Plugin{Name: strings.TrimPrefix(filepath.Base(path), namePrefix), Path: path}
	absolute, err := filepath.Abs(path)
	if err != nil {
		p.Refused = fmt.Sprintf("has no absolute path: %v", err)
		return p
	}
	p.Path = absolute
	p.anchor = newTrust(filepath.Dir(absolute), allowInsecurePermissions)
	p.Refused = p.anchor.fault(p.Path)
	return p
}

// Discover lists what the directories hold, in their order: files named authd-provider-NAME, directly or as
// NAME/authd-provider-NAME. The first of a name wins. Whatever looks like a plugin but is not run is listed too,
// with the reason in Refused; so is a directory that can't be read. allowInsecurePermissions is as for At.
func Discover(dirs []string, allowInsecurePermissions bool) []Plugin {
	var found []Plugin
	winner := map[string]string{} // :: name → path
	for _, dir := range dirs {
		for _, p := range search(dir, allowInsecurePermissions) {
			if first, taken := winner[p.Name]; taken && p.Refused == "" {
				p.Refused = fmt.Sprintf("is hidden by %s, which comes first; remove one of them", first)
			}
			if p.Refused == "" {
				winner[p.Name] = p.Path
			}
			found = append(found, p)
		}
	}
	return found
}

// search lists one plugins directory.
func search(dir string, insecure bool) []Plugin {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return []Plugin{{Path: dir, Refused: fmt.Sprintf("has no absolute path: %v", err)}}
	}
	entries, err := os.ReadDir(absolute)
	if err != nil {
		return []Plugin{{Path: absolute, Refused: unreadable(err)}}
	}
	anchor := newTrust(absolute, insecure)
	var found []Plugin
	for _, e := range entries {
		path := filepath.Join(absolute, e.Name())
		nested := filepath.Join(path, namePrefix+e.Name())
		switch {
		case strings.Contains(e.Name(), namePrefix):
			found = append(found, candidate(path, anchor))
		case isFile(nested):
			found = append(found, candidate(nested, anchor))
		}
	}
	return found
}

func unreadable(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "does not exist; create it, or name another directory in server.plugins_dir"
	}
	return fmt.Sprintf("can't be searched for plugins: %v", err)
}

func isFile(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && !info.IsDir()
}

// candidate judges one file by its name, then by what it is.
func candidate(path string, anchor trust) Plugin {
	file := filepath.Base(path)
	p := Plugin{Name: strings.TrimPrefix(file, namePrefix), Path: path, anchor: anchor}
	switch {
	case strings.HasPrefix(file, "."), strings.HasSuffix(file, "~"), strings.HasSuffix(file, ".tmp"), strings.HasSuffix(file, ".new"):
		p.Refused = "has the name of a temporary file; rename it when it is complete"
	case !pluginName.MatchString(file):
		p.Refused = "is not named authd-provider-NAME with up to 31 of a-z, 0-9 and -; rename it"
	default:
		p.Refused = anchor.fault(path)
	}
	return p
}
