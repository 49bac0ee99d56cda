package catalog

import (
	"bufio"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// image is what is really executed for a plugin.
type image struct {
	path    string   // the file that the kernel is given
	file    *os.File // :: nil, or what the path leads to: the process's file descriptor 3
	name    string   // the plugin's own path, which the process sees as its name
	script  bool     // an interpreter runs it
	dynamic bool     // it loads libraries

	entry  LockedPlugin // what the lock says of it
	locked bool
	lock   string // its path
}

// close closes what was only open for the start.
func (i image) close() {
	if i.file != nil {
		_ = i.file.Close()
	}
}

// command makes the command that executes the image.
func (i image) command(args ...string) *exec.Cmd {
	cmd := &exec.Cmd{Path: i.path, Args: append([]string{i.name}, args...)}
	if i.file != nil {
		cmd.ExtraFiles = []*os.File{i.file}
	}
	return cmd
}

// sealedPath is where a process finds the first of its ExtraFiles.
var sealedPath = fdPath(3)

// open judges a plugin and returns what is to be executed for it by a process in dir. Without a lock that is the file
// at its path. With one it is a copy that nobody can change, made while its digest was taken: what the lock allows is
// what runs, whatever happens to the file meanwhile.
func (l *launcher) open(p Plugin, dir string) (image, error) {
	f, err := p.anchor.open(p.Path)
	if err != nil {
		return image{}, err
	}
	defer func() { _ = f.Close() }()
	img := image{path: f.Name(), name: f.Name()}
	img.script, img.dynamic = kindOfFile(f)
	lock := p.lock
	if lock == nil {
		lock = l.lock
	}
	if lock == nil {
		return img, nil
	}
	if _, locked, err := lock.current(); err != nil || !locked {
		return img, err
	}
	sum := ""
	if !img.script {
		img.path = sealedPath
		img.file, sum, err = l.sealed.seal(f)
	}
	if img.script || errors.Is(err, errors.ErrUnsupported) {
		img.path, sum, err = copyInto(dir, f)
	}
	if err != nil {
		return image{}, fmt.Errorf("can't be copied to be run: %w", err)
	}
	img.lock = lock.path
	if img.entry, img.locked, err = lock.permit(p.Name, sum); err != nil {
		img.close()
	}
	return img, err
}

// prepare judges a plugin and makes the place for a process of it.
func (l *launcher) prepare(p Plugin, box Sandbox, dir string) (image, *cell, error) {
	img, err := l.open(p, dir)
	if err != nil {
		return image{}, nil, err
	}
	if img.locked {
		box.EgressPorts, err = img.entry.reach(img.lock, p.Name, box.EgressPorts)
	}
	if err == nil {
		var place *cell
		if place, err = l.place(box, dir, img); err == nil {
			return img, place, nil
		}
	}
	img.close()
	return image{}, nil, err
}

// inspect looks at a process that has just been started: is it confined as was meant, and no more than the lock
// allows? It returns the sandbox that the process is in.
func (l *launcher) inspect(abort context.Context, started *process, p Plugin, img image, place *cell) (string, error) {
	got, err := place.describe(started.child)
	if err != nil || !img.locked {
		return got, err
	}
	ctx, cancel := context.WithTimeout(abort, l.timing.describe)
	defer cancel()
	m, err := started.rpc.Describe(ctx)
	if err != nil {
		return "", fmt.Errorf("Describe: %w", err)
	}
	return got, img.entry.hold(img.lock, p.Name, m)
}

// kindOfFile tells a script, and a program that loads libraries, from one that stands alone.
func kindOfFile(f io.ReaderAt) (script, dynamic bool) {
	start := make([]byte, 2)
	if n, _ := f.ReadAt(start, 0); string(start[:n]) == "#!" {
		return true, false
	}
	file, err := elf.NewFile(f)
	if err != nil {
		return false, true // whatever it is, it is more than a file that stands alone
	}
	for _, part := range file.Progs {
		if part.Type == elf.PT_INTERP {
			return false, true
		}
	}
	return false, false
}

// copyInto copies the file into dir under its own name and returns the digest of what it has copied. It is for
// scripts: an interpreter opens them by a path, and many want one that tells what they are.
func copyInto(dir string, f *os.File) (path, sum string, err error) {
	path = filepath.Join(dir, filepath.Base(f.Name()))
	// As long as a child of authd has it open for writing it can't be executed, so none may be forked meanwhile.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	to, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o500)
	if err != nil {
		return "", "", err
	}
	sum, err = transfer(to, f)
	// Readable for the user that it is run as; the directory keeps others out.
	return path, sum, errors.Join(err, to.Chmod(0o555), to.Close())
}

// transfer copies the whole of a file and returns the digest of what it has written.
func transfer(to io.Writer, from *os.File) (sum string, err error) {
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(to, hash), io.NewSectionReader(from, 0, 1<<62)); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// settled is how old a change of a file must be for the next one to show in its times.
const settled = time.Second

// seals keeps the sealed copy of each file that was run, so that all processes of a plugin share its memory and a
// restart copies nothing. The zero value is usable.
type seals struct {
	mu     sync.Mutex
	copies map[string]sealedCopy // :: path → the latest
}

type sealedCopy struct {
	of   identity
	file *os.File
	sum  string
}

// seal returns a sealed copy of the file and its digest. The copy stays open until close, or until the file at that
// path is another one; it is handed to a process before that can be, since the caller has a descriptor of its own.
func (s *seals) seal(f *os.File) (*os.File, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, err := identifyOpen(f)
	if err != nil {
		return nil, "", err
	}
	known, ok := s.copies[f.Name()]
	if ok && known.of == id && !id.young(settled) {
		own, err := duplicate(known.file)
		return own, known.sum, err
	}
	made := sealedCopy{of: id}
	if made.file, made.sum, err = sealedOf(f); err != nil {
		return nil, "", err
	}
	if ok {
		_ = known.file.Close()
	}
	if s.copies == nil {
		s.copies = map[string]sealedCopy{}
	}
	s.copies[f.Name()] = made
	own, err := duplicate(made.file)
	return own, made.sum, err
}

// sealedOf copies a file into memory, seals that, and returns the digest of what is in it.
func sealedOf(f *os.File) (file *os.File, sum string, err error) {
	if file, err = sealable(filepath.Base(f.Name())); err != nil {
		return nil, "", err
	}
	sum, err = transfer(file, f)
	if err == nil {
		err = seal(file)
	}
	if err != nil {
		return nil, "", errors.Join(err, file.Close())
	}
	return file, sum, nil
}

// close forgets all copies. Processes that run keep theirs.
func (s *seals) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.copies {
		_ = c.file.Close()
	}
	s.copies = nil
}

