package sdk

import (
	"net/http"
	"time"
)

// SetCallTimeout changes how long a call of a client of NewHTTPClient may take, and returns how long that was.
func SetCallTimeout(c *http.Client, timeout time.Duration) (was time.Duration) {
	t := c.Transport.(*boundedTransport)
	was, t.timeout = t.timeout, timeout
	return was
}
