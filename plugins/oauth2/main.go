// Command authd-provider-oauth2 lets people sign in with OAuth 2.0 providers that are no OpenID providers: any (generic,
// code), Discord and Bitbucket.
package main

import "github.com/authd/authd/sdk"

func main() { sdk.Serve(genericType(), codeType(), discordType(), bitbucketType()) }
