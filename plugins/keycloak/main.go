// Command authd-provider-keycloak lets people sign in with a realm of Keycloak or Red Hat build of Keycloak.
package main

import "github.com/authd/authd/sdk"

func main() { sdk.Serve(keycloakType()) }
