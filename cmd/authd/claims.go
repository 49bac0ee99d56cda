package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/authd/authd/internal/config"
	"github.com/authd/authd/internal/policy"
)

// claimFaults compiles the expressions that replace fields of a provider's users.
func claimFaults(cfg *config.Config, i int) []config.Fault {
	var faults []config.Fault
	claims := cfg.Providers[i].Claims
	for _, field := range slices.Sorted(maps.Keys(claims)) {
		if err := policy.CheckMapping(field, claims[field]); err != nil {
			path := fmt.Sprintf("providers[%d].claims.%s", i, field)
			faults = append(faults, ruleFault(cfg, path, err, "the expressions are CEL over user and claims, such as groups = 'claims.roles'"))
		}
	}
	return faults
}
