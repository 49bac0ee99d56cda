package catalog

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// Landlock judges connections over TCP alone. The filter closes the ways around that: every other kind of socket that
// reaches another machine (Multipath TCP, SCTP, raw packets), data sent along with the opening of a connection (TCP
// Fast Open), and io_uring, whose calls no filter sees. UDP stays open, since names are resolved over it.

// Offsets into what a filter is shown of a system call: its number, the architecture, then the arguments.
const (
	seccompNumber = 0
	seccompArch   = 4
	seccompArgs   = 16
	x32           = 0x40000000 // a bit of the number, for the other calling convention of amd64
)

// auditArch is the kernel's name for the architectures on which the filter is known to be right: those with one
// system call for one thing, and the low half of an argument first.
var auditArch = map[string]uint32{
	"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64, "riscv64": unix.AUDIT_ARCH_RISCV64,
}

// program puts a filter together.
type program []unix.SockFilter

func (p *program) load(offset uint32) {
	*p = append(*p, unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset})
}

func (p *program) argument(n uint32) { p.load(seccompArgs + 8*n) }

func (p *program) end(action uint32) {
	*p = append(*p, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action})
}

// skip goes on after yes more instructions if the test holds of what was loaded last, else after no.
func (p *program) skip(test uint16, value uint32, yes, no int) {
	*p = append(*p, unix.SockFilter{Code: unix.BPF_JMP | test | unix.BPF_K, K: value, Jt: uint8(yes), Jf: uint8(no)})
}

// endIf ends the program if the test holds; endUnless if what was loaded is none of the values.
func (p *program) endIf(test uint16, value, action uint32) {
	p.skip(test, value, 0, 1)
	p.end(action)
}

func (p *program) endUnless(action uint32, values ...uint32) {
	for i, value := range values {
		p.skip(unix.BPF_JEQ, value, len(values)-i, 0)
	}
	p.end(action)
}

// onCall runs a program of its own, which must end, for one system call.
func (p *program) onCall(number uint32, body program) {
	p.skip(unix.BPF_JEQ, number, 0, len(body))
	*p = append(*p, body...)
}

func refuse(errno unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(errno) }

// filter is the filter for this architecture; nil if there is none.
func filter() program {
	arch, ok := auditArch[runtime.GOARCH]
	if !ok {
		return nil
	}
	var p program
	p.load(seccompArch)
	p.endUnless(refuse(unix.ENOSYS), arch)
	p.load(seccompNumber)
	p.endIf(unix.BPF_JGE, x32, refuse(unix.ENOSYS))
	p.endIf(unix.BPF_JEQ, unix.SYS_IO_URING_SETUP, refuse(unix.ENOSYS))
	p.onCall(unix.SYS_SOCKET, socketFilter())
	p.onCall(unix.SYS_SENDTO, sendFilter(3))
	p.onCall(unix.SYS_SENDMSG, sendFilter(2))
	p.onCall(unix.SYS_SENDMMSG, sendFilter(3))
	p.end(unix.SECCOMP_RET_ALLOW)
	return p
}

// sendFilter refuses a call whose flags ask for TCP Fast Open.
func sendFilter(flags uint32) (p program) {
	p.argument(flags)
	p.endIf(unix.BPF_JSET, unix.MSG_FASTOPEN, refuse(unix.EOPNOTSUPP))
	p.end(unix.SECCOMP_RET_ALLOW)
	return p
}

// socketFilter lets a process make unix and netlink sockets, and TCP and UDP ones.
func socketFilter() (p program) {
	const family, kind, protocol, kindMask = 0, 1, 2, 0xf
	p.argument(family)
	p.endIf(unix.BPF_JEQ, unix.AF_UNIX, unix.SECCOMP_RET_ALLOW)
	p.endIf(unix.BPF_JEQ, unix.AF_NETLINK, unix.SECCOMP_RET_ALLOW)
	p.endUnless(refuse(unix.EAFNOSUPPORT), unix.AF_INET, unix.AF_INET6)
	p.argument(kind)
	p = append(p, unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: kindMask})
	p.endUnless(refuse(unix.EPROTONOSUPPORT), unix.SOCK_STREAM, unix.SOCK_DGRAM)
	p.argument(protocol)
	p.endUnless(refuse(unix.EPROTONOSUPPORT), 0, unix.IPPROTO_TCP, unix.IPPROTO_UDP)
	p.end(unix.SECCOMP_RET_ALLOW)
	return p
}
