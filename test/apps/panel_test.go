//go:build apps && linux

package apps

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// Threat 86: the page of a Panel application tells its WebSocket in a token who asked for it. Somebody who is signed in
// must not be able to write one for somebody else, which is why the example has Panel sign them.
func TestPanelToken(t *testing.T) {
	a := apps[1]
	e := newEstate(t, a, proxies[0])
	b := openBrowser(t)
	b.open(e.site + a.link)
	b.shows("Continue with Company")
	b.choose("Continue with Company")
	b.shows("Who are you today?")
	b.choose("Linus Fjordgren")
	b.shows("Signed in as Linus Fjordgren")

	own, err := evaluate[string](b, `fetch(location.href).then(r => r.text()).then(t => t.match(/"token":"([^"]+)"/)[1])`)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.knock(a, own); got != "opened" {
		t.Fatalf("with the token of the page the WebSocket is %s; the test proves nothing", got)
	}
	base, signature, signed := strings.Cut(own, ".")
	if !signed {
		t.Fatalf("the token is not signed: %s", own)
	}
	wantBare(t, base)
	for name, token := range map[string]string{
		"no signature":           forgedToken(t, base),
		"signature of another":   forgedToken(t, base) + "." + signature,
		"own without signature":  base,
		"own, other signature":   base + "." + strings.ToUpper(signature),
		"forged, its own id too": forgedToken(t, base) + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 32)),
	} {
		if got := b.knock(a, token); got != "refused" {
			t.Errorf("%s: the WebSocket is %s", name, got)
		}
	}
	b.shoot("apps-panel-token")
}

// knock opens the WebSocket of a Panel application with a token. Panel takes the connection and says something if it
// likes the token, and else closes it.
func (b *tab) knock(a app, token string) string {
	b.t.Helper()
	said, err := evaluate[string](b, fmt.Sprintf(`new Promise(tell => {
		const socket = new WebSocket("wss://" + location.host + %q, ["bokeh", %q]);
		socket.onmessage = () => { tell("opened"); socket.close(); };
		socket.onclose = () => tell("refused");
	})`, a.socket, token))
	if err != nil {
		b.t.Fatal(err)
	}
	return said
}

// Threat 56: scripts can read the token, so it may hold no cookie, and of the headers only those that the page shows.
func wantBare(t testing.TB, base string) {
	t.Helper()
	packed, err := base64.RawURLEncoding.DecodeString(openToken(t, base)["__bk__zlib_"].(string))
	if err != nil {
		t.Fatal(err)
	}
	r, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	var remembered struct{ Headers, Cookies map[string]string }
	if err := json.NewDecoder(r).Decode(&remembered); err != nil {
		t.Fatal(err)
	}
	if len(remembered.Cookies) != 0 {
		t.Errorf("the token holds the cookies %v", remembered.Cookies)
	}
	for name := range remembered.Headers {
		if !strings.HasPrefix(name, "X-Auth-Request-") || name == "X-Auth-Request-Jwt" {
			t.Errorf("the token holds the header %s", name)
		}
	}
	if remembered.Headers["X-Auth-Request-Name"] != "Linus Fjordgren" {
		t.Errorf("the token holds the headers %v", remembered.Headers)
	}
}

func openToken(t testing.TB, base string) map[string]any {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(base)
	if err != nil {
		t.Fatal(err)
	}
	var token map[string]any
	if err := json.Unmarshal(raw, &token); err != nil {
		t.Fatal(err)
	}
	return token
}

// forgedToken is the token of a page, with another person in the headers that Panel remembers.
func forgedToken(t testing.TB, base string) string {
	t.Helper()
	token := openToken(t, base)
	remembered, err := json.Marshal(map[string]any{"headers": forged(), "cookies": map[string]string{}, "arguments": map[string]string{}})
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	if _, err := w.Write(remembered); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	token["__bk__zlib_"] = base64.RawURLEncoding.EncodeToString(packed.Bytes())
	token["session_id"] = mark // a session of his own
	token["session_expiry"] = time.Now().Add(time.Hour).Unix()
	out, err := json.Marshal(token)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(out)
}
