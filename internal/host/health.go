package host

import (
	"context"
	"errors"

	"github.com/gofiber/fiber/v2"

	"github.com/authd/authd/internal/store"
)

// healthz is GET /healthz: the process lives.
func (s *Server) healthz(c *fiber.Ctx) error {
	return s.json(c, fiber.StatusOK, map[string]string{"status": "ok"})
}

// readyz is GET /readyz: the store answers, the required providers are up, and the server is not on its way out.
func (s *Server) readyz(c *fiber.Ctx) error {
	reasons := []string{}
	if s.draining.Load() {
		reasons = append(reasons, "stopping")
	}
	ctx, cancel := context.WithTimeout(c.UserContext(), lookupTimeout)
	defer cancel()
	if _, err := s.store.Get(ctx, secretKey); err != nil && !errors.Is(err, store.ErrNotFound) {
		reasons = append(reasons, "store")
	}
	for _, p := range s.live().providers {
		if p.Required && !p.runtime.Ready() {
			reasons = append(reasons, "provider "+p.ID)
		}
	}
	if len(reasons) > 0 {
		return s.json(c, fiber.StatusServiceUnavailable, map[string]any{"status": "unavailable", "reasons": reasons})
	}
	return s.json(c, fiber.StatusOK, map[string]string{"status": "ready"})
}
