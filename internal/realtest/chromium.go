//go:build unix

package realtest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// browserLimit is how long one browser may be in use. A page that never loads must
// not wait for the end of all tests.
const browserLimit = 3 * time.Minute

// chromiumFlags keep a headless Chromium to the pages of the test: no sandbox (tests
// run as root in containers), no connection of its own, and no name is looked up but
// those of this machine.
var chromiumFlags = []chromedp.ExecAllocatorOption{
	chromedp.NoSandbox,
	chromedp.DisableGPU,
	chromedp.Flag("disable-background-networking", true),
	chromedp.Flag("disable-component-update", true),
	chromedp.Flag("disable-domain-reliability", true),
	chromedp.Flag("disable-quic", true),
	chromedp.Flag("no-pings", true),
	chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE *.localhost"),
	chromedp.Flag("window-size", "1280,800"),
}

// Chromium starts a headless browser with an empty profile and returns the context of
// its first tab, for chromedp.Do and chromedp.Run. The browser ends with the test, and
// after three minutes at the latest. A test that fails leaves a screenshot of the tab.
// options are added to the flags, for example
// chromedp.Flag("host-resolver-rules", "MAP *.example.com 127.0.0.1").
func Chromium(t testing.TB, options ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	profile, err := os.MkdirTemp("", "authd-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	all := append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...)
	all = append(all, chromiumFlags...)
	all = append(all, chromedp.ExecPath(Find(t, "chromium")), chromedp.UserDataDir(profile),
		chromedp.Env("TMPDIR="+profile)) // it forgets files in the temporary directory when it is ended
	all = append(all, options...)

	limited, cancel := context.WithTimeout(context.Background(), browserLimit)
	allocator, stop := chromedp.NewExecAllocator(limited, all...)
	ctx, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		if t.Failed() {
			shotOfFailure(t, ctx)
		}
		closeTab()
		stop()
		cancel()
		// Helper processes of the browser may write for a moment longer; what they leave is harmless.
		_ = os.RemoveAll(profile)
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	return ctx
}

// Screenshot saves a picture of the whole page as test/e2e/artifacts/NAME.png and
// returns its path. Characters of name that do not fit a file name become "-".
func Screenshot(t testing.TB, ctx context.Context, name string) string {
	t.Helper()
	path, err := screenshot(ctx, name)
	if err != nil {
		t.Fatalf("screenshot %s: %v", name, err)
	}
	t.Logf("screenshot: %s", path)
	return path
}

var notFileName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

func screenshot(ctx context.Context, name string) (string, error) {
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		return "", err
	}
	if len(png) == 0 {
		return "", errors.New("chromium gave an empty picture")
	}
	path := filepath.Join(root, "test", "e2e", "artifacts", notFileName.ReplaceAllString(name, "-")+".png")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, png, 0o644)
}

// shotOfFailure saves what the browser shows when a test has failed. It must not fail
// the test a second time.
func shotOfFailure(t testing.TB, ctx context.Context) {
	short, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	path, err := screenshot(short, "failed-"+t.Name())
	if err != nil {
		t.Logf("no screenshot of the failure: %v", err)
		return
	}
	t.Logf("screenshot of the failure: %s", path)
}
