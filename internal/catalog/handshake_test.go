package catalog

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadHandshake(t *testing.T) {
	for _, test := range []struct {
		name, printed, want, wantErr string
	}{
		{"a line", "1|1|unix|/s|grpc|\nmore\n", "1|1|unix|/s|grpc|", ""},
		{"Windows line end", "1|1|unix|/s|grpc|\r\n", "1|1|unix|/s|grpc|", ""},
		{"no line end", "1|1|unix|/s|grpc|", "1|1|unix|/s|grpc|", ""},
		{"nothing", "", "", "without a handshake"},
		{"an empty line", "\n", "", ""},
		{"too much", strings.Repeat("x", 1<<20), "", "more than 4096 bytes without a line end"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := readHandshake(bufio.NewReader(strings.NewReader(test.printed)))
			if got != test.want {
				t.Errorf("readHandshake = %q, want %q", got, test.want)
			}
			fails(t, "readHandshake", err, test.wantErr)
		})
	}
	broken := iotest.ErrReader(errors.New("broken pipe"))
	_, err := readHandshake(bufio.NewReader(io.MultiReader(strings.NewReader("1|"), broken)))
	fails(t, "readHandshake of a broken pipe", err, "broken pipe")
}

// fails checks that err holds the text; "" means that there must be none.
func fails(t *testing.T, what string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: %v", what, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%s: %v; want an error with %q", what, err, want)
	}
}

// Threat 133, 138: the handshake is judged before go-plugin sees it.
func TestCheckHandshake(t *testing.T) {
	const dir = "/run/authd-1/7"
	for _, test := range []struct {
		line, socket, accepted, wantErr string
	}{
		{"1|1|unix|/run/authd-1/7/plugin1|grpc|", "/run/authd-1/7/plugin1", "1|1|unix|/run/authd-1/7/plugin1|grpc|\n", ""},
		{"1|1|unix|/run/authd-1/7/s|grpc", "/run/authd-1/7/s", "1|1|unix|/run/authd-1/7/s|grpc|\n", ""},
		{"1|1|unix|/run/authd-1/7/s|grpc||true", "/run/authd-1/7/s", "1|1|unix|/run/authd-1/7/s|grpc|\n", ""},
		{"1|1|unix|/run/authd-1/7/s|grpc|" + strings.Repeat("A", 1000), "", "", "sent a certificate"},
		{"1|1|unix|/run/authd-1/8/s|grpc|", "", "", "outside its directory"},
		{"1|1|unix|/run/authd-1/7/x/../../8/s|grpc|", "", "", "outside its directory"},
		{"1|1|unix|/run/authd-1/7/..|grpc|", "", "", "outside its directory"},
		{"1|1|unix|s|grpc|", "", "", "outside its directory"},
		{"1|1|tcp|127.0.0.1:80|grpc|", "", "", "listens on tcp 127.0.0.1:80, not on a unix socket"},
		{"1|1|unix|/run/authd-1/7/s|netrpc|", "", "", `speaks "netrpc", not gRPC`},
		{"1|2|unix|/run/authd-1/7/s|grpc|", "", "", "speaks protocol 2 and this authd speaks 1"},
		{"2|1|unix|/run/authd-1/7/s|grpc|", "", "", "instead of the handshake"},
		{"Hello\x1b[2J", "", "", `printed "Hello\\x1b[2J" instead of the handshake`},
		{"", "", "", `printed "" instead of the handshake`},
		{"1|1|unix", "", "", "instead of the handshake"},
	} {
		socket, accepted, err := checkHandshake(test.line, dir)
		if socket != test.socket || accepted != test.accepted {
			t.Errorf("checkHandshake(%.60q) = %q, %q; want %q, %q", test.line, socket, accepted, test.socket, test.accepted)
		}
		fails(t, "checkHandshake("+test.line[:min(60, len(test.line))]+")", err, test.wantErr)
	}
}

func FuzzCheckHandshake(f *testing.F) {
	f.Add("1|1|unix|/run/authd-1/7/plugin1|grpc|")
	f.Add("1|1|unix|/run/authd-1/7/../8/s|grpc|x|y")
	f.Fuzz(func(t *testing.T, line string) {
		socket, accepted, err := checkHandshake(line, "/run/authd-1/7")
		if err != nil {
			return
		}
		if !strings.HasPrefix(socket, "/run/authd-1/7/") || strings.Count(accepted, "|") != 5 || !strings.HasSuffix(accepted, "|\n") {
			t.Errorf("checkHandshake(%q) = %q, %q", line, socket, accepted)
		}
	})
}
