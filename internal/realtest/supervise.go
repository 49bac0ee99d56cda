//go:build unix

package realtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// supervise runs a command and ends with its exit code. It passes SIGTERM on, and it
// kills its whole process group when its standard input ends: that is when the test
// binary is gone without a cleanup (a panic, a test timeout, kill -9).
const supervise = `
exec 3<&0
child= ended=
trap 'ended=1; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null' TERM
"$@" </dev/null 3<&- &
child=$!
[ -z "$ended" ] || kill -TERM "$child"
(trap - TERM; read -r _ <&3; kill -KILL 0) &
wait "$child"; code=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
exit "$code"
`

// launch starts software that is not ours, which may start processes of its own and
// forget them: argv in dir, with env added to the environment. Its output goes to
// NAME.log in dir. Nothing of its group outlives it, or the test binary.
func launch(name, dir string, env []string, argv ...string) (*Process, error) {
	out, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer out.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", supervise, "supervise"}, argv...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = out, out
	if _, err := cmd.StdinPipe(); err != nil { // open as long as we live
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p, err := Launch(cmd)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p.name = name
	return p, nil
}
