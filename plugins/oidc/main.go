// Command authd-provider-oidc lets people sign in with any OpenID Connect provider.
package main

import "github.com/authd/authd/sdk"

func main() { sdk.Serve(oidcType()) }
