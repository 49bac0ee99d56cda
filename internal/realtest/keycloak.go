//go:build unix

package realtest

import (
	_ "embed" // for keycloak.env and realm.json
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// keycloakLimit is how long Keycloak may take to start: about 12 seconds on two idle
// cores, much longer beside other tests.
const keycloakLimit = 4 * time.Minute

//go:embed keycloak.env
var keycloakEnv string

//go:embed testdata/realm.json
var realm string

// Realm returns the realm that most tests use: "authd", with Alice and Bob, the
// confidential client "authd" whose secret is "authd-secret" and whose redirect URIs
// are every address of 127.0.0.1 and localhost, and the claim "groups".
func Realm() []byte { return []byte(realm) }

// Keycloak is a running Keycloak.
type Keycloak struct {
	URL           string // http://127.0.0.1:PORT
	Realm         string // name of the imported realm
	Issuer        string // URL/realms/REALM
	AdminUser     string // administrator of the realm "master"
	AdminPassword string

	process *Process
	release []func() // what stop gives back, last first
}

// StartKeycloak runs Keycloak with the given realm (an export in JSON) until the end of
// the test. It returns when the realm's discovery document is served, after 12 seconds
// or more: tests of one package share one with SharedKeycloak.
func StartKeycloak(t testing.TB, realm []byte) *Keycloak {
	t.Helper()
	k, err := startKeycloak(realm)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of keycloak:\n%s", Tail(k.process.Log()))
		}
		k.stop()
	})
	return k
}

// SharedKeycloak is one Keycloak for all tests of a package:
//
//	var keycloak = realtest.NewSharedKeycloak(realtest.Realm())
//
//	func TestMain(m *testing.M) {
//		code := m.Run()
//		keycloak.Stop()
//		os.Exit(code)
//	}
//
// It is started by the first test that asks for it.
type SharedKeycloak struct {
	start func() (*Keycloak, error)
	mu    sync.Mutex
	k     *Keycloak
}

// NewSharedKeycloak returns a Keycloak with the given realm that is not started yet.
func NewSharedKeycloak(realm []byte) *SharedKeycloak {
	s := &SharedKeycloak{}
	s.start = sync.OnceValues(func() (*Keycloak, error) {
		k, err := startKeycloak(realm)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.k = k
		return k, err
	})
	return s
}

// Get returns the running Keycloak and starts it if this is the first call. If it
// could not be started, the test fails, and so does every later one.
func (s *SharedKeycloak) Get(t testing.TB) *Keycloak {
	t.Helper()
	k, err := s.start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of keycloak:\n%s", Tail(k.process.Log()))
		}
	})
	return k
}

// Stop ends Keycloak if it was started. TestMain calls it after the tests.
func (s *SharedKeycloak) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.k != nil {
		s.k.stop()
		s.k = nil
	}
}

// KeycloakHome returns the directory with the unpacked and built Keycloak that
// scripts/deps keeps: authd-test/keycloak-VERSION in $XDG_CACHE_HOME or ~/.cache.
func KeycloakHome() (string, error) {
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("realtest: cache directory: %w", err)
		}
		cache = filepath.Join(home, ".cache")
	}
	home := filepath.Join(cache, "authd-test", "keycloak-"+keycloakVersion())
	if _, err := os.Stat(filepath.Join(home, "authd-built")); err != nil {
		return "", fmt.Errorf("Keycloak %s is not in %s; run \"make deps\" (it needs java and mvn)", keycloakVersion(), home)
	}
	return home, nil
}

func keycloakVersion() string {
	for line := range strings.Lines(keycloakEnv) {
		if version, ok := strings.CutPrefix(strings.TrimSpace(line), "KEYCLOAK_VERSION="); ok {
			return version
		}
	}
	return "unknown"
}

func startKeycloak(realm []byte) (k *Keycloak, err error) {
	var named struct {
		Realm string `json:"realm"`
	}
	if err := json.Unmarshal(realm, &named); err != nil {
		return nil, fmt.Errorf("realtest: the realm: %w", err)
	}
	if named.Realm == "" {
		return nil, errors.New("realtest: the realm has no name in \"realm\"")
	}
	if _, err := find("java"); err != nil {
		return nil, err
	}
	home, err := KeycloakHome()
	if err != nil {
		return nil, err
	}
	k = &Keycloak{Realm: named.Realm, AdminUser: "admin", AdminPassword: "admin-password"}
	defer func() {
		if err != nil {
			k.stop()
		}
	}()
	port, release, err := reservePort()
	if err != nil {
		return nil, err
	}
	k.release = append(k.release, release)
	k.URL = "http://127.0.0.1:" + strconv.Itoa(port)
	k.Issuer = k.URL + "/realms/" + named.Realm

	dir, err := os.MkdirTemp("", "authd-keycloak-")
	if err != nil {
		return nil, fmt.Errorf("realtest: %w", err)
	}
	k.release = append(k.release, func() { _ = os.RemoveAll(dir) })
	if err := keycloakInstance(dir, home, realm); err != nil {
		return nil, fmt.Errorf("realtest: keycloak: %w", err)
	}
	if k.process, err = k.launch(home, dir, port); err != nil {
		return nil, err
	}
	_, err = k.process.Ready(pollEvery, keycloakLimit, Answers(k.Issuer+"/.well-known/openid-configuration"))
	return k, err
}

// keycloakInstance lays out a home of its own for one run: the program by links to the
// shared, already built one, and the realm to import.
func keycloakInstance(dir, home string, realm []byte) error {
	for _, sub := range []string{"data/import", "conf"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
	}
	for _, shared := range []string{"lib", "providers", "themes"} {
		if err := os.Symlink(filepath.Join(home, shared), filepath.Join(dir, shared)); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "data", "import", "realm.json"), realm, 0o600)
}

// launch starts the built Keycloak with an in-memory database. TieredStopAtLevel=1
// saves the time of the optimising compiler, which never pays for itself here.
func (k *Keycloak) launch(home, dir string, port int) (*Process, error) {
	env := []string{
		"KC_BOOTSTRAP_ADMIN_USERNAME=" + k.AdminUser,
		"KC_BOOTSTRAP_ADMIN_PASSWORD=" + k.AdminPassword,
		"JAVA_OPTS_KC_HEAP=-Xms64m -Xmx512m",
		"JAVA_OPTS_APPEND=-XX:TieredStopAtLevel=1 -XX:-UsePerfData -Djava.io.tmpdir=" + dir,
	}
	return launch("keycloak", dir, env,
		filepath.Join(home, "bin", "kc.sh"), "-Dkc.home.dir="+dir, "start", "--optimized", "--import-realm",
		"--cache=local", "--hostname-strict=false",
		"--http-enabled=true", "--http-host=127.0.0.1", "--http-port="+strconv.Itoa(port))
}

// stop ends the process and gives back its port and its directory.
func (k *Keycloak) stop() {
	if k.process != nil {
		k.process.End()
	}
	for i := len(k.release) - 1; i >= 0; i-- {
		k.release[i]()
	}
	k.release = nil
}
