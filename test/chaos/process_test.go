//go:build linux

package chaos

import (
	"time"

	"github.com/authd/authd/internal/realtest"
)

// descendants are the children of a process, and theirs.
func descendants(pid int) []realtest.Child {
	found := realtest.ChildrenOf(pid)
	for _, c := range found {
		found = append(found, descendants(c.PID)...)
	}
	return found
}

// cpu is the CPU time of authd and of its plugins, those that have ended among them.
func (s *site) cpu() time.Duration {
	st, _ := realtest.StatusOf(s.PID())
	sum := st.CPU
	for _, c := range s.Children() {
		if st, ok := realtest.StatusOf(c.PID); ok {
			sum += st.CPU
		}
	}
	return sum
}
