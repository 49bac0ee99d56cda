package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/authd/authd/internal/config"
	"github.com/authd/authd/internal/config/importer"
)

// importFlags are the flags of "config import".
type importFlags struct {
	from, out      string
	force, secrets bool
}

func newConfigImport(a *app) *cobra.Command {
	var flags importFlags
	c := &cobra.Command{
		Use:   "import [FILE]",
		Short: "Make an authd.toml of the settings of Chainlit, Panel, Streamlit or Chatto",
		Long: `Make an authd.toml of the sign-in settings of another system. FILE is

  chainlit    its .env file
  panel       a file with PANEL_* variables, with the command line of "panel serve", or with both
  streamlit   .streamlit/secrets.toml
  chatto      chatto.toml, or a file with CHATTO_* variables

Without FILE the environment is read (not for Streamlit). Comments in the result say where each value comes from.
Each line that could not be carried is named on standard error, with the reason and what to do.

With --out the secrets are written into the file, which only its owner may read. On standard output, which may end up
anywhere, each is replaced by the name of a file to put it into; --secrets shows them there too.`,
		Example: `  authd config import --from chainlit --out authd.toml .env
  authd config import --from streamlit .streamlit/secrets.toml`,
		Args: atMost("FILE"),
		RunE: func(_ *cobra.Command, args []string) error { return a.configImport(flags, strings.Join(args, "")) },
	}
	c.Flags().StringVar(&flags.from, "from", "", "system to import from: "+strings.Join(importer.Systems(), ", "))
	c.Flags().StringVar(&flags.out, "out", "", "file to write, with the secrets in it (default standard output)")
	c.Flags().BoolVar(&flags.force, "force", false, "replace the file of --out if it exists")
	c.Flags().BoolVar(&flags.secrets, "secrets", false, "write secrets to standard output too")
	_ = c.RegisterFlagCompletionFunc("from", cobra.FixedCompletions(importer.Systems(), cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return c
}

func (a *app) configImport(flags importFlags, file string) error {
	if flags.from == "" {
		return usage(fmt.Errorf("--from is not set; name the system: %s", strings.Join(importer.Systems(), ", ")))
	}
	source := importer.Source{File: file, Environ: a.environ}
	if file != "" {
		document, err := readSource(file)
		if err != nil {
			return err
		}
		source.Document = document
	}
	result, err := importer.Import(flags.from, source)
	if err != nil {
		return err
	}
	if flags.out != "" {
		err = writePrivate(flags.out, result.TOML(true), flags.force)
	} else {
		_, err = a.out.Write(result.TOML(flags.secrets))
	}
	if err != nil {
		return err
	}
	for _, note := range result.Notes {
		a.say("%s", note)
	}
	if flags.out != "" {
		_, err = fmt.Fprintf(a.out, "%s: %s; look at it with authd config check --config %s\n", flags.out, countOf(result.Providers()), flags.out)
		return err
	}
	if !flags.secrets {
		for _, secret := range result.SecretFiles() {
			a.say("%s", oneLine(fmt.Sprintf("%s: make this file, readable for authd alone, with the client secret of provider %s (%s); or use --out",
				secret.Path, secret.Provider, secret.From)))
		}
	}
	return nil
}

// readSource reads the file of the other system.
func readSource(file string) ([]byte, error) {
	fault := func(err error) error {
		if path := (*fs.PathError)(nil); errors.As(err, &path) {
			err = path.Err
		}
		return &config.Faults{List: []config.Fault{{File: file, Summary: "can't be read: " + err.Error(), Mend: "check the path and who may read it"}}}
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fault(err)
	}
	defer f.Close()
	document, err := io.ReadAll(io.LimitReader(f, importer.MaxDocument+1))
	if err != nil {
		return nil, fault(err)
	}
	return document, nil
}

// writePrivate writes a file that only its owner may read. Without force it replaces nothing; with force it replaces
// the file as a whole, so that its old mode and its old readers have no part in the new one.
func writePrivate(path string, content []byte, force bool) error {
	if force {
		return replacePrivate(path, content)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return usage(fmt.Errorf("%s exists; name another file, or replace it with --force", path))
	}
	if err != nil {
		return usage(fmt.Errorf("write the configuration: %w", err))
	}
	if err := fill(f, content); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

func replacePrivate(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".authd-import-*") // mode 0600
	if err != nil {
		return usage(fmt.Errorf("write the configuration: %w", err))
	}
	if err := fill(f, content); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return errors.Join(fmt.Errorf("write the configuration: %w", err), os.Remove(f.Name()))
	}
	return nil
}

func fill(f *os.File, content []byte) error {
	_, err := f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}
