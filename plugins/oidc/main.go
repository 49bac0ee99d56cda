// Command authd-provider-oidc lets people sign in with OpenID Connect: any provider of it, and some by name.
package main

import "github.com/authd/authd/sdk"

func main() { sdk.Serve(types()...) }

func types() []sdk.Type {
	return []sdk.Type{oidcType(), googleType(), azureType(), azureHybridType(), oktaType(), auth0Type(), cognitoType(), gitlabType()}
}
