package providertest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
)

// retryAfter is what a busy identity provider asks for.
const retryAfter = 7 * time.Second

// accident is a way in which an identity provider fails.
type accident struct {
	name  string
	fault devidp.Fault
	want  sdk.Source
	more  func(*sdk.Error) error // what else the error must say; nil = nothing
}

// accidents are those that can happen at any endpoint.
func accidents(trap string) []accident {
	upstream := func(name string, f devidp.Fault) accident {
		return accident{name: name, fault: f, want: sdk.SourceUpstream}
	}
	busy := upstream("429", devidp.Fault{Status: 429, RetryAfter: "7"})
	busy.more = func(e *sdk.Error) error {
		if e.RetryAfter <= 0 || e.RetryAfter > retryAfter {
			return fmt.Errorf("the error's retry-after is %v; hand on the %v that the identity provider asked for", e.RetryAfter, retryAfter)
		}
		return nil
	}
	return []accident{
		busy,
		upstream("500", devidp.Fault{Status: 500}),
		upstream("503", devidp.Fault{Status: 503}),
		upstream("truncated", devidp.Fault{Truncate: true}),
		upstream("10mb", devidp.Fault{BodyBytes: 10 << 20}),
		upstream("gzip-bomb", devidp.Fault{GzipBomb: 8 << 20}),
		upstream("not-json", devidp.Fault{NotJSON: true}),
		upstream("json-null", devidp.Fault{Body: "null"}),
		upstream("redirect", devidp.Fault{RedirectTo: trap}),
		upstream("drop", devidp.Fault{Drop: true}),
	}
}

// refusals are what only a token endpoint says.
func refusals() []accident {
	return []accident{
		{"invalid-grant", devidp.Fault{Error: "invalid_grant"}, sdk.SourceUser, func(e *sdk.Error) error {
			if e.Code != "invalid_grant" {
				return fmt.Errorf("the error's code is %q; hand on invalid_grant, so that the person is asked to try again", e.Code)
			}
			return nil
		}},
		{"invalid-client", devidp.Fault{Error: "invalid_client", Status: 401}, sdk.SourceConfig, nil},
	}
}

func accidentChecks() []check {
	var checks []check
	for _, a := range append(accidents(""), refusals()...) {
		checks = append(checks, check{name: "token-" + a.name, when: knowsToken, run: func(ctx context.Context, s *suite) error {
			return s.tokenAccident(ctx, s.at(a))
		}})
	}
	for _, a := range accidents("") {
		checks = append(checks, check{name: "userinfo-" + a.name, when: knowsInfo, run: func(ctx context.Context, s *suite) error {
			return s.infoAccident(ctx, s.at(a))
		}})
	}
	return append(checks,
		check{name: "token-hang", run: checkTokenHang, when: knowsToken},
		check{name: "token-echo", run: checkEcho, when: knowsToken},
		check{name: "userinfo-hang", run: checkInfoHang, when: knowsInfo},
	)
}

func knowsToken(s *suite) bool { return s.tokenAt != "" }

func knowsInfo(s *suite) bool { return s.infoAt != "" }

// at points an accident's redirect at this identity provider's trap.
func (s *suite) at(a accident) accident {
	for _, here := range accidents(s.idp.TrapURL()) {
		if here.name == a.name {
			return here
		}
	}
	return a
}

// tokenAccident lets an accident happen while a code or a password is redeemed.
func (s *suite) tokenAccident(ctx context.Context, a accident) error {
	way, err := s.ticket(ctx, s.shared, s.who(verified))
	if err != nil {
		return err
	}
	s.idp.Fault(s.tokenAt, a.fault)
	_, err = way.redeem(ctx)
	return errors.Join(s.judge("GetToken", a, err), s.once(way))
}

// infoAccident lets an accident happen while somebody asks who a token belongs to.
func (s *suite) infoAccident(ctx context.Context, a accident) error {
	token, _, err := s.login(ctx, s.shared, s.who(verified))
	if err != nil {
		return err
	}
	s.idp.Fault(s.infoAt, a.fault)
	_, err = s.shared.getUserInfo(ctx, token)
	return s.judge("GetUserInfo", a, err)
}

func (s *suite) judge(method string, a accident, err error) error {
	if n := s.idp.RequestCount(devidp.EndpointTrap); n > 0 {
		s.idp.ForgetRequests()
		return errors.New("the redirect was followed, and led away with the secrets of the request; follow none")
	}
	if fault := wantSource(method, err, a.want); fault != nil {
		return fault
	}
	var e *sdk.Error
	if errors.As(err, &e) && a.more != nil {
		return a.more(e)
	}
	return nil
}

