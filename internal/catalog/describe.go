package catalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/go-hclog"

	"github.com/authd/authd/sdk"
)

// Describe asks a plugin what it can be configured as: by running it with -describe or, if it knows no such flag,
// over gRPC, in the same jail as a provider's process and for two seconds at most. The manifest has been checked.
func Describe(ctx context.Context, p Plugin) (m *sdk.Manifest, err error) {
	if p.Refused != "" {
		return nil, fmt.Errorf("plugin %s %s", p.Path, p.Refused)
	}
	if p.attached != nil {
		return p.attached.manifest, nil
	}
	environ := os.Environ()
	l := launcher{environ: environ, timing: defaults()}
	if l.sockets, err = newSockets("", environ); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.sockets.remove()) }()
	if l.spawner, err = newSpawner(); err != nil {
		return nil, err
	}
	defer l.spawner.stop()
	defer l.sealed.close()

	m, byFlag := l.describeByFlag(ctx, p)
	if errors.Is(byFlag, ErrUnlocked) {
		return nil, fmt.Errorf("plugin %s %w", p.Path, byFlag)
	}
	if byFlag != nil {
		var byCall error
		if m, byCall = l.describeByCall(ctx, p); byCall != nil {
			return nil, fmt.Errorf("plugin %s %w (and with -describe it %w)", p.Path, byCall, byFlag)
		}
	}
	if err := checkManifest(m); err != nil {
		return nil, fmt.Errorf("plugin %s can't be used: %w", p.Path, err)
	}
	return m, nil
}

// describeByFlag reads the manifest that the plugin prints for -describe.
func (l *launcher) describeByFlag(ctx context.Context, p Plugin) (*sdk.Manifest, error) {
	ctx, cancel := context.WithTimeout(ctx, l.timing.describe)
	defer cancel()
	dir, err := l.sockets.make()
	if err != nil {
		return nil, err
	}
	img, place, err := l.prepare(p, p.Sandbox, dir)
	if err != nil {
		return nil, err
	}
	defer img.close()
	cmd := img.command("-describe")
	cmd.Dir = dir
	cmd.Env = pluginEnv(l.environ, img.script, nil, nil)
	log := newProcessLog(hclog.NewNullLogger(), newRedactor(nil), newQuota())
	var printed bytes.Buffer
	c, err := startChild(place, cmd, func(out io.Reader) {
		_, _ = io.Copy(&printed, io.LimitReader(out, messageMax+1))
		_, _ = io.Copy(io.Discard, out)
	}, func(out io.Reader) { drain(out, &lineWriter{emit: log.stderr}) })
	if err != nil {
		return nil, err
	}
	select {
	case <-c.exited:
	case <-ctx.Done():
		c.kill()
	}
	<-c.drained // from here on nothing writes to printed
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("did not end: %w", ctx.Err())
	case !c.cmd.ProcessState.Success():
		return nil, log.lastWords(errors.New(c.status()))
	case printed.Len() > messageMax:
		return nil, fmt.Errorf("printed more than %d bytes", messageMax)
	}
	m, err := sdk.ParseManifest(printed.Bytes())
	if err == nil && img.locked {
		err = img.entry.hold(img.lock, p.Name, m)
	}
	return m, err
}

// describeByCall starts the plugin as a provider's process and asks it.
func (l *launcher) describeByCall(ctx context.Context, p Plugin) (*sdk.Manifest, error) {
	log := newProcessLog(hclog.NewNullLogger(), newRedactor(nil), newQuota())
	proc, err := l.launch(ctx, p, p.Sandbox, nil, log)
	if err != nil {
		return nil, err
	}
	defer proc.stop()
	ctx, cancel := context.WithTimeout(ctx, l.timing.describe)
	defer cancel()
	return proc.rpc.Describe(ctx)
}
