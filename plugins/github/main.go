// Command authd-provider-github lets people sign in with GitHub, github.com or an Enterprise server.
package main

import "github.com/authd/authd/sdk"

func main() { sdk.Serve(githubType()) }