// once: whatever happened, a code is never sent again.
func (s *suite) once(way ticket) error {
	if way.code == "" {
		return nil
	}
	if n := len(s.redeemed(way.code)); n != 1 {
		return fmt.Errorf("the code was sent %d times, want once: after a failure nobody knows whether it was spent", n)
	}
	return nil
}

// checkTokenHang: an identity provider that never answers costs a login its deadline, and the plugin nothing.
func checkTokenHang(ctx context.Context, s *suite) error {
	var ways []ticket
	err := s.hang(ctx, "GetToken", s.tokenAt, func() (func(context.Context) error, error) {
		way, err := s.ticket(ctx, s.shared, s.who(verified))
		ways = append(ways, way)
		return func(ctx context.Context) error { _, err := way.redeem(ctx); return err }, err
	})
	for _, way := range ways {
		err = errors.Join(err, s.once(way))
	}
	return err
}

func checkInfoHang(ctx context.Context, s *suite) error {
	return s.hang(ctx, "GetUserInfo", s.infoAt, func() (func(context.Context) error, error) {
		token, _, err := s.login(ctx, s.shared, s.who(verified))
		return func(ctx context.Context) error { _, err := s.shared.getUserInfo(ctx, token); return err }, err
	})
}

// hang makes a call with a short deadline while an endpoint hangs. The provider must have left the identity provider
// soon after; prepare makes the call ready.
func (s *suite) hang(ctx context.Context, method, endpoint string, prepare func() (func(context.Context) error, error)) error {
	const deadline = 300 * time.Millisecond
	return inTime(deadline+quickly, method+" left an identity provider that hangs, with a deadline of "+deadline.String(), func(limit time.Duration) (time.Duration, error) {
		s.idp.Clear()
		act, err := prepare()
		if err != nil {
			return 0, err
		}
		s.idp.Fault(endpoint, devidp.Fault{Hang: true})
		calling, cancel := context.WithTimeout(ctx, deadline)
		defer cancel()
		began := time.Now()
		if err := act(calling); status.Code(err) != codes.DeadlineExceeded {
			// The deadline may also pass just before the call, or reach the provider first.
			if fault := wantSource(method, err, sdk.SourceUpstream); fault != nil {
				return 0, fault
			}
		}
		return s.left(ctx, began, limit)
	})
}

// left waits until the provider has no request open, and tells how long after began that was.
func (s *suite) left(ctx context.Context, began time.Time, limit time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*limit)
	defer cancel()
	if err := s.idp.quiet(ctx); err != nil {
		return 0, fmt.Errorf("the caller is gone, but the provider still waits for the identity provider %v later; give each request the context of the call", 3*limit)
	}
	return time.Since(began), nil
}

// checkEcho: an identity provider that repeats what it was sent makes no secret public.
func checkEcho(ctx context.Context, s *suite) error {
	in, secrets := sdk.CodeExchange{}, url.Values{}
	way := ticket{}
	if byCode(s) {
		var err error
		if in, err = s.authorize(ctx, s.shared, s.who(verified)); err != nil {
			return err
		}
		way = ticket{code: in.Code, redeem: func(ctx context.Context) (*sdk.Token, error) { return s.shared.getToken(ctx, in) }}
		secrets = url.Values{"code": {in.Code}, "code_verifier": {in.CodeVerifier}}
	} else {
		who := s.credentials(s.who(verified))
		way.redeem = func(ctx context.Context) (*sdk.Token, error) { return s.shared.passwordLogin(ctx, who) }
		secrets.Set("password", who.Password)
	}
	for _, setting := range s.h.Type.Settings {
		if value := s.settings[setting.Name]; setting.Secret && value != "" {
			secrets.Set(setting.Name, value)
		}
	}
	s.idp.Fault(s.tokenAt, devidp.Fault{Error: "invalid_request", Description: "cannot read " + secrets.Encode()})
	_, err := way.redeem(ctx)
	if err == nil {
		return errors.New("an error of the token endpoint was taken for a good answer")
	}
	for name, values := range secrets {
		if len(values[0]) >= shortestSecret && spelling(err.Error(), values[0]) != "" {
			return fmt.Errorf("the identity provider repeated the %s, and so does the error; mask what was sent", strings.ReplaceAll(name, "_", " "))
		}
	}
	return s.once(way)
}
