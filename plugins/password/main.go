// Command authd-provider-password lets people sign in with a user name and a password that they type into authd's form.
package main

import "github.com/authd/authd/sdk"

func main() { sdk.Serve(passwordType(), usersType()) }
