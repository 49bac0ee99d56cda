package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/time/rate"
)

const (
	ringMax   = 16 << 10 // bytes of stderr kept for the error that says why a plugin ended
	tailMax   = 1 << 10  // bytes of it that such an error shows
	linesRate = 200      // log lines per second and provider
	linesPeak = 1000     // in one burst
	lineToken = 1 << 10  // bytes that count as a further line
	fieldsMax = 32       // fields of one structured line
)

// quota bounds how much one provider may log, over all its processes.
type quota struct {
	bucket  *rate.Limiter
	dropped atomic.Uint64 // lines, since the start
}

func newQuota() *quota {
	return &quota{bucket: rate.NewLimiter(linesRate, linesPeak)}
}

// processLog turns what one process prints into lines of authd's log, with the fields provider, plugin and pid:
// bounded in length and rate, secrets masked, control characters escaped, so that no line can pose as another's.
type processLog struct {
	redact *redactor
	quota  *quota
	ring   ring

	mu      sync.Mutex
	log     hclog.Logger
	dying   bool   // a panic has begun: plain lines are its stack
	skipped uint64 // lines dropped and not reported yet
}

func newProcessLog(log hclog.Logger, redact *redactor, q *quota) *processLog {
	return &processLog{log: log, redact: redact, quota: q, ring: ring{max: ringMax}}
}

// started adds the process's id to the lines from now on.
func (l *processLog) started(pid int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log = l.log.With("pid", pid)
}

// stderr takes a line that the process wrote to its standard error.
func (l *processLog) stderr(line []byte, cut int) {
	l.ring.add(line)
	l.stdout(line, cut)
}

// stdout takes a line from any other stream.
func (l *processLog) stdout(line []byte, cut int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.quota.bucket.AllowN(time.Now(), 1+len(line)/lineToken) {
		l.quota.dropped.Add(1)
		l.skipped++
		return
	}
	l.report()
	if cut == 0 && l.structured(line) {
		return
	}
	l.plain(string(line), cut)
}

// report tells how many lines were dropped since it last did.
func (l *processLog) report() {
	if l.skipped > 0 {
		l.log.Warn("plugin logs too much; lines were dropped", "dropped", l.skipped, "limit_per_second", linesRate)
		l.skipped = 0
	}
}

// ended tells what is left to tell when the process is gone.
func (l *processLog) ended() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.report()
}

func (l *processLog) plain(line string, cut int) {
	if strings.TrimSpace(line) == "" {
		return
	}
	if isDeath(line) {
		l.dying = true
	}
	level := hclog.Info
	if l.dying {
		level = hclog.Error
	}
	if cut == 0 {
		l.log.Log(level, clean(l.redact.redact(line)))
		return
	}
	l.log.Log(level, clean(l.redact.redactCut(line)), "bytes_cut", cut)
}

// isDeath reports whether a Go program's last words begin with the line.
func isDeath(line string) bool {
	return strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "SIGQUIT: ")
}

// structured writes a line of hclog's JSON, and reports whether it was one.
func (l *processLog) structured(line []byte) bool {
	if !bytes.HasPrefix(line, []byte("{")) {
		return false
	}
	fields := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if decoder.Decode(&fields) != nil || decoder.More() {
		return false
	}
	message, isText := fields["@message"].(string)
	name, _ := fields["@level"].(string)
	level := hclog.LevelFromString(name)
	if !isText || level == hclog.NoLevel || level == hclog.Off {
		return false
	}
	l.log.Log(level, clean(l.redact.redact(message)), l.fields(fields)...)
	return true
}

// fields are the key-value pairs of a structured line. One that would pass for a field of authd's own is renamed.
func (l *processLog) fields(all map[string]any) []any {
	if module, ok := all["@module"]; ok {
		all["module"] = module
	}
	maps.DeleteFunc(all, func(name string, _ any) bool { return strings.HasPrefix(name, "@") })
	names := slices.Sorted(maps.Keys(all))
	var out []any
	for _, name := range names[:min(len(names), fieldsMax)] {
		key := clean(l.redact.redact(name))
		if slices.Contains([]string{"provider", "plugin", "pid"}, key) {
			key = "plugin_" + key
		}
		out = append(out, key, l.value(name, all[name]))
	}
	return out
}

func (l *processLog) value(name string, v any) any {
	switch v := v.(type) {
	case nil, bool, json.Number:
		if secretField.MatchString(name) {
			return masked
		}
		return v
	case string:
		return clean(l.redact.redactField(name, v))
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("(%v)", err)
	}
	return clean(l.redact.redactField(name, string(text)))
}

// lastWords adds what the process wrote at its end to an error about it.
func (l *processLog) lastWords(err error) error {
	if tail := l.tail(); tail != "" {
		return fmt.Errorf("%w; last lines: %s", err, tail)
	}
	return err
}

// tail is the end of what the process wrote to standard error, or the beginning of its panic, on one line and
// with secrets masked; "" when there is nothing.
func (l *processLog) tail() string {
	lines := l.ring.lines()
	if i := slices.IndexFunc(lines, isDeath); i >= 0 {
		return clean(shorten(l.redact.redact(strings.Join(lines[i:], " | ")), tailMax))
	}
	var kept []string
	size := 0
	for _, line := range slices.Backward(lines) {
		line = l.redact.redact(readable(line))
		if size += len(line); size > tailMax && len(kept) > 0 {
			break
		}
		kept = append(kept, shorten(line, tailMax))
	}
	slices.Reverse(kept)
	return clean(strings.Join(kept, " | "))
}

// readable is the message of a structured line, with what it says of an error, or the line itself.
func readable(line string) string {
	var entry struct {
		Message string `json:"@message"`
		Error   string `json:"error"`
	}
	if json.Unmarshal([]byte(line), &entry) != nil || entry.Message == "" {
		return line
	}
	if entry.Error != "" {
		return entry.Message + ": " + entry.Error
	}
	return entry.Message
}

// shorten cuts text to at most limit bytes and says so.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return text[:limit] + "…"
}