// interpreterDirs are the directories, besides those of the system, that the interpreter of a script lies in: its
// own, or the whole installation if that has the usual bin and lib.
func interpreterDirs(script, path string) []string {
	f, err := os.Open(script)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	line, _ := bufio.NewReader(io.LimitReader(f, 256)).ReadString('\n')
	words := strings.Fields(strings.TrimPrefix(line, "#!"))
	if len(words) == 0 {
		return nil
	}
	interpreter := words[0]
	if filepath.Base(interpreter) == "env" {
		for _, word := range words[1:] {
			if !strings.HasPrefix(word, "-") && !strings.Contains(word, "=") {
				interpreter = find(word, path)
				break
			}
		}
	}
	real, err := filepath.EvalSymlinks(interpreter)
	if err != nil || !filepath.IsAbs(interpreter) {
		return nil
	}
	dirs := []string{filepath.Dir(interpreter), filepath.Dir(real)}
	if root := filepath.Dir(filepath.Dir(real)); filepath.Base(filepath.Dir(real)) == "bin" && filepath.Dir(root) != "/home" && root != "/root" {
		if info, err := os.Stat(filepath.Join(root, "lib")); err == nil && info.IsDir() {
			dirs = append(dirs, root)
		}
	}
	return slices.DeleteFunc(dirs, func(dir string) bool { return dir == "/" })
}

// find looks a program up in the directories of path.
func find(program, path string) string {
	for _, dir := range filepath.SplitList(path) {
		if info, err := os.Stat(filepath.Join(dir, program)); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return filepath.Join(dir, program)
		}
	}
	return program
}

// proxyPort is the port of a proxy as it stands in the environment; 0 if there is none.
func proxyPort(proxy string) uint16 {
	if proxy == "" {
		return 0
	}
	if !strings.Contains(proxy, "://") {
		proxy = "http://" + proxy
	}
	u, err := url.Parse(proxy)
	if err != nil {
		return 0
	}
	if port, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
		return uint16(port)
	}
	return map[string]uint16{"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}[u.Scheme]
}
