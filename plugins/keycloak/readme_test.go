package main

import (
	"testing"

	"github.com/authd/authd/sdk/providertest"
)

func TestREADME(t *testing.T) { providertest.CheckREADME(t, keycloakType()) }
