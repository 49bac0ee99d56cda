//go:build linux

package e2e

import (
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/authd/authd/internal/realtest"
)

// update, set with -update, writes the pictures of the documentation.
var update = flag.Bool("update", false, "write docs/images")

var (
	programs = &realtest.Programs{Sources: []string{"cmd/authd", "plugins/*"}}
	keycloak = realtest.NewSharedKeycloak(realm())
)

func TestMain(m *testing.M) {
	flag.Parse()
	code := realtest.Run(m, programs.Remove)
	keycloak.Stop()
	os.Exit(code)
}

// shortClient is a client of the realm whose access tokens last as long as authd's shortest: thirty seconds.
const shortClient = "authd-short"

// realm is the realm of the other tests with one more client.
func realm() []byte {
	var doc map[string]any
	if err := json.Unmarshal(realtest.Realm(), &doc); err != nil {
		panic(err) // it is embedded
	}
	clients := doc["clients"].([]any)
	text, err := json.Marshal(clients[0])
	if err != nil {
		panic(err)
	}
	var short map[string]any
	if err := json.Unmarshal(text, &short); err != nil {
		panic(err)
	}
	short["clientId"] = shortClient
	short["attributes"].(map[string]any)["access.token.lifespan"] = "30"
	doc["clients"] = append(clients, short)
	out, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return out
}

// patience is how long a test waits for what must come, on a machine that does much else.
const patience = time.Minute

// pause lies between two questions.
const pause = 50 * time.Millisecond

// await asks until the answer is nil. It fails the test with the last answer when the limit has passed.
func await(t testing.TB, limit time.Duration, what string, ask func() error) {
	t.Helper()
	realtest.Await(t, pause, limit, what, ask)
}
