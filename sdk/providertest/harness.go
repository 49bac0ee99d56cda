package providertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"testing"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
)

// Harness tells the kit how a provider type is run against the developer identity provider.
type Harness struct {
	// Type under test. RunBinary needs its Name alone, and not even that where the binary serves one type.
	Type sdk.Type
	// Settings point the provider at the identity provider, whose default client is "demo" with "demo-secret". Nil:
	// only what needs no settings is checked.
	Settings func(idp *devidp.Server) map[string]string
	// Scopes the operator asks for; nil: the type's.
	Scopes []string
	// IDP has the clients, mounts and manners of the identity provider. The kit sets Addr and Issuer, and gives a
	// refresh token with each login. The people who sign in are the kit's own, added to Users.
	IDP devidp.Options
	// Person changes a made-up person before they sign in, e.g. puts them into the organization that the settings
	// ask for; nil: nothing.
	Person func(*devidp.User)
	// Callback parameters that the identity provider would add to the authorization response.
	Callback url.Values
	// Credentials that are right, for a provider with a password form that does not ask the identity provider; nil:
	// those of the made-up people.
	Credentials *sdk.Credentials
}

// Run runs the suite against h.Type in this process, over gRPC in memory and through all that Serve puts around a
// provider. Each check is a subtest.
func Run(t *testing.T, h Harness) {
	t.Helper()
	if h.Type.New == nil {
		t.Fatalf("providertest: Harness.Type %q has no New", h.Type.Name)
	}
	runSuite(t.Context(), testReport{t}, h, inProcess{types: []sdk.Type{h.Type}})
}

// RunBinary runs the suite against the executable at path, started as authd starts it: with go-plugin's handshake over
// a unix socket, a pipe as standard input and nothing of the environment. Each check is a subtest.
func RunBinary(t *testing.T, path string, h Harness) {
	t.Helper()
	report := testReport{t}
	bin := &binary{path: path}
	manifest, ok := checkProcess(t.Context(), report, bin)
	if !ok {
		return
	}
	typ, err := pick(manifest, h.Type.Name)
	if err != nil {
		t.Fatal(err)
	}
	h.Type = typ
	runSuite(t.Context(), report, h, bin)
}

func pick(m *sdk.Manifest, name string) (sdk.Type, error) {
	if typ, ok := m.Type(name); ok {
		return typ, nil
	}
	if name == "" && len(m.Types) == 1 {
		return m.Types[0], nil
	}
	return sdk.Type{}, fmt.Errorf("providertest: the plugin serves no type %q; name one of %s in Harness.Type.Name", name, typeNames(m))
}

// CheckFailed is returned by CheckBinary when a check has failed. What and why was written already.
type CheckFailed struct {
	// Path of the binary; Failed of Checks failed.
	Path           string
	Failed, Checks int
}

// Error says how many checks failed.
func (e *CheckFailed) Error() string {
	return fmt.Sprintf("%s: %d of %d checks failed; each FAIL line says how to mend it", e.Path, e.Failed, e.Checks)
}

// CheckBinary runs the suite against the executable at path and all of its types, and writes a line for each check to
// w: "ok   NAME", or "FAIL NAME: what is wrong and how to mend it". Settings are guessed from the manifest; where that
// is not possible a line "note NAME: …" says that logins were not tried. The error is a *CheckFailed when a check has
// failed, and another one when ctx ended or w can't be written to.
func CheckBinary(ctx context.Context, w io.Writer, path string) error {
	report := &lineReport{w: w}
	bin := &binary{path: path}
	if manifest, ok := checkProcess(ctx, report, bin); ok {
		for _, typ := range manifest.Types {
			h, why := guess(ctx, bin, typ)
			if why != "" {
				report.under(typ.Name).Logf("logins were not tried: %s", why)
			}
			runSuite(ctx, report.under(typ.Name), h, bin)
		}
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("check of %s was cut short: %w", path, context.Cause(ctx))
	case report.err != nil:
		return fmt.Errorf("write the report: %w", report.err)
	case report.failed > 0:
		return &CheckFailed{Path: path, Failed: report.failed, Checks: report.checks}
	case report.checks == 0:
		return errors.New("nothing was checked")
	}
	return nil
}
