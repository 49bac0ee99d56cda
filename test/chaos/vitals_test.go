//go:build linux

package chaos

import (
	"bufio"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// vitals are what grows in a server that forgets to let go.
type vitals struct {
	goroutines, fds int
	rss             int // bytes
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
	found := map[string]int{}
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		switch name {
		case "go_goroutines", "process_open_fds", "process_resident_memory_bytes":
			number, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return vitals{}, fmt.Errorf("/metrics: %s: %w", name, err)
			}
			found[name] = int(number)
		}
	}
	v := vitals{found["go_goroutines"], found["process_open_fds"], found["process_resident_memory_bytes"]}
	if v.goroutines == 0 || v.fds == 0 || v.rss == 0 {
		return v, fmt.Errorf("/metrics tells %+v", v)
	}
	return v, nil
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
		of(func(v vitals) int { return v.goroutines }), of(func(v vitals) int { return v.fds }), of(func(v vitals) int { return v.rss }),
	}
}

func (l *vitalsLog) most() vitals { return l.at(1) }

// String says them for people.
func (v vitals) String() string {
	return fmt.Sprintf("%d goroutines, %d files, %d MiB", v.goroutines, v.fds, v.rss/mib)
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
	if v.rss > max(base.rss+base.rss/10, base.rss+20*mib) {
		over = append(over, "memory")
	}
	if len(over) > 0 {
		return fmt.Errorf("%s: %v, base %v", strings.Join(over, " and "), v, base)
	}
	return nil
}
