// Command authd-provider-descope lets people sign in with a project of Descope.
package main

import "github.com/authd/authd/sdk"

func main() { sdk.Serve(descopeType()) }
