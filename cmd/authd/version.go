package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/authd/authd/sdk"
)

// version and commit are set by the linker: -X main.version=v1.2.3 -X main.commit=0123abc. Without them the module's
// own are reported.
var version, commit string

// versionInfo is what "authd version" tells programs.
type versionInfo struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Protocol string `json:"protocol"`
	Go       string `json:"go"`
}

func newVersion(a *app) *cobra.Command {
	var as format
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version, the commit and the plugin protocol",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := thisVersion()
			if as == "json" {
				return as.write(a.out, table{value: v})
			}
			_, err := fmt.Fprintf(a.out, "authd %s (commit %s, plugin protocol %s, %s)\n", v.Version, v.Commit, v.Protocol, v.Go)
			return err
		},
	}
	formatFlag(c, &as)
	return c
}

func thisVersion() versionInfo {
	v := versionInfo{
		Version: version, Commit: commit, Go: runtime.Version(),
		Protocol: fmt.Sprintf("%d.%d", sdk.ProtocolVersion, sdk.ProtocolMinor),
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.Version = cmp.Or(v.Version, info.Main.Version)
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Commit = cmp.Or(v.Commit, s.Value)
			}
		}
	}
	v.Version, v.Commit = cmp.Or(v.Version, "(devel)"), cmp.Or(v.Commit, "unknown")
	return v
}
