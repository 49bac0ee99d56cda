package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/semaphore"

	"github.com/authd/authd/sdk"
)

// callsMax is how many calls a provider may have in flight, so that one hung identity provider starves no other.
const callsMax = 64

// Provider is the face of one configured provider: it has the methods of sdk.Provider and of its optional
// interfaces. Each call has a deadline, each answer is judged before it is believed, and each error is a
// *CallError. All methods may be called concurrently, and before Start.
type Provider struct {
	id       string
	launcher *launcher
	slots    *semaphore.Weighted // shared: how many are started at once
	root     hclog.Logger
	event    func(Event)
	quota    *quota
	board    *board
	breakers breakers
	calls    *semaphore.Weighted
	inFlight atomic.Int64
	stopping atomic.Bool

	changing sync.Mutex // one change of wanted at a time
	wanted   atomic.Pointer[spec]
	required atomic.Bool
	telling  sync.Mutex // one event at a time

	process  atomic.Pointer[process] // the latest that was to serve
	alive    sync.Map                // :: *process → true, all that have not been stopped
	cleanups sync.WaitGroup
	cancel   context.CancelFunc // :: nil until run was started
	finished chan struct{}      // closed when run has returned
}

func newProvider(cfg ProviderConfig, l *launcher, slots *semaphore.Weighted, log hclog.Logger, event func(Event)) *Provider {
	p := &Provider{
		id: cfg.ID, launcher: l, slots: slots, root: log, event: event,
		quota: newQuota(), board: newBoard(), calls: semaphore.NewWeighted(callsMax),
	}
	p.breakers.reset(l.timing)
	p.required.Store(cfg.Required)
	p.wanted.Store(newSpec(cfg, log, nil))
	return p
}

// ID returns the provider's id.
func (p *Provider) ID() string { return p.id }

// Type returns the name of the type it is configured as.
func (p *Provider) Type() string { return p.wanted.Load().cfg.Type }

// Required reports whether authd counts as ready without it.
func (p *Provider) Required() bool { return p.required.Load() }

// Config returns the configuration that calls are answered with. While a change of it is being brought about, or has
// failed, that is still the one before; without a process it is the one that was asked for last.
func (p *Provider) Config() ProviderConfig {
	if in := p.board.ready(); in != nil {
		return in.spec.cfg
	}
	return p.wanted.Load().cfg
}

// Ready reports whether a call would be answered now.
func (p *Provider) Ready() bool { return p.board.ready() != nil }

// Status returns where the provider stands.
func (p *Provider) Status() Status {
	status, _ := p.board.read()
	return p.live(status)
}

func (p *Provider) live(s Status) Status {
	s.InFlight, s.LinesDropped = int(p.inFlight.Load()), p.quota.dropped.Load()
	s.BreakerOpenUntil = p.breakers.openUntil()
	if proc := p.process.Load(); proc != nil && proc.pid == s.PID {
		s.Sandbox = proc.sandbox
	}
	return s
}

// Configured returns what the provider declared when it was last configured, and false when it never was. It stays
// while the process is restarted.
func (p *Provider) Configured() (sdk.Configured, bool) {
	if c := p.board.known.Load(); c != nil {
		return *c, true
	}
	return sdk.Configured{}, false
}

// WaitReady returns when the provider is ready, or with the reason when it can't become ready by itself or ctx ends.
func (p *Provider) WaitReady(ctx context.Context) error {
	for {
		status, changed := p.board.read()
		switch {
		case p.board.ready() != nil:
			return nil
		case status.State == StateMisconfigured, status.State == StateRefused:
			return errors.New(status.Problem)
		case p.stopping.Load():
			return fmt.Errorf("provider %s: %w", p.id, ErrStopped)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), errors.New(status.Problem))
		}
	}
}

// AuthorizeParams gives the authorization endpoint, on the origin that the provider declared, and the provider's
// own parameters for it. Made again once if the process dies.
func (p *Provider) AuthorizeParams(ctx context.Context, in sdk.AuthorizeRequest) (sdk.AuthorizeParams, error) {
	return do(ctx, p, method[sdk.AuthorizeParams]{
		name: "AuthorizeParams", upstream: starts, timeout: p.launcher.timing.authorize, again: true,
		call: func(ctx context.Context, c *sdk.Client) (sdk.AuthorizeParams, error) {
			return c.AuthorizeParams(ctx, in)
		},
		check: func(held *instance, out sdk.AuthorizeParams) error { return held.pins.checkAuthorize(out) },
	})
}

