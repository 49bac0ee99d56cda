package host

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/authd/authd/internal/audit"
	"github.com/authd/authd/internal/catalog"
	"github.com/authd/authd/internal/identity"
	"github.com/authd/authd/internal/keys"
	"github.com/authd/authd/internal/login"
	"github.com/authd/authd/internal/policy"
	"github.com/authd/authd/internal/session"
	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/internal/store/open"
	"github.com/authd/authd/internal/telemetry"
	"github.com/authd/authd/sdk"
)

// compose makes the parts from the configuration, each from those before it.
func (s *Server) compose(ctx context.Context, opt Options) error {
	for _, step := range []func(context.Context, Options) error{
		s.composeFace, s.composeStore, s.composeKeys, s.composeAttached, s.composeProviders, s.composeLogin,
	} {
		if err := step(ctx, opt); err != nil {
			return err
		}
	}
	return nil
}

// composeFace makes what needs nothing but the configuration.
func (s *Server) composeFace(_ context.Context, opt Options) (err error) {
	cfg := opt.Config
	if s.publicURL, err = url.Parse(cfg.Server.PublicURL); err != nil {
		return fmt.Errorf("server.public_url: %w", err)
	}
	s.https = s.publicURL.Scheme == "https"
	s.cookieName = s.sessionCookie()
	s.crossOrigin = http.NewCrossOriginProtection()
	if err := s.crossOrigin.AddTrustedOrigin((&url.URL{Scheme: s.publicURL.Scheme, Host: s.publicURL.Host}).String()); err != nil {
		return fmt.Errorf("server.public_url: %w", err)
	}
	return nil
}

// secretKey is the one key that the host itself writes:
//
//	secret/session   → the session secret, when the configuration has none
const secretKey = "secret/session"

func (s *Server) composeStore(ctx context.Context, opt Options) error {
	st, closer, err := open.Open(ctx, opt.Config.Store.URL, open.Options{})
	if err != nil {
		return err
	}
	s.store = st
	s.closers = append(s.closers, func(context.Context) error { return closer.Close() })
	secrets := make([][]byte, 0, 2)
	for _, one := range opt.Config.Session.Secret {
		secrets = append(secrets, []byte(one))
	}
	if len(secrets) == 0 {
		made, err := s.ownSecret(ctx)
		if err != nil {
			return err
		}
		secrets = append(secrets, made)
	}
	s.ring, err = keys.NewRing(secrets...)
	return err
}

// ownSecret returns the secret that authd made for itself, making it at the first start. Of several instances that
// start at once, all use the one that was stored first.
func (s *Server) ownSecret(ctx context.Context) ([]byte, error) {
	made := keys.NewSecret()
	_, err := s.store.Put(ctx, secretKey, []byte(made), 0, store.Absent())
	if err == nil {
		s.log.Warn("session.secret is not set; a secret was made and is kept in the store",
			"mend", "authd keygen prints one; set session.secret or session.secret_file to keep it outside the store")
		return []byte(made), nil
	}
	if !errors.Is(err, store.ErrConflict) {
		return nil, fmt.Errorf("keep the session secret: %w", err)
	}
	item, err := s.store.Get(ctx, secretKey)
	if err != nil {
		return nil, fmt.Errorf("read the session secret: %w", err)
	}
	return item.Value, nil
}

// composeKeys makes the keys that sign what apps are told.
func (s *Server) composeKeys(ctx context.Context, _ Options) (err error) {
	s.signer, err = keys.NewSigner(ctx, keys.SignerConfig{
		Name: "identity", Store: s.store, Ring: s.ring, TokenLife: identityLife, Warn: s.log.Warn, Info: s.log.Info, Changed: s.keysChanged,
	})
	if err != nil {
		return err
	}
	s.closers = append(s.closers, func(context.Context) error { s.signer.Close(); return nil })
	return nil
}

// keysChanged tells the log and the audit log which keys sign now, and which will.
func (s *Server) keysChanged(all []keys.KeyInfo) {
	said := make([]string, len(all))
	for i, key := range all {
		said[i] = fmt.Sprintf("%s %s from %s", key.State, key.ID, key.From.Format(time.RFC3339))
	}
	cause := strings.Join(said, ", ")
	s.log.Info("signing keys were changed", "keys", cause)
	s.audit.Write(audit.Event{Kind: audit.KeysChanged, Cause: cause})
}

