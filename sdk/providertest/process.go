package providertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/authd/authd/sdk"
)

// quickly is what ending takes at most. Authd waits twice as long before it ends a process by force.
const quickly = time.Second

// checkProcess checks what every executable must do, whatever types it serves, and returns its manifest.
func checkProcess(ctx context.Context, r report, b *binary) (*sdk.Manifest, bool) {
	var manifest *sdk.Manifest
	ok := r.Run(ctx, "process-handshake", func(ctx context.Context) (err error) {
		manifest, err = checkHandshake(ctx, b)
		return err
	})
	if !ok {
		r.Logf("the other checks need a plugin that starts; they were not run")
		return nil, false
	}
	for _, c := range []struct {
		name string
		run  func(context.Context, *binary) error
	}{
		{"process-describe", checkDescribeFlag},
		{"process-by-hand", checkByHand},
		{"process-health", checkHealth},
		{"process-stdout", checkStdout},
		{"process-shutdown", checkShutdown},
		{"process-host-gone", checkHostGone},
	} {
		r.Run(ctx, c.name, func(ctx context.Context) error { return c.run(ctx, b) })
	}
	r.Run(ctx, "process-memory", func(ctx context.Context) error {
		figure, err := memory(ctx, b)
		r.Logf("resident memory when idle: %s", figure)
		return err
	})
	return manifest, true
}

func checkHandshake(ctx context.Context, b *binary) (*sdk.Manifest, error) {
	info, err := os.Stat(b.path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", b.path)
	}
	c, err := b.spawn(ctx)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	manifest, err := c.client.Describe(ctx)
	if err != nil {
		return nil, fmt.Errorf("Describe: %w; %s", err, c.log.tail())
	}
	if len(manifest.Types) == 0 {
		return nil, errors.New("Describe names no type")
	}
	seen := map[string]bool{}
	for _, t := range manifest.Types {
		if seen[t.Name] {
			return nil, fmt.Errorf("Describe names the type %q twice", t.Name)
		}
		seen[t.Name] = true
	}
	return manifest, nil
}

// checkDescribeFlag: what -describe prints is read before a plugin is trusted, so it must be what the plugin says later.
func checkDescribeFlag(ctx context.Context, b *binary) error {
	cmd, err := b.command(ctx, nil, "-describe")
	if err != nil {
		return err
	}
	text, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return fmt.Errorf("%s -describe: %w: %s", b.path, err, oneLine(string(exit.Stderr)))
		}
		return fmt.Errorf("%s -describe: %w", b.path, err)
	}
	printed, err := sdk.ParseManifest(text)
	if err != nil {
		return fmt.Errorf("%s -describe: %w", b.path, err)
	}
	c, err := b.spawn(ctx)
	if err != nil {
		return err
	}
	defer c.stop()
	told, err := c.client.Describe(ctx)
	if err != nil {
		return err
	}
	a, err := printed.JSON()
	if err != nil {
		return err
	}
	z, err := told.JSON()
	if err != nil {
		return err
	}
	if string(a) != string(z) {
		return fmt.Errorf("-describe and the method Describe differ: %s", firstDifference(string(a), string(z)))
	}
	return nil
}

// firstDifference shows the first lines that are not the same.
func firstDifference(a, z string) string {
	left, right := strings.Split(a, "\n"), strings.Split(z, "\n")
	for i := range min(len(left), len(right)) {
		if left[i] != right[i] {
			return fmt.Sprintf("%q and %q", strings.TrimSpace(left[i]), strings.TrimSpace(right[i]))
		}
	}
	return "one has more to say"
}

// checkByHand: without the cookie nobody is there to talk to, so a plugin says what it is and ends.
func checkByHand(ctx context.Context, b *binary) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	cmd, err := b.command(ctx, nil)
	if err != nil {
		return err
	}
	var stdout, stderr transcript
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("without %s in its environment the plugin still runs after %v; it must say that it is a plugin of authd, and end", sdk.Handshake().MagicCookieKey, startTimeout)
	case err == nil:
		return fmt.Errorf("without %s in its environment the plugin ended with exit status 0; want another one", sdk.Handshake().MagicCookieKey)
	case strings.Contains(stdout.String(), "|grpc"):
		return errors.New("without the cookie the plugin printed its handshake")
	case strings.TrimSpace(stdout.String()+stderr.String()) == "":
		return errors.New("without the cookie the plugin ended without a word; say that it is a plugin of authd")
	}
	return nil
}

