package catalog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hashicorp/go-plugin"

	"github.com/authd/authd/sdk"
)

// handshakeMax bounds the first line that a plugin prints.
const handshakeMax = 4 << 10

// errNoHandshake means that nothing was printed at all: mostly the process is about to end, and why it does is said
// elsewhere.
var errNoHandshake = errors.New("closed its standard output without a handshake; " + onlyHandshake)

// readHandshake reads the first line of a plugin's standard output.
func readHandshake(r *bufio.Reader) (string, error) {
	var line []byte
	for len(line) <= handshakeMax {
		b, err := r.ReadByte()
		switch {
		case err != nil && len(line) == 0:
			return "", errNoHandshake
		case err != nil && !errors.Is(err, io.EOF):
			return "", fmt.Errorf("has a standard output that can't be read: %w", err)
		case err != nil, b == '\n':
			return strings.TrimSpace(string(line)), nil
		}
		line = append(line, b)
	}
	return "", fmt.Errorf("printed more than %d bytes without a line end before the handshake; %s", handshakeMax, onlyHandshake)
}

const onlyHandshake = "a plugin's standard output must begin with go-plugin's handshake line, so log to standard error"

// checkHandshake judges the line before go-plugin sees it, and returns the path of the socket in it and the line
// to hand on. The line is CORE|PROTOCOL|NETWORK|ADDRESS|RPC|CERTIFICATE[|…]; the socket must be in dir.
func checkHandshake(line, dir string) (socket, accepted string, err error) {
	part := strings.Split(line, "|")
	if len(part) < 5 || part[0] != strconv.Itoa(plugin.CoreProtocolVersion) {
		return "", "", fmt.Errorf("printed %q instead of the handshake; %s", clean(shorten(line, 200)), onlyHandshake)
	}
	version, network, address, rpc := part[1], part[2], part[3], part[4]
	switch {
	case version != strconv.Itoa(sdk.ProtocolVersion):
		return "", "", fmt.Errorf("speaks protocol %s and this authd speaks %d; upgrade whichever is older", clean(shorten(version, 20)), sdk.ProtocolVersion)
	case network != "unix":
		return "", "", fmt.Errorf("listens on %s %s, not on a unix socket; use the directory in %s", clean(shorten(network, 20)), clean(shorten(address, 100)), plugin.EnvUnixSocketDir)
	case filepath.Dir(address) != filepath.Clean(dir) || filepath.Base(address) == "..":
		return "", "", fmt.Errorf("listens on %s, outside its directory %s; use the directory in %s", clean(shorten(address, 200)), dir, plugin.EnvUnixSocketDir)
	case rpc != string(plugin.ProtocolGRPC):
		return "", "", fmt.Errorf("speaks %q, not gRPC", clean(shorten(rpc, 20)))
	case len(part) > 5 && part[5] != "":
		// go-plugin would take it for a certificate, and fall over a nil TLS configuration.
		return "", "", errors.New("sent a certificate in the sixth field of the handshake, which authd did not ask for; leave it empty")
	}
	return address, strings.Join(part[:5], "|") + "|\n", nil
}
