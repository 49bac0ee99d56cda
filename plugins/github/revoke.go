package main

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

// revoke deletes the token, which would never end by itself. GitHub has its own way for that instead of RFC 7009.
func (g *github) revoke(ctx context.Context, c *oauth2.Client, t *sdk.Token) error {
	body := oauth2.Object{}
	body.Set("access_token", t.AccessToken)
	at := g.api + "/applications/" + url.PathEscape(c.ID) + "/token"
	r, err := http.NewRequestWithContext(ctx, http.MethodDelete, at, bytes.NewReader(body.JSON()))
	if err != nil {
		return err
	}
	r.Header = http.Header{"Accept": {accept}, "Content-Type": {"application/json"}}
	r.SetBasicAuth(c.ID, c.Secret)
	a, err := c.Send("token revocation", r)
	gone := []int{http.StatusNoContent, http.StatusNotFound, http.StatusUnprocessableEntity} // now, or before
	if err == nil && !slices.Contains(gone, a.Status) {
		return sdk.UpstreamErrorf("GitHub does not revoke the token: HTTP %d", a.Status)
	}
	return err
}
