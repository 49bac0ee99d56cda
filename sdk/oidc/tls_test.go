package oidc_test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/oidc"
)

// newTLS makes a provider for an identity provider behind TLS whose discovery document is edited.
func newTLS(t *testing.T, edit func(body map[string]any)) (sdk.Provider, error) {
	t.Helper()
	var idp *devidp.Server
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { idp.Handler().ServeHTTP(w, r) }))
	t.Cleanup(s.Close)
	var err error
	if idp, err = devidp.New(devidp.Options{Issuer: s.URL, SigningAlg: "ES256"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idp.Close() })
	idp.Fault(devidp.EndpointDiscovery, devidp.Fault{EditBody: edit})
	client, err := sdk.NewHTTPClient(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return oidc.New(t.Context(), sdk.Config{HTTP: client, Log: hclog.NewNullLogger()}, at(idp))
}