// GetToken redeems an authorization code. Most plugins tell the user in the same call; it is nil when one does not, and
// GetUserInfo is to be asked. Never made twice: a code is good for one attempt.
func (p *Provider) GetToken(ctx context.Context, in sdk.CodeExchange) (*sdk.Token, *sdk.User, error) {
	type answer struct {
		token *sdk.Token
		user  *sdk.User
	}
	out, err := do(ctx, p, method[answer]{
		name: "GetToken", upstream: asks, timeout: p.launcher.timing.call,
		call: func(ctx context.Context, c *sdk.Client) (out answer, err error) {
			out.token, out.user, err = c.GetTokenAndUser(ctx, in)
			return out, err
		},
		check: func(_ *instance, out answer) error {
			if err := checkToken(out.token); err != nil || out.user == nil {
				return err
			}
			return checkUser(out.user)
		},
	})
	return out.token, out.user, err
}

// GetUserInfo turns a token into a user. Made again once if the process dies.
func (p *Provider) GetUserInfo(ctx context.Context, in *sdk.Token) (*sdk.User, error) {
	return do(ctx, p, method[*sdk.User]{
		name: "GetUserInfo", upstream: asks, timeout: p.launcher.timing.call, again: true,
		call:  func(ctx context.Context, c *sdk.Client) (*sdk.User, error) { return c.GetUserInfo(ctx, in) },
		check: func(_ *instance, out *sdk.User) error { return checkUser(out) },
	})
}

// RefreshToken renews a token. Never made twice: a refresh token may be good for one attempt.
func (p *Provider) RefreshToken(ctx context.Context, in *sdk.Token) (*sdk.Token, error) {
	return do(ctx, p, method[*sdk.Token]{
		name: "RefreshToken", upstream: asks, timeout: p.launcher.timing.call, needs: sdk.CapabilityRefresh,
		call:  func(ctx context.Context, c *sdk.Client) (*sdk.Token, error) { return c.RefreshToken(ctx, in) },
		check: func(_ *instance, out *sdk.Token) error { return checkToken(out) },
	})
}

// RevokeToken ends a token at the identity provider.
func (p *Provider) RevokeToken(ctx context.Context, in *sdk.Token) error {
	_, err := do(ctx, p, method[struct{}]{
		name: "RevokeToken", upstream: asks, timeout: p.launcher.timing.call, needs: sdk.CapabilityRevocation,
		call: func(ctx context.Context, c *sdk.Client) (struct{}, error) { return struct{}{}, c.RevokeToken(ctx, in) },
	})
	return err
}

// EndSession gives the URL, on an origin that the provider declared, that ends the session at the identity
// provider; "" when there is none.
func (p *Provider) EndSession(ctx context.Context, in sdk.EndSessionRequest) (string, error) {
	return do(ctx, p, method[string]{
		name: "EndSession", timeout: p.launcher.timing.authorize, again: true, needs: sdk.CapabilityEndSession,
		call:  func(ctx context.Context, c *sdk.Client) (string, error) { return c.EndSession(ctx, in) },
		check: func(held *instance, out string) error { return held.pins.checkEndSession(out) },
	})
}

// PasswordLogin exchanges a name and a password for a token.
func (p *Provider) PasswordLogin(ctx context.Context, in sdk.Credentials) (*sdk.Token, error) {
	return do(ctx, p, method[*sdk.Token]{
		name: "PasswordLogin", upstream: asks, timeout: p.launcher.timing.call, needs: sdk.CapabilityPassword,
		call:  func(ctx context.Context, c *sdk.Client) (*sdk.Token, error) { return c.PasswordLogin(ctx, in) },
		check: func(_ *instance, out *sdk.Token) error { return checkToken(out) },
	})
}

// VerifyLogoutToken verifies a logout token. Its issuer is the provider's own.
func (p *Provider) VerifyLogoutToken(ctx context.Context, in string) (*sdk.LogoutToken, error) {
	return do(ctx, p, method[*sdk.LogoutToken]{
		name: "VerifyLogoutToken", timeout: p.launcher.timing.call, again: true, needs: sdk.CapabilityBackchannelLogout,
		call: func(ctx context.Context, c *sdk.Client) (*sdk.LogoutToken, error) {
			return c.VerifyLogoutToken(ctx, in)
		},
		check: func(held *instance, out *sdk.LogoutToken) error { return held.pins.checkLogoutToken(out) },
	})
}

// Check looks whether the identity provider is really usable.
func (p *Provider) Check(ctx context.Context) ([]sdk.Diagnostic, error) {
	found, err := do(ctx, p, method[[]sdk.Diagnostic]{
		name: "Check", timeout: p.launcher.timing.call, again: true, needs: sdk.CapabilityCheck,
		call: func(ctx context.Context, c *sdk.Client) ([]sdk.Diagnostic, error) { return c.Check(ctx) },
		check: func(_ *instance, out []sdk.Diagnostic) error {
			if len(out) > findingsMax {
				return fmt.Errorf("%d findings, more than %d", len(out), findingsMax)
			}
			return nil
		},
	})
	return p.tidyFindings(slices.Clone(found)), err
}
