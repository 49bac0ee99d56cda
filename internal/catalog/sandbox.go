package catalog

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Level says how much is kept from a plugin's process.
type Level string

// The levels. At each of them the process has an environment, a directory and a process group of its own, no open
// file of authd's, and ends with authd.
const (
	// LevelOff keeps nothing else from it.
	LevelOff Level = "off"
	// LevelBasic, the zero value's meaning: it can't gain privileges, dumps no core, has 1024 files at most, and is
	// the first to go when memory runs out.
	LevelBasic Level = "basic"
	// LevelStrict: besides, it reads only certificates, what it takes to resolve names, and itself with its libraries;
	// writes only into its own directory; connects over TCP to nothing but port 443, 53, the proxies and EgressPorts;
	// sends no signal to others (from Linux 6.12 on). Linux 6.7 and later, on amd64, arm64 and riscv64.
	LevelStrict Level = "strict"
)

// MemoryLimitMin is the least memory that a plugin written in Go can start with, in bytes.
const MemoryLimitMin = 128 << 20

// Sandbox says where a plugin's process runs. The zero value is the basic one.
type Sandbox struct {
	// Level; "" is LevelBasic.
	Level Level
	// BestEffort takes, where the kernel can't do all of LevelStrict, as much of it as there is, instead of refusing.
	BestEffort bool
	// RunAs is the user, by name or number, whose process it is to be; authd must be root. "": authd's own.
	RunAs string
	// EgressPorts are TCP ports besides 443 that a strict process may connect to.
	EgressPorts []uint16
	// MemoryLimit in bytes, of memory of its own: at least MemoryLimitMin, and not for LevelOff. 0: none. Linux only.
	MemoryLimit uint64
}

// cell is the place of one process: it starts a command in a sandbox.
type cell struct {
	spawner *spawner // of the basic sandbox
	box     Sandbox
	as      *syscall.Credential // :: nil for authd's own user
	settle  func() error        // :: nil for the basic sandbox, whose thread all share
	got     string              // what the process gets, for people
}

// start implements starter. A level that changes the thread has one for each process, which lasts as long as that.
func (c *cell) start(cmd *exec.Cmd) (ended func(), err error) {
	limit := func(pid int) error { return c.confine(pid) }
	if c.settle == nil {
		return func() {}, c.spawner.spawn(cmd, c.as, limit)
	}
	own, err := spawnerOf(c.settle)
	if err != nil {
		return nil, fmt.Errorf("can't be confined: %w", err)
	}
	if err := own.spawn(cmd, c.as, limit); err != nil {
		own.stop()
		return nil, err
	}
	return own.stop, nil
}

func (c *cell) confine(pid int) error {
	if c.box.Level == LevelOff {
		return nil
	}
	return confine(pid, c.box.MemoryLimit)
}

// place makes the cell for a process that runs img in dir, which becomes its user's.
func (l *launcher) place(box Sandbox, dir string, img image) (*cell, error) {
	if box.Level == "" {
		box.Level = LevelBasic
	}
	if box.MemoryLimit > 0 && box.MemoryLimit < MemoryLimitMin {
		return nil, fmt.Errorf("can't run in %d bytes of memory; set plugins.memory_limit to %d MiB or more", box.MemoryLimit, MemoryLimitMin>>20)
	}
	c := &cell{spawner: l.spawner, box: box, got: string(box.Level)}
	if box.RunAs != "" {
		if err := c.runAs(l, dir); err != nil {
			return nil, err
		}
	}
	switch box.Level {
	case LevelBasic:
	case LevelOff:
		c.settle = func() error { return nil }
	case LevelStrict:
		if err := c.strict(l, dir, img); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("can't run in a sandbox called %q; set sandbox to off, basic or strict", box.Level)
	}
	if box.RunAs != "" {
		c.got += " as " + box.RunAs
	}
	if as := c.as; as != nil {
		settle := c.settle
		if settle == nil {
			settle = settleThread
		}
		c.settle = func() error { return errors.Join(approach(as), settle()) }
	}
	return c, nil
}

// strict has the cell's own thread give up what a strict process may not have.
func (c *cell) strict(l *launcher, dir string, img image) error {
	walls, lacking := l.kernel.walls()
	if len(lacking) > 0 && !c.box.BestEffort {
		return fmt.Errorf("can't run in the strict sandbox, for this kernel has no %s; use Linux 6.7 or later on amd64, arm64 or riscv64, set sandbox = \"basic\", or set plugins.sandbox_best_effort", strings.Join(lacking, ", "))
	}
	c.got = walls.String()
	if walls == (kernel{}) {
		c.got = string(LevelBasic)
		return nil
	}
	open := l.openings(dir, img)
	open.ports = append(open.ports, c.box.EgressPorts...)
	as := c.as
	c.settle = func() error {
		if err := walls.raise(open); err != nil || as != nil {
			return err // another user has no rights of root's
		}
		return forsake()
	}
	return nil
}

// kernel says what the kernel can keep a process from.
type kernel struct {
	landlock int  // version of Landlock; 0: none
	filter   bool // system calls can be looked at, on this architecture
}

