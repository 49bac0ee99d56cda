package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/authd/authd/sdk"
)

// ReattachEnv is where authd is told of plugins that were started by hand with -debug: a JSON object that has, for the
// name of each type, the protocol, pid, network and address which the plugin prints.
const ReattachEnv = "AUTHD_REATTACH_PROVIDERS"

// DebugPatience is how long a call to an attached plugin may take: somebody may sit at a breakpoint.
const DebugPatience = 10 * time.Minute

// mendAttached is what helps when the process can't be attached to any more.
const mendAttached = "run it with -debug again, and start authd with the " + ReattachEnv + " that it prints then"

// errDetached means that a process that authd was attached to is gone.
var errDetached = errors.New("the debugged plugin has ended; " + mendAttached)

// attachment is a process that authd did not start: it is connected to, and nothing else is done to it.
type attachment struct {
	address  string
	pid      int
	types    []string // to be served by it
	manifest *sdk.Manifest
}

// Attached returns the plugins that ReattachEnv names in the environment, each asked what it serves. They come before
// those that Discover finds. Nothing starts, watches, confines or ends their processes, no lock file holds them, and
// calls to them have DebugPatience: never where people sign in for real. A process that is not there, is another's, or
// does not serve a type that it is named for, is an error.
func Attached(ctx context.Context, environ []string) ([]Plugin, error) {
	text := ""
	for _, v := range environ {
		if name, value, _ := strings.Cut(v, "="); name == ReattachEnv {
			text = value
		}
	}
	if text == "" {
		return nil, nil
	}
	all, err := parseAttachments(text)
	if err != nil {
		return nil, fmt.Errorf("%s %w; set it to what the plugin prints for -debug, or unset it", ReattachEnv, err)
	}
	var plugins []Plugin
	for _, a := range all {
		if err := a.describe(ctx); err != nil {
			return nil, fmt.Errorf("%s: the plugin of type %q, at %q, %w", ReattachEnv, strings.Join(a.types, ", "), a.address, err)
		}
		plugins = append(plugins, Plugin{Name: a.types[0], Path: a.address, attached: a})
	}
	return plugins, nil
}

// parseAttachments reads the value of ReattachEnv. Types at one address are one process.
func parseAttachments(text string) ([]*attachment, error) {
	var byType map[string]struct {
		Protocol         int
		Pid              int
		Network, Address string
	}
	if err := json.Unmarshal([]byte(text), &byType); err != nil {
		return nil, fmt.Errorf("is not the JSON object that it must be: %w", err)
	}
	var all []*attachment
	for _, name := range slices.Sorted(maps.Keys(byType)) {
		at := byType[name]
		switch {
		case at.Protocol != sdk.ProtocolVersion:
			return nil, fmt.Errorf("has protocol %d for %q, and authd speaks %d", at.Protocol, name, sdk.ProtocolVersion)
		case at.Network != "unix" || !filepath.IsAbs(at.Address):
			return nil, fmt.Errorf("does not have the path of a unix socket for %q", name)
		case at.Pid <= 0:
			return nil, fmt.Errorf("does not have the process id for %q", name)
		}
		i := slices.IndexFunc(all, func(a *attachment) bool { return a.address == at.Address })
		if i < 0 {
			i = len(all)
			all = append(all, &attachment{address: at.Address, pid: at.Pid})
		}
		if all[i].pid != at.Pid {
			return nil, fmt.Errorf("has two processes at %s", at.Address)
		}
		all[i].types = append(all[i].types, name)
	}
	return all, nil
}

// describe asks the process what it serves and keeps the part that is wanted of it.
func (a *attachment) describe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, DebugPatience)
	defer cancel()
	proc, err := a.attach(ctx)
	if err != nil {
		return err
	}
	defer proc.stop()
	m, err := proc.rpc.Describe(ctx)
	if err != nil {
		return fmt.Errorf("does not describe itself: %w", err)
	}
	if err := checkManifest(m); err != nil {
		return fmt.Errorf("can't be used: %w", err)
	}
	a.manifest = &sdk.Manifest{ProtocolMinor: m.ProtocolMinor, Version: m.Version}
	for _, name := range a.types {
		t, served := m.Type(name)
		if !served {
			return fmt.Errorf("does not serve type %q", name)
		}
		a.manifest.Types = append(a.manifest.Types, t)
	}
	return nil
}

