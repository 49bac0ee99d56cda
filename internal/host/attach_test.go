package host

import (
	"testing"
	"time"

	"github.com/authd/authd/internal/catalog"
)

// A request waits for a debugged plugin for as long as a call to it may take, and for nothing else.
func TestWithin(t *testing.T) {
	var s Server
	if got := s.within(time.Second); got != time.Second {
		t.Errorf("without a debugged plugin: %v", got)
	}
	s.attached = []catalog.Plugin{{Name: "acme"}}
	if got := s.within(time.Second); got != catalog.DebugPatience {
		t.Errorf("with one: %v, want %v", got, catalog.DebugPatience)
	}
	if got := s.within(time.Hour); got != time.Hour {
		t.Errorf("what takes longer anyway: %v", got)
	}
}
