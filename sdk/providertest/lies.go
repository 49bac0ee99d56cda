package providertest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
)

// lieChecks are identity providers, or people in between, that say what is not so.
func lieChecks() []check {
	var checks []check
	for _, flaw := range devidp.Flaws(devidp.EndpointToken) {
		if !flaw.MustRefuse() {
			continue
		}
		name, when := "id-token-"+string(flaw), openID
		switch {
		case isAnswerFlaw(flaw):
			name, when = "answer-"+string(flaw), knowsToken
		case flaw == devidp.FlawOtherUser:
			when = knowsBetter
		}
		checks = append(checks, check{name: name, when: when, run: func(ctx context.Context, s *suite) error {
			return s.tokenLie(ctx, flaw)
		}})
	}
	for _, flaw := range frontFlaws() {
		checks = append(checks, check{name: "hybrid-" + string(flaw), when: hybrid, run: func(ctx context.Context, s *suite) error {
			return s.frontLie(ctx, flaw)
		}})
	}
	for _, flaw := range devidp.Flaws(devidp.EndpointUserInfo) {
		if flaw.MustRefuse() {
			checks = append(checks, check{name: "identity-" + string(flaw), when: openIDWithInfo, run: func(ctx context.Context, s *suite) error {
				return s.infoLie(ctx, flaw)
			}})
		}
	}
	return append(checks, check{name: "identity-nobody", when: plainWithInfo, run: checkNobody})
}

// frontFlaws are those of an ID token that comes with the code. No access token comes with it, so at_hash says nothing
// (OpenID Connect Core section 3.3.2.11).
func frontFlaws() []devidp.Flaw {
	flaws := []devidp.Flaw{devidp.FlawWrongCHash, devidp.FlawNoCHash, devidp.FlawCallbackNoToken}
	there := devidp.Flaws(devidp.EndpointAuthorize)
	for _, flaw := range devidp.Flaws(devidp.EndpointToken) {
		if flaw.MustRefuse() && flaw != devidp.FlawWrongAtHash && slices.Contains(there, flaw) {
			flaws = append(flaws, flaw)
		}
	}
	return flaws
}

// isAnswerFlaw tells the flaws of any token response from those of ID tokens.
func isAnswerFlaw(flaw devidp.Flaw) bool {
	switch flaw {
	case devidp.FlawNoAccessToken, devidp.FlawEmptyAccessToken, devidp.FlawTokenTypeMAC, devidp.FlawErrorIn200, devidp.FlawErrorWithToken:
		return true
	}
	return false
}

func openID(s *suite) bool {
	return s.shared.can(sdk.CapabilityOpenID) && s.tokenAt == devidp.EndpointToken
}

func hybrid(s *suite) bool { return openID(s) && s.shared.Hybrid() }

// knowsBetter: an ID token that is right in itself, but about somebody else, can only be told by a second one who says
// who it is.
func knowsBetter(s *suite) bool { return openIDWithInfo(s) || hybrid(s) }

func openIDWithInfo(s *suite) bool { return openID(s) && s.infoAt == devidp.EndpointUserInfo }

func plainWithInfo(s *suite) bool { return !s.shared.can(sdk.CapabilityOpenID) && s.infoAt != "" }

// tokenLie makes a token response wrong in one thing.
//
// Threat 26 and its neighbours: what the kit asks of every OpenID provider.
func (s *suite) tokenLie(ctx context.Context, flaw devidp.Flaw) error {
	way, err := s.ticket(ctx, s.shared, s.who(verified))
	if err != nil {
		return err
	}
	s.idp.Fault(s.tokenAt, devidp.Fault{Flaws: []devidp.Flaw{flaw}})
	return s.disbelieved(ctx, way)
}

// frontLie makes the ID token that comes with the code wrong in one thing. That of the token response is right.
func (s *suite) frontLie(ctx context.Context, flaw devidp.Flaw) error {
	s.idp.Fault(devidp.EndpointAuthorize, devidp.Fault{Flaws: []devidp.Flaw{flaw}})
	way, err := s.ticket(ctx, s.shared, s.who(verified))
	if err != nil {
		return err
	}
	return s.disbelieved(ctx, way)
}

// disbelieved: a login that something is wrong with must be refused at the latest when it comes to who it is.
func (s *suite) disbelieved(ctx context.Context, way ticket) error {
	token, err := way.redeem(ctx)
	if err == nil {
		_, err = s.shared.getUserInfo(ctx, token)
	}
	if n := s.idp.RequestCount(devidp.EndpointTrap); n > 0 {
		s.idp.ForgetRequests()
		return errors.New("keys were fetched from an address that the token itself named")
	}
	return wantRefusal(err)
}

// infoLie makes the answer of userinfo wrong in one thing.
func (s *suite) infoLie(ctx context.Context, flaw devidp.Flaw) error {
	token, _, err := s.login(ctx, s.shared, s.who(verified))
	if err != nil {
		return err
	}
	s.idp.Fault(s.infoAt, devidp.Fault{Flaws: []devidp.Flaw{flaw}})
	_, err = s.shared.getUserInfo(ctx, token)
	return wantRefusal(err)
}

// checkNobody: an answer without the user's id is no user, and not the user "" or "0" or "null" either.
func checkNobody(ctx context.Context, s *suite) error {
	token, _, err := s.login(ctx, s.shared, s.who(verified))
	if err != nil {
		return err
	}
	s.idp.Fault(s.infoAt, devidp.Fault{Body: `{"message":"hello"}`})
	user, err := s.shared.getUserInfo(ctx, token)
	if err == nil {
		return fmt.Errorf("an answer that names nobody became the user %q; refuse it", user.Sub)
	}
	return wantRefusal(err)
}
