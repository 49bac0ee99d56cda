package host

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// maxURL is the longest request target that is read.
const maxURL = 8 << 10

// guard refuses requests that proxies and authd might read differently (RFC 9112 section 11.2) before anything looks
// at them. fasthttp refuses most of those; what it lets through is refused here.
func (s *Server) guard(c *fiber.Ctx) error {
	header := &c.Request().Header
	if err := framing(header.RawHeaders(), header.IsHTTP11()); err != nil {
		c.Context().SetConnectionClose()
		return s.fail(c, failInvalidRequest, err, "")
	}
	if target := header.RequestURI(); len(target) > 0 && target[0] != '/' && !bytes.EqualFold(c.Request().URI().Host(), header.Host()) {
		// A target in absolute form (RFC 9112 section 3.2.2) that names another host than the Host field.
		c.Context().SetConnectionClose()
		return s.fail(c, failInvalidRequest, fmt.Errorf("the request target names another host than the Host field"), "")
	}
	if len(header.RequestURI()) > maxURL {
		tell := failInvalidRequest
		tell.status = fiber.StatusRequestURITooLong
		return s.fail(c, tell, fmt.Errorf("the request target has %d bytes", len(header.RequestURI())), "")
	}
	if c.Method() == fiber.MethodTrace {
		return fiber.ErrMethodNotAllowed
	}
	return c.Next()
}

// knownMethod answers methods that authd does not know as any other one that an address does not have.
func (s *Server) knownMethod(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if slices.Contains(s.app.Config().RequestMethods, string(ctx.Method())) {
			next(ctx)
			return
		}
		c := s.app.AcquireCtx(ctx)
		defer s.app.ReleaseCtx(c)
		if err := s.unhandled(c, fiber.ErrMethodNotAllowed); err != nil {
			ctx.SetStatusCode(fiber.StatusInternalServerError)
		}
	}
}

// framing refuses lines that end in a bare LF, folded fields, Transfer-Encoding beside Content-Length, and
// Transfer-Encoding before HTTP/1.1.
func framing(raw []byte, http11 bool) error {
	length, encoding := false, false
	for len(raw) > 0 {
		line, rest, _ := bytes.Cut(raw, []byte("\n"))
		raw = rest
		if len(line) == 0 || line[len(line)-1] != '\r' {
			return fmt.Errorf("a line does not end in CR LF")
		}
		switch line[0] {
		case ' ', '\t':
			return fmt.Errorf("a header field is folded")
		case 'c', 'C':
			length = length || named(line, "content-length")
		case 't', 'T':
			encoding = encoding || named(line, "transfer-encoding")
		}
	}
	if encoding && (length || !http11) {
		return fmt.Errorf("Transfer-Encoding comes with Content-Length, or in HTTP/1.0")
	}
	return nil
}

func named(line []byte, name string) bool {
	return len(line) > len(name) && line[len(name)] == ':' && bytes.EqualFold(line[:len(name)], []byte(name))
}

// sameOrigin lets only authd's own pages do something (Fetch Metadata, then Origin). The check lets every GET pass; who
// mounts this on one means it, so the method is not told.
func (s *Server) sameOrigin(c *fiber.Ctx) error {
	r := &http.Request{Method: http.MethodPost, Header: http.Header{}, Host: s.publicURL.Host, URL: &url.URL{Path: c.Path()}}
	for _, name := range []string{"Sec-Fetch-Site", "Origin"} {
		if value := c.Get(name); value != "" {
			r.Header.Set(name, value)
		}
	}
	if err := s.crossOrigin.Check(r); err != nil {
		tell := failAccessDenied
		tell.message = "This can only be done from this site's own pages."
		return s.fail(c, tell, err, "")
	}
	return c.Next()
}
