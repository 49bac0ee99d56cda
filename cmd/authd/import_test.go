package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func importApp(t *testing.T) (*app, *strings.Builder, *strings.Builder) {
	t.Helper()
	var out, errOut strings.Builder
	environ := []string{"OAUTH_GITHUB_CLIENT_ID=id", "OAUTH_GITHUB_CLIENT_SECRET=hush"}
	return &app{out: &out, errOut: &errOut, environ: environ}, &out, &errOut
}

// Threat 154: --force replaces the file as a whole: secrets reach neither the target of a link nor those who could read the
// old file.
func TestImportReplacesNoLinkTarget(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "public"), filepath.Join(dir, "authd.toml")
	if err := os.WriteFile(target, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	a, _, stderr := importApp(t)
	if code := a.run(t.Context(), []string{"config", "import", "--from", "chainlit", "--out", link}); code != exitUsage {
		t.Errorf("without --force: exit code %d, %s", code, stderr)
	}
	a, _, stderr = importApp(t)
	if code := a.run(t.Context(), []string{"config", "import", "--from", "chainlit", "--out", link, "--force"}); code != exitOK {
		t.Fatalf("with --force: exit code %d, %s", code, stderr)
	}
	if content, err := os.ReadFile(target); err != nil || string(content) != "old" {
		t.Errorf("the target of the link was written: %q, %v", content, err)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v, want a plain file with 0600", info.Mode(), err)
	}
	rest, err := filepath.Glob(filepath.Join(dir, ".authd-import-*"))
	if err != nil || len(rest) != 0 {
		t.Errorf("left behind: %v, %v", rest, err)
	}
}

// A directory in the place of the file, and one that is not there, leave nothing behind.
func TestImportOutFails(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{
		{"--out", dir}, {"--out", dir, "--force"}, {"--out", filepath.Join(dir, "no", "where")}, {"--out", filepath.Join(dir, "no", "where"), "--force"},
	} {
		a, stdout, stderr := importApp(t)
		code := a.run(t.Context(), append([]string{"config", "import", "--from", "chainlit"}, args...))
		if code == exitOK || stdout.Len() > 0 || strings.Count(stderr.String(), "\n") != 1 || strings.Contains(stderr.String(), "hush") {
			t.Errorf("%q: exit code %d, out %q, err %q", args, code, stdout, stderr)
		}
	}
	for _, in := range []string{dir, filepath.Dir(dir)} {
		if rest, err := filepath.Glob(filepath.Join(in, ".authd-import-*")); err != nil || len(rest) != 0 {
			t.Errorf("left behind: %v, %v", rest, err)
		}
	}
}

func TestImportToClosedPipe(t *testing.T) {
	a, _, _ := importApp(t)
	a.out = closedPipe{}
	if code := a.run(t.Context(), []string{"config", "import", "--from", "chainlit"}); code != exitFailed {
		t.Errorf("exit code %d, want 1", code)
	}
}

func TestImportReadsADirectory(t *testing.T) {
	a, stdout, stderr := importApp(t)
	if code := a.run(t.Context(), []string{"config", "import", "--from", "chainlit", t.TempDir()}); code != exitUsage {
		t.Errorf("exit code %d, want 2", code)
	}
	if stdout.Len() > 0 || !strings.Contains(stderr.String(), ": can't be read: is a directory; check the path") {
		t.Errorf("out %q, err %q", stdout, stderr)
	}
}
