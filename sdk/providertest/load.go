package providertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
)

// callers is how many ask at once.
const callers = 64

// loadChecks are about many callers, and ones that leave.
func loadChecks() []check {
	return []check{
		{name: "parallel", run: checkParallel},
		{name: "cancel", run: checkCancel, when: knowsToken},
	}
}

// checkParallel: many people sign in at once, and each gets to be who they are.
func checkParallel(ctx context.Context, s *suite) error {
	ways := make([]ticket, callers)
	for i := range ways {
		var err error
		if ways[i], err = s.ticket(ctx, s.shared, s.who(i%len(people()))); err != nil {
			return err
		}
	}
	faults := make([]error, callers)
	var all sync.WaitGroup
	for i, way := range ways {
		all.Go(func() {
			token, err := way.redeem(ctx)
			var user *sdk.User
			if err == nil {
				user, err = s.shared.getUserInfo(ctx, token)
			}
			if err == nil && user.Sub != s.users[i%len(people())].Sub {
				err = errors.New("somebody got the answer that belongs to somebody else")
			}
			faults[i] = err
		})
	}
	all.Wait()
	failed := 0
	var one error
	for _, err := range faults {
		if err != nil {
			failed, one = failed+1, err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d logins at once failed; one of them: %w", failed, callers, one)
	}
	return nil
}

// checkCancel: when the caller leaves, so does the provider.
func checkCancel(ctx context.Context, s *suite) error {
	return inTime(quickly, "the provider left the identity provider after its caller had left", func(limit time.Duration) (time.Duration, error) {
		s.idp.Clear()
		way, err := s.ticket(ctx, s.shared, s.who(verified))
		if err != nil {
			return 0, err
		}
		before := s.idp.RequestCount(s.tokenAt)
		s.idp.Fault(s.tokenAt, devidp.Fault{Hang: true})
		calling, leave := context.WithCancel(ctx)
		defer leave()
		done := make(chan error, 1)
		go func() { _, err := way.redeem(calling); done <- err }()
		if err := s.idp.WaitRequests(ctx, s.tokenAt, before+1); err != nil {
			return 0, fmt.Errorf("no request reached the identity provider: %w", err)
		}
		began := time.Now()
		leave()
		if err := <-done; err == nil {
			return 0, errors.New("the call succeeded though the identity provider never answered")
		}
		return s.left(ctx, began, limit)
	})
}
