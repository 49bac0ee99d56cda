package catalog

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// strictly is the provider in the strict sandbox.
func strictly(pc ProviderConfig, ports ...uint16) ProviderConfig {
	pc.Sandbox = Sandbox{Level: LevelStrict, EgressPorts: ports}
	return pc
}

// tryOut is what the test plugin does to find the walls of its sandbox. It returns the error; "" if there was none.
func tryOut(what string) string {
	words := strings.Fields(what)
	if err := trial(words[0], words[1:]); err != nil {
		return err.Error()
	}
	return ""
}

func trial(what string, args []string) error {
	switch what {
	case "read":
		f, err := os.Open(args[0])
		if err == nil {
			_, err = io.Copy(io.Discard, f)
			_ = f.Close()
		}
		return err
	case "write":
		f, err := os.OpenFile(args[0], os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err == nil {
			_, err = f.WriteString("x")
			_ = f.Close()
		}
		return err
	case "start":
		return exec.Command(args[0]).Run()
	case "connect":
		conn, err := net.Dial(args[0], args[1])
		if err == nil {
			err = conn.Close()
		}
		return err
	case "listen":
		l, err := net.Listen("tcp", args[0])
		if err == nil {
			err = l.Close()
		}
		return err
	case "signal":
		return unix.Kill(number(args[0]), 0)
	case "socket":
		fd, err := unix.Socket(number(args[0]), number(args[1]), number(args[2]))
		if err == nil {
			err = unix.Close(fd)
		}
		return err
	case "fastopen":
		return fastOpen(args[0])
	case "uring":
		const setup = 425
		_, _, errno := unix.Syscall(setup, 0, 0, 0)
		return errno
	}
	return fmt.Errorf("no trial is called %s", what)
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n
}

// fastOpen sends data along with the opening of a connection.
func fastOpen(address string) error {
	const flag = 0x20000000
	tcp, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	to := &unix.SockaddrInet4{Port: tcp.Port}
	copy(to.Addr[:], tcp.IP.To4())
	return unix.Sendto(fd, []byte("hello"), flag, to)
}
