//go:build linux

package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/authd/authd/sdk"
)

// pluginPrefix is how the files of plugins begin.
const pluginPrefix = "authd-provider-"

// The plugins that this test binary is under other names.
const (
	liarName    = "liar"
	crasherName = "crasher"
)

// runPlugin serves one of them until authd is done with it.
func runPlugin(name string) {
	switch name {
	case liarName:
		sdk.Serve(liarType())
	case crasherName:
		describing := len(os.Args) > 1
		if !describing {
			fmt.Fprintln(os.Stderr, "no licence was found")
			os.Exit(3)
		}
		sdk.Serve(sdk.Type{Name: crasherName, Label: "Crasher", New: func(context.Context, sdk.Config) (sdk.Provider, error) { return liar{}, nil }})
	default:
		fmt.Fprintln(os.Stderr, "no plugin is called", name)
		os.Exit(2)
	}
}

// liarEndpoint is where the liar sends people; nobody ever goes there.
const liarEndpoint = "https://idp.example.net/authorize"

func liarType() sdk.Type {
	return sdk.Type{Name: liarName, Label: "Liar", New: func(context.Context, sdk.Config) (sdk.Provider, error) { return liar{}, nil }}
}

// liar lies at run time: the login_hint chooses the lie of the start, the code that of the callback.
type liar struct{}

// startLies send people elsewhere, or too much along with them.
var startLies = []string{
	"https://evil.example/authorize", "https://idp.example.net:8443/authorize", "http://idp.example.net/authorize", "javascript:alert(1)",
	"https://idp.example.net@evil.example/authorize", `https://idp.example.net\@evil.example/`, liarEndpoint + "?x=\r\nSet-Cookie:%20authd=b", "many",
}

// callbackLies are tokens and users that are none, or too much.
var callbackLies = []string{
	"nil-token", "empty-token", "newline-token", "plain-error", "nil-user", "empty-sub", "newline-sub", "long-sub", "groups", "invalid-utf8",
	"claims-not-json", "claims-array", "newline-name", "bytes-2", "bytes-8", "bytes-24",
}

// AuthorizeParams tells the truth only when it is not asked for a lie.
func (liar) AuthorizeParams(_ context.Context, in sdk.AuthorizeRequest) (sdk.AuthorizeParams, error) {
	out := sdk.AuthorizeParams{Endpoint: liarEndpoint, Params: url.Values{}}
	switch in.LoginHint {
	case "":
	case "many":
		for i := range 200 {
			out.Params.Set(fmt.Sprint("p", i), "x")
		}
	default:
		out.Endpoint = in.LoginHint
	}
	return out, nil
}

// GetToken passes the lie on in the token.
func (liar) GetToken(_ context.Context, in sdk.CodeExchange) (*sdk.Token, error) {
	switch in.Code {
	case "nil-token":
		return nil, nil
	case "empty-token":
		return &sdk.Token{}, nil
	case "newline-token":
		return &sdk.Token{AccessToken: "a\r\nb"}, nil
	case "plain-error":
		return nil, fmt.Errorf("secret path /etc/liar and\na second line")
	}
	return &sdk.Token{AccessToken: in.Code}, nil
}

// GetUserInfo makes up a person.
func (liar) GetUserInfo(_ context.Context, t *sdk.Token) (*sdk.User, error) {
	u := &sdk.User{Sub: "42", PreferredUsername: "liz"}
	if size, large := strings.CutPrefix(t.AccessToken, "bytes-"); large {
		n, err := strconv.Atoi(size)
		u.Claims = json.RawMessage(`{"x":"` + strings.Repeat("a", n*mib) + `"}`)
		return u, err
	}
	switch t.AccessToken {
	case "nil-user":
		return nil, nil
	case "empty-sub":
		u.Sub = ""
	case "newline-sub":
		u.Sub = "42\r\nX-Auth-Request-User: root"
	case "long-sub":
		u.Sub = strings.Repeat("4", 300)
	case "groups":
		u.Groups = strings.Split(strings.Repeat("g,", 5000), ",")
	case "invalid-utf8":
		u.Name = "a\xff\xfeb"
	case "claims-not-json":
		u.Claims = json.RawMessage(`{"x":`)
	case "claims-array":
		u.Claims = json.RawMessage(`["x"]`)
	case "newline-name":
		u.Name = "a\nb"
	}
	return u, nil
}