// composeProviders makes what a reload can replace, and the catalog that runs the providers.
func (s *Server) composeProviders(ctx context.Context, opt Options) error {
	s.lock = catalog.OpenLock(opt.Config.LockPath())
	next, starts, err := s.prepare(ctx, opt.Config)
	if err != nil {
		return err
	}
	if s.catalog, err = catalog.New(catalog.Config{
		Providers: starts, Lock: s.lock, Environ: opt.Environ, Log: s.log, Event: s.pluginEvent,
	}); err != nil {
		return err
	}
	s.closers = append(s.closers, s.catalog.Stop)
	if err := next.join(s.catalog); err != nil {
		return err
	}
	s.inForce.Store(next)
	s.metrics.Providers(func(report func(telemetry.Provider)) {
		for _, p := range s.live().providers {
			report(p.measure())
		}
	})
	return nil
}

// pluginEvent writes what becomes of a provider's process to the audit log.
func (s *Server) pluginEvent(e catalog.Event) {
	switch e.Kind {
	case catalog.EventSwapped:
		s.plugins.news(e.Provider, audit.PluginStarted, e.Status)
		s.audit.Write(audit.Event{Kind: audit.PluginSwapped, Provider: e.Provider, Cause: e.Plugin})
		return
	case catalog.EventCandidateFailed:
		s.audit.Write(audit.Event{Kind: audit.PluginKept, Provider: e.Provider, Cause: e.Status.CandidateProblem})
		return
	case catalog.EventBreakerOpened, catalog.EventBreakerClosed:
		return // the catalog logs them; they are no matter of security
	}
	kind, ok := map[catalog.State]audit.Kind{
		catalog.StateReady: audit.PluginStarted, catalog.StateAttached: audit.PluginStarted, catalog.StateStopped: audit.PluginStopped, catalog.StateBackoff: audit.PluginCrashed, catalog.StateQuarantined: audit.PluginQuarantined,
		catalog.StateMisconfigured: audit.PluginRefused, catalog.StateRefused: audit.PluginRefused,
	}[e.Status.State]
	// With a process, a provider that backs off waits for its identity provider; that is no crash.
	if waits := e.Status.State == catalog.StateBackoff && e.Status.PID != 0; ok && !waits && s.plugins.news(e.Provider, kind, e.Status) {
		s.audit.Write(audit.Event{Kind: kind, Provider: e.Provider, Cause: e.Status.Problem})
	}
}

// composeLogin makes the way in and what remembers it.
func (s *Server) composeLogin(_ context.Context, opt Options) error {
	s.flow = login.New(login.Config{
		Setup: s.setup, Ring: s.ring, Store: s.store,
		ReturnTo: func(target string) (string, bool) { return s.live().returnTo.Check(target) },
	})
	s.sessions = session.New(session.Config{
		Store: s.store, Ring: s.ring, Lifetime: opt.Config.Session.Lifetime, IdleTimeout: opt.Config.Session.IdleTimeout,
		Renew: s.renew, Refused: s.renewalRefused,
	})
	s.closers = append(s.closers, func(context.Context) error { s.sessions.Close(); return nil })
	return nil
}

// renew asks the provider for a new token and the rules whether the person may still come in.
func (s *Server) renew(ctx context.Context, user *identity.User, old *sdk.Token) (*sdk.Token, *identity.User, error) {
	token, now, err := s.flow.Renew(ctx, user, old)
	if err == nil {
		err = s.live().admission.Admit(ctx, now)
	}
	if errors.Is(err, login.ErrDenied) || errors.Is(err, policy.ErrDenied) {
		return nil, nil, fmt.Errorf("%w: %w", session.ErrRefused, err)
	}
	return token, now, err
}

func (s *Server) renewalRefused(ended *session.Session, cause error) {
	s.log.Info("a session ended because its renewal was refused", "provider", ended.User.Provider, "cause", cause.Error())
	s.audit.Write(audit.Event{
		Kind: audit.RefreshRefused, Provider: ended.User.Provider, Subject: ended.User.Subject, Session: ended.Handle, Address: ended.Address,
	})
}

// readyWithin is how long Start's caller may want to wait for providers, in tests and in demo.
const readyWithin = 10 * time.Second

// WaitReady waits until every provider that can be started is ready, at most ten seconds.
func (s *Server) WaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for _, p := range s.live().providers {
		if err := p.runtime.WaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}
