package providertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
)

// suite is one run of all checks against one type.
type suite struct {
	h        Harness
	target   target
	seen     *witness
	logs     []*transcript
	idp      *standIn
	settings map[string]string

	shared  *provider // whom most checks ask
	tokenAt string    // endpoint that redeems a code or a password; "" = not known
	infoAt  string    // endpoint that says who a token belongs to; "" = none is asked
	token   *sdk.Token
	users   []*sdk.User // people, as the provider sees them
}

// check is one row of the suite.
type check struct {
	name string
	run  func(context.Context, *suite) error
	when func(*suite) bool // nil = always
}

// runSuite runs everything there is to check about a type.
func runSuite(ctx context.Context, r report, h Harness, t target) {
	s := &suite{h: h, target: t, seen: newWitness()}
	defer s.close()
	s.all(ctx, r, staticChecks())
	if h.Settings == nil {
		return
	}
	// A check that go test -run leaves out counts as passed, and has not been run.
	if !r.Run(ctx, "configure", s.begin) || s.shared == nil {
		r.Logf("the checks of logins need a provider that can be configured; they were not run")
		return
	}
	s.all(ctx, r, flowChecks())
	if r.Run(ctx, "login", func(ctx context.Context) error { return s.firstLogins(ctx, r) }) && len(s.users) > 0 {
		s.all(ctx, r, slices.Concat(loginChecks(), accidentChecks(), lieChecks(), optionalChecks(), loadChecks()))
	} else {
		r.Logf("the other checks need a login that works; they were not run")
	}
	r.Run(ctx, "secrets", s.secrets)
}

func (s *suite) all(ctx context.Context, r report, checks []check) {
	for _, c := range checks {
		if ctx.Err() != nil {
			return
		}
		if c.when != nil && !c.when(s) {
			continue
		}
		r.Run(ctx, c.name, func(ctx context.Context) error {
			err := c.run(ctx, s)
			if s.idp != nil {
				s.idp.Clear() // the next check begins with an identity provider in good health
			}
			return errors.Join(err, s.revive(ctx, err))
		})
	}
}

// revive tells when a check was the end of the process that it asked, and starts another one for the next.
func (s *suite) revive(ctx context.Context, fault error) error {
	if s.shared == nil {
		return nil
	}
	if status.Code(fault) == codes.Unavailable {
		select { // the connection ends before the process does
		case <-s.shared.gone:
		case <-time.After(quickly):
		}
	}
	select {
	case <-s.shared.gone:
	default:
		return nil
	}
	err := fmt.Errorf("the plugin's process has ended; %s", s.shared.log.tail())
	s.shared.stop()
	again, failed := s.configured(ctx)
	if failed == nil {
		s.shared = again
	}
	return errors.Join(err, failed)
}

// begin starts the identity provider and makes the provider that most checks ask.
func (s *suite) begin(ctx context.Context) (err error) {
	if s.idp, err = openIDP(s.h); err != nil {
		return err
	}
	s.settings = s.h.Settings(s.idp.Server)
	for _, setting := range s.h.Type.Settings {
		if setting.Secret {
			s.seen.secret(setting.Name, s.settings[setting.Name])
		}
	}
	s.shared, err = s.configured(ctx)
	return err
}

// started starts a process that is not configured yet.
func (s *suite) started(ctx context.Context) (*process, error) {
	p, err := s.target.start(ctx)
	if err != nil {
		return nil, err
	}
	s.logs = append(s.logs, p.log)
	return p, nil
}

// configured starts a process and makes it the provider under test.
func (s *suite) configured(ctx context.Context) (*provider, error) {
	p, err := s.started(ctx)
	if err != nil {
		return nil, err
	}
	out := &provider{process: p, seen: s.seen}
	out.Configured, err = call(ctx, out, "Configure", func(ctx context.Context) (*sdk.Configured, error) { return p.client.Configure(ctx, s.configure()) })
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("Configure with the settings of the harness: %w; %s", err, p.log.tail())
	}
	return out, nil
}

func (s *suite) configure() sdk.ConfigureRequest {
	return sdk.ConfigureRequest{Type: s.h.Type.Name, ID: "kit", Settings: s.settings, Scopes: s.h.Scopes}
}

func (s *suite) close() {
	if s.shared != nil {
		s.shared.stop()
	}
	if s.idp != nil {
		s.idp.stop()
	}
}

// who is one of people, as the harness changed them.
func (s *suite) who(i int) devidp.User {
	person, _ := s.idp.User(people()[i].Sub)
	return person
}

// secrets looks through all that the provider has said for what it must keep to itself.
func (s *suite) secrets(context.Context) error {
	s.shared.stop() // so that the last line has arrived
	for _, log := range s.logs {
		s.seen.heard("the log", log.String())
	}
	return s.seen.leaks()
}

// wantSource says what is wrong with an error that should be of a source.
func wantSource(method string, err error, want sdk.Source) error {
	if err == nil {
		return fmt.Errorf("%s took it for a good answer; want an error of source %v", method, want)
	}
	var e *sdk.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("%s answered %w, which says not whose fault it is; return an *sdk.Error (on the wire: a ProviderError in the details of the status) of source %v", method, err, want)
	}
	if e.Source != want {
		return fmt.Errorf("%s answered an error of source %v (%w); want source %v", method, e.Source, err, want)
	}
	return nil
}

// wantRefusal says what is wrong when something that must be refused is not.
func wantRefusal(err error) error {
	var e *sdk.Error
	if errors.As(err, &e) {
		return nil
	}
	if err == nil {
		return errors.New("it was taken for good; it must be refused")
	}
	return fmt.Errorf("it was not refused, but led to: %w", err)
}
