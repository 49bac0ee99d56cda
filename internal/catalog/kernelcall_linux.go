package catalog

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls of the strict sandbox, for which golang.org/x/sys has no functions: the only place where a pointer
// is handed to the kernel by hand.

const landlockRuleNetPort = 2

// portRule is struct landlock_net_port_attr.
type portRule struct{ access, port uint64 }

// newRuleset makes a set of Landlock rules; it is closed like a file.
func newRuleset(handled unix.LandlockRulesetAttr) (int, error) {
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&handled)), unsafe.Sizeof(handled), 0)
	if errno != 0 {
		return -1, fmt.Errorf("the kernel makes no Landlock rules: %w", errno)
	}
	return int(fd), nil
}

func addPathRule(ruleset int, rule unix.LandlockPathBeneathAttr) error {
	return addRule(ruleset, unix.LANDLOCK_RULE_PATH_BENEATH, unsafe.Pointer(&rule))
}

func addPortRule(ruleset int, rule portRule) error {
	return addRule(ruleset, landlockRuleNetPort, unsafe.Pointer(&rule))
}

func addRule(ruleset, kind int, rule unsafe.Pointer) error {
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), uintptr(kind), uintptr(rule), 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// filterCalls has the calling thread's system calls filtered from now on.
func filterCalls(filter program) error {
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return fmt.Errorf("its system calls can't be filtered: %w", err)
	}
	return nil
}
