//go:build linux

package chaos

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// vitals are what grows in a server that forgets to let go.
type vitals struct {
	goroutines, fds int
	// memory is the resident part that is authd's own, in bytes. The store's file is mapped too: how much of that is
	// resident is the kernel's choice, and grows with the sessions.
	memory int
}

// vitalsPause is how often they are read.
const vitalsPause = 500 * time.Millisecond

const mib = 1 << 20

// vitals reads the metrics of authd.
func (s *site) vitals() (vitals, error) {
	res, err := s.admin.Get("http://admin/metrics")
	if err != nil {
		return vitals{}, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return vitals{}, fmt.Errorf("/metrics: %s", res.Status)
	}
	var v vitals
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		switch name {
		case "go_goroutines":
			v.goroutines, err = strconv.Atoi(value)
		case "process_open_fds":
			v.fds, err = strconv.Atoi(value)
		}
		if err != nil {
			return v, fmt.Errorf("/metrics: %s: %w", name, err)
		}
	}
	if v.memory, err = ownMemory(int(s.authd.Load())); err != nil {
		return v, err
	}
	if v.goroutines == 0 || v.fds == 0 || v.memory == 0 {
		return v, fmt.Errorf("authd tells %+v", v)
	}
	return v, nil
}

// ownMemory is RssAnon of a process; see proc_pid_status(5).
func ownMemory(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "\nRssAnon:")
	line, _, _ := strings.Cut(rest, "\n")
	kB, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(line, "kB")))
	return kB << 10, err
}

// vitalsLog keeps them.
type vitalsLog struct {
	mu  sync.Mutex
	all []vitals
}

func (l *vitalsLog) add(s *site) {
	v, err := s.vitals()
	if err != nil {
		return // authd may be down; at the end of a step they are asked for again
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, v)
}

// at returns for each of them the value below which the given part of the samples lies.
func (l *vitalsLog) at(part float64) vitals {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) == 0 {
		return vitals{}
	}
	of := func(field func(vitals) int) int {
		values := make([]int, len(l.all))
		for i, v := range l.all {
			values[i] = field(v)
		}
		slices.Sort(values)
		return values[int(part*float64(len(values)-1))]
	}
	return vitals{
		of(func(v vitals) int { return v.goroutines }), of(func(v vitals) int { return v.fds }), of(func(v vitals) int { return v.memory }),
	}
}

func (l *vitalsLog) most() vitals { return l.at(1) }

// String says them for people.
func (v vitals) String() string {
	return fmt.Sprintf("%d goroutines, %d files, %d MiB", v.goroutines, v.fds, v.memory/mib)
}

// backAt reports what is above a base: 20 goroutines, 10 files, and 20 MiB or a tenth are tolerated.
func (v vitals) backAt(base vitals) error {
	var over []string
	if v.goroutines > base.goroutines+20 {
		over = append(over, "goroutines")
	}
	if v.fds > base.fds+10 {
		over = append(over, "files")
	}
	if v.memory > max(base.memory+base.memory/10, base.memory+20*mib) {
		over = append(over, "memory")
	}
	if len(over) > 0 {
		return fmt.Errorf("%s: %v, base %v", strings.Join(over, " and "), v, base)
	}
	return nil
}