// The versions of Landlock from which on it knows of TCP (Linux 6.7) and of signals (Linux 6.12).
const (
	landlockTCP    = 4
	landlockScopes = 6
)

// walls returns what can be used, and what is lacking for the strict sandbox. A nil kernel is the one that runs.
func (k *kernel) walls() (have kernel, lacking []string) {
	if k == nil {
		have = thisKernel()
	} else {
		have = *k
	}
	switch {
	case have.landlock == 0:
		lacking = append(lacking, "Landlock")
	case have.landlock < landlockTCP:
		lacking = append(lacking, "Landlock for TCP")
	}
	if !have.filter {
		lacking = append(lacking, "seccomp filter that authd knows")
	}
	return have, lacking
}

// String is what stands in a status, such as "strict (Landlock 7, seccomp)".
func (k kernel) String() string {
	var parts []string
	if k.landlock > 0 {
		parts = append(parts, fmt.Sprintf("Landlock %d", k.landlock))
	}
	if k.filter {
		parts = append(parts, "seccomp")
	}
	text := fmt.Sprintf("%s (%s)", LevelStrict, strings.Join(parts, ", "))
	if k.landlock < landlockTCP || !k.filter {
		return "partly " + text
	}
	return text
}

// runAs has the process belong to another user, and its directory too.
func (c *cell) runAs(l *launcher, dir string) error {
	as, err := credentialOf(c.box.RunAs)
	if err != nil {
		return err
	}
	if int(as.Uid) == os.Geteuid() {
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("can't be run as %s: only root may do that, and authd runs as uid %d; start authd as root or remove run_as", c.box.RunAs, os.Geteuid())
	}
	c.as = as
	// Others may pass through, and see nothing: what is in it is closed to them.
	if err := errors.Join(os.Chmod(l.sockets.base, 0o711), os.Chown(dir, int(as.Uid), int(as.Gid))); err != nil {
		return fmt.Errorf("can't be run as %s: its directory can't be made that user's: %w", c.box.RunAs, err)
	}
	return nil
}

// credentialOf finds a user, who is in his own group and no other.
func credentialOf(name string) (*syscall.Credential, error) {
	found, err := user.Lookup(name)
	if err != nil {
		if found, err = user.LookupId(name); err != nil {
			return nil, fmt.Errorf("can't be run as %s: there is no such user; make one, or mend run_as", name)
		}
	}
	uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil || uid == math.MaxUint32 || gid == math.MaxUint32 {
		return nil, fmt.Errorf("can't be run as %s: that user has no usable number", name)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), Groups: []uint32{}}, nil
}

// describe says what a process in the cell really got; an error if it is less than was meant.
func (c *cell) describe(child *child) (string, error) {
	if c.box.Level == LevelOff || !verifiable {
		return c.got, nil
	}
	noNewPrivs, filtered, err := confinement(child.pid)
	switch {
	case err != nil && !sleep(context.Background(), endTime, child.exited):
		return c.got, nil // it has ended, which others notice
	case err != nil:
		return "", fmt.Errorf("can't be looked at: %w", err)
	case !noNewPrivs:
		return "", errors.New("may gain privileges although its sandbox forbids that")
	case strings.Contains(c.got, "seccomp") && !filtered:
		return "", errors.New("has no system call filter although its sandbox has one")
	}
	return c.got, nil
}

// openings are the holes in the walls of a strict process.
type openings struct {
	read, execute, write []string // files, or directories with all in them
	scratch              []string // its own directory
	ports                []uint16
}

// resolverFiles and certificates are what every program that talks to others reads.
var (
	resolverFiles = []string{
		"/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/hosts", "/etc/host.conf", "/etc/gai.conf", "/etc/services", "/etc/protocols",
		"/run/systemd/resolve", "/etc/localtime", "/usr/share/zoneinfo", "/usr/lib/locale",
	}
	certificates = []string{
		"/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
		"/etc/crypto-policies", "/usr/share/crypto-policies",
	}
	libraries = []string{"/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache"}
	programs  = []string{"/usr", "/bin", "/sbin", "/etc/alternatives"}
	devices   = []string{"/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"}
)

// openings lists what a process that runs img in dir needs.
func (l *launcher) openings(dir string, img image) openings {
	o := openings{read: slices.Concat(resolverFiles, certificates), write: devices, scratch: []string{dir}, ports: []uint16{443, 53}}
	for _, name := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR"} {
		for path := range strings.SplitSeq(lookup(l.environ, name), ":") {
			if path != "" {
				o.read = append(o.read, path)
			}
		}
	}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY"} {
		if port := proxyPort(lookup(l.environ, name)); port != 0 {
			o.ports = append(o.ports, port)
		}
	}
	if img.file == nil {
		o.execute = append(o.execute, img.path)
	}
	switch {
	case img.script:
		o.execute = append(o.execute, slices.Concat(libraries, programs, interpreterDirs(img.path, lookup(l.environ, "PATH")))...)
		o.read = append(o.read, "/proc")
	case img.dynamic:
		o.execute = append(o.execute, libraries...)
		o.read = append(o.read, "/proc")
	}
	return o
}
