package host

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/authd/authd/internal/catalog"
)

// composeAttached connects to the plugins that the environment says are run by hand, for a debugger. They may be as slow
// as a breakpoint, nobody has checked or confined them, so they are for somebody's own machine only.
func (s *Server) composeAttached(ctx context.Context, opt Options) (err error) {
	const set = catalog.ReattachEnv + "="
	named := slices.ContainsFunc(opt.Environ, func(v string) bool { return strings.HasPrefix(v, set) && v != set })
	if named && !opt.Config.Loopback() {
		return fmt.Errorf("%s is set, and server.public_url %s is not on loopback: debugged plugins are for one's own machine; unset it, or set server.public_url to http://127.0.0.1:4180",
			catalog.ReattachEnv, opt.Config.Server.PublicURL)
	}
	if s.attached, err = catalog.Attached(ctx, opt.Environ); err != nil {
		return err
	}
	for _, p := range s.attached {
		s.log.Warn("a debugged plugin stands in for what the plugins directories have", "plugin", p.Name, "at", p.Path)
	}
	return nil
}

// within is how long a request may take that is to take limit: with a debugged plugin, as long as a call to it.
func (s *Server) within(limit time.Duration) time.Duration {
	if len(s.attached) > 0 {
		return max(limit, catalog.DebugPatience)
	}
	return limit
}