func checkHealth(ctx context.Context, b *binary) error {
	c, err := b.spawn(ctx)
	if err != nil {
		return err
	}
	defer c.stop()
	answer, err := healthpb.NewHealthClient(c.conn).Check(ctx, &healthpb.HealthCheckRequest{Service: "plugin"})
	if err != nil {
		return fmt.Errorf(`grpc.health.v1.Health/Check of the service "plugin": %w`, err)
	}
	if answer.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		return fmt.Errorf(`the service "plugin" is %v; want SERVING`, answer.GetStatus())
	}
	return nil
}

// checkStdout: the handshake is all that belongs on standard output. Logs belong on standard error.
func checkStdout(ctx context.Context, b *binary) error {
	c, err := b.spawn(ctx)
	if err != nil {
		return err
	}
	defer c.stop()
	manifest, err := c.client.Describe(ctx)
	if err != nil {
		return err
	}
	for _, t := range manifest.Types {
		_, _ = c.client.Configure(ctx, sdk.ConfigureRequest{Type: t.Name, ID: "kit"}) // what it prints meanwhile is of interest
	}
	c.stop()
	if text := c.stdout.after.String(); text != "" {
		return fmt.Errorf("on standard output after the handshake: %.200q; write logs to standard error", text)
	}
	return nil
}

// checkShutdown: a plugin ends when it is asked to.
func checkShutdown(ctx context.Context, b *binary) error {
	return ends(ctx, b, "the call plugin.GRPCController/Shutdown", func(ctx context.Context, c *child) error {
		return c.shutdown(ctx)
	})
}

// checkHostGone: a plugin ends when authd is gone. Authd can't say so then; but it held the other end of standard input.
func checkHostGone(ctx context.Context, b *binary) error {
	return ends(ctx, b, "its standard input was closed, as when authd is gone; read it until its end, and exit then", func(ctx context.Context, c *child) error {
		if err := c.stdin.Close(); err != nil {
			return err
		}
		select {
		case <-c.exited:
			return nil
		case <-ctx.Done():
			return errors.New("the plugin is still there")
		}
	})
}

// ends looks whether a process is gone in time after something was done to it.
func ends(ctx context.Context, b *binary, after string, act func(context.Context, *child) error) error {
	return inTime(quickly, "the plugin ended after "+after, func(limit time.Duration) (time.Duration, error) {
		c, err := b.spawn(ctx)
		if err != nil {
			return 0, err
		}
		defer c.kill()
		ctx, cancel := context.WithTimeout(ctx, 3*limit)
		defer cancel()
		began := time.Now()
		if err := act(ctx, c); err != nil {
			return 0, fmt.Errorf("%w %v after %s", err, 3*limit, after)
		}
		return time.Since(began), nil
	})
}

// inTime tries up to three times to see something happen within a limit: a machine that is busy for a moment is not
// the plugin's fault. An error of act is final.
func inTime(limit time.Duration, what string, act func(limit time.Duration) (time.Duration, error)) error {
	var took time.Duration
	for range 3 {
		var err error
		if took, err = act(limit); err != nil {
			return err
		}
		if took <= limit {
			return nil
		}
	}
	return fmt.Errorf("%s: that took %v, three times; %v is the most", what, took.Round(time.Millisecond), limit)
}

// memory reads how much memory an idle plugin takes.
func memory(ctx context.Context, b *binary) (string, error) {
	c, err := b.spawn(ctx)
	if err != nil {
		return "", err
	}
	defer c.stop()
	if _, err := c.client.Describe(ctx); err != nil {
		return "", err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		return "not known on this system", nil
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return strings.TrimSpace(rest), nil
		}
	}
	return "not known on this system", nil
}
