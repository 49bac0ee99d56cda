package host

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// closeTime is what Stop leaves for plugins and store when requests take as long as they may.
const closeTime = 4 * time.Second

// drain turns the world away before the door is closed: /readyz says so, every answer asks for its connection to be
// closed, and for Options.Drain new connections are still served. Whoever uses a connection meanwhile leaves by
// himself, so that none is closed that a request is just being sent on.
func (s *Server) drain(ctx context.Context) {
	s.draining.Store(true)
	s.tell("STOPPING=1", "STATUS=stopping: running requests end")
	if s.drainTime <= 0 || s.listener == nil {
		return
	}
	select {
	case <-time.After(s.drainTime):
	case <-ctx.Done():
	}
}

// parting asks for connections to be closed once the server is on its way out.
func (s *Server) parting(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		next(ctx)
		if s.draining.Load() {
			ctx.SetConnectionClose()
		}
	}
}

// letRequestsEnd closes app's listener, then its connections as they fall idle. Those whose requests don't end in
// time end with the process: that is no failure, since there will always be one who sends a byte a minute.
func (s *Server) letRequestsEnd(ctx context.Context, app *fiber.App) error {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-closeTime))
		defer cancel()
	}
	err := app.ShutdownWithContext(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("connections are cut: their requests did not end in time", "connections", app.Server().GetOpenConnectionsCount())
		return nil
	}
	return err
}

// socket returns the listener that the service manager has passed, or opens address, which the setting called name
// holds.
func (s *Server) socket(passed net.Listener, name, address string) (net.Listener, error) {
	if passed == nil {
		return listen(name, address)
	}
	at := passed.Addr().String()
	if onUnix(passed) {
		at = "unix:" + at
	}
	if at != address {
		s.log.Warn("the service manager's socket is used and not "+name, "socket", at, name, address)
	}
	return passed, nil
}

// onUnix tells whether a listener is a unix socket: whoever may use it is trusted with more. The configuration can't
// tell, since the manager's socket may be of another kind.
func onUnix(l net.Listener) bool { return l != nil && l.Addr().Network() == "unix" }