// attach connects to the process. The result is a process like those that authd starts, but it can't be killed, its
// health is not asked for, and it counts as ended when the connection breaks: then nothing can be had from it any more,
// since it is never connected to twice.
func (a *attachment) attach(ctx context.Context) (*process, error) {
	conn, err := a.dial(ctx)
	if err != nil {
		return nil, err
	}
	// reaped: its pid is not authd's to send signals to.
	c := &child{pid: a.pid, uid: os.Geteuid(), cmd: &exec.Cmd{}, reaped: true, exited: make(chan struct{}), drained: make(chan struct{})}
	watched := &attachedConn{Conn: conn, broken: sync.OnceFunc(func() {
		close(c.exited)
		close(c.drained)
	})}
	var taken atomic.Bool
	cc, err := grpc.NewClient("passthrough:///"+a.address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			if taken.Swap(true) {
				return nil, errDetached
			}
			return watched, nil
		}),
		grpc.WithIdleTimeout(0), // an idle connection is closed otherwise, and would look like the end
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.DefaultConfig, MinConnectTimeout: DebugPatience}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageMax), grpc.MaxCallSendMsgSize(messageMax)),
		grpc.WithMaxHeaderListSize(headersMax),
		grpc.WithPerRPCCredentials(sentMark{}),
	)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &process{
		child: c, rpc: sdk.NewClient(cc), suspect: make(chan struct{}, 1), sandbox: "none, it is attached",
		detach: func() {
			_ = cc.Close()
			_ = watched.Close()
			watched.broken()
		},
	}, nil
}

// dial connects to the socket and makes sure who listens: the process that was named, of authd's user or of root.
func (a *attachment) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", a.address)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("is gone: %w", errDetached)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoConnection, err)
	}
	if err := a.checkListener(conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func (a *attachment) checkListener(conn net.Conn) error {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return err
	}
	var pid, uid int
	var peerErr error
	if err := raw.Control(func(fd uintptr) { pid, uid, peerErr = peer(int(fd)) }); err != nil {
		return err
	}
	if peerErr != nil {
		return fmt.Errorf("has a socket of which it can't be told who listens: %w", peerErr)
	}
	return a.judge(pid, uid, os.Geteuid())
}

// judge decides whether process pid of user uid may be attached to by user self.
func (a *attachment) judge(pid, uid, self int) error {
	switch {
	case uid != self && uid != 0:
		return fmt.Errorf("belongs to uid %d; run it as the user of authd (%d)", uid, self)
	case pid != a.pid:
		return fmt.Errorf("is process %d and not %d; %s", pid, a.pid, mendAttached)
	}
	return nil
}

// attachedConn tells when it breaks.
type attachedConn struct {
	net.Conn
	broken func()
}

// Read implements net.Conn. gRPC reads all the time, so that the end of the process is seen at once.
func (c *attachedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil {
		c.broken()
	}
	return n, err
}

// patience is how long a call may take that is to take limit.
func (p *process) patience(limit time.Duration) time.Duration {
	if p.detach != nil {
		return max(limit, DebugPatience)
	}
	return limit
}

// readyState is the state of a provider that this process serves.
func (p *process) readyState() State {
	if p.detach != nil {
		return StateAttached
	}
	return StateReady
}

// oneEach lets each attached process serve the first provider that is to be served by it, since it takes settings once.
// The others say why they are not started.
func oneEach(providers []ProviderConfig) []ProviderConfig {
	providers = slices.Clone(providers)
	serves := map[*attachment]string{} // :: process → id
	for i, pc := range providers {
		a := pc.Plugin.attached
		if a == nil || pc.Problem != "" {
			continue
		}
		if first, taken := serves[a]; taken {
			providers[i].Problem = fmt.Sprintf("the debugged plugin serves provider %s, and a process serves one; remove one of the two, or unset %s", first, ReattachEnv)
			continue
		}
		serves[a] = pc.ID
	}
	return providers
}
