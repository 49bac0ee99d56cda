package devidp_test

import (
	"context"
	"fmt"
	"net/url"

	"github.com/authd/authd/sdk/devidp"
)

// A test starts a provider, lets it misbehave, and signs somebody in.
func Example() {
	idp, err := devidp.Start(devidp.Options{SigningAlg: "ES256"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer idp.Close()

	request := url.Values{
		"client_id": {"demo"}, "redirect_uri": {"http://127.0.0.1:4180/callback"},
		"response_type": {"code"}, "scope": {"openid"}, "state": {"xyz"},
	}
	authorize := idp.EndpointURL(devidp.EndpointAuthorize) + "?" + request.Encode()

	idp.Fault(devidp.EndpointAuthorize, devidp.Fault{Flaws: []devidp.Flaw{devidp.FlawNoState}, Times: 1})
	for range 2 {
		callback, err := idp.Authorize(context.Background(), authorize, "ada")
		if err != nil {
			fmt.Println(err)
			return
		}
		back, err := url.Parse(callback)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("a code: %v, state: %q\n", back.Query().Has("code"), back.Query().Get("state"))
	}
	fmt.Println("authorization requests:", idp.RequestCount(devidp.EndpointAuthorize))
	// Output:
	// a code: true, state: ""
	// a code: true, state: "xyz"
	// authorization requests: 2
}
