package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/authd/authd/internal/keys"
)

func newKeygen(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "keygen",
		Short: "Print a fresh secret, for session.secret",
		Long: `Print a fresh secret of 256 random bits, for session.secret, admin.token or the secret of a client. To replace
session.secret without signing anybody out, put the new one before the old one in a list.`,
		Example: `  (umask 077 && authd keygen > session_secret)`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.out, keys.NewSecret())
			return err
		},
	}
}
