package oidc_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
)

// shownLater are flaws of the ID token that only the comparison with userinfo brings to light.
var shownLater = map[devidp.Flaw]bool{devidp.FlawOtherUser: true}

// Threats 20, 21, 22, 26, 27, 28, 29, 31, 32: every flaw that a client must refuse is refused, for each kind of key,
// and blamed on the identity provider.
func TestFlawedTokenAnswersAreRefused(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		idp := startIDP(t, devidp.Options{SigningAlg: alg})
		for _, flaw := range devidp.Flaws(devidp.EndpointToken) {
			t.Run(alg+" "+string(flaw), func(t *testing.T) {
				idp.Clear()
				idp.ForgetRequests()
				idp.Fault(devidp.EndpointToken, devidp.Fault{Flaws: []devidp.Flaw{flaw}})
				p := newProvider(t, at(idp)) // anew, since a forced fetch of keys is allowed once a minute
				token, err := login(t, idp, p)
				switch {
				case !flaw.MustRefuse():
					if err != nil {
						t.Errorf("got %v, want it to be survived", err)
					}
				case shownLater[flaw]:
					if err == nil {
						_, err = p.GetUserInfo(t.Context(), token)
					}
					wantUpstream(t, err)
				case flaw == devidp.FlawErrorIn200 || flaw == devidp.FlawErrorWithToken:
					if got := typed(t, err); got.Source != sdk.SourceUser || got.Code != "access_denied" {
						t.Errorf("got %v, want access_denied of the user", err)
					}
				default:
					wantUpstream(t, err)
				}
				// Threats 22, 24: nothing is fetched because a token says so, and the keys at most twice.
				if n := idp.RequestCount(devidp.EndpointTrap); n != 0 {
					t.Errorf("the token's own address was asked %d times", n)
				}
				if n := idp.RequestCount(devidp.EndpointJWKS); n > 2 {
					t.Errorf("the keys were fetched %d times, want at most twice", n)
				}
			})
		}
	}
}

// Threats 28, 30, 31: the same for userinfo.
func TestFlawedUserInfoIsRefused(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newProvider(t, at(idp))
	for _, flaw := range devidp.Flaws(devidp.EndpointUserInfo) {
		t.Run(string(flaw), func(t *testing.T) {
			idp.Clear()
			idp.Fault(devidp.EndpointUserInfo, devidp.Fault{Flaws: []devidp.Flaw{flaw}})
			u, err := whole(t, idp, p)
			if flaw.MustRefuse() {
				wantUpstream(t, err)
			} else if err != nil || u.PreferredUsername != "ada" {
				t.Errorf("got %+v, error %v; want it to be survived", u, err)
			}
		})
	}
}

// claimsTest edits the claims of an ID token.
type claimsTest struct {
	edit  func(claims map[string]any)
	fails bool
}

func runClaims(t *testing.T, tests map[string]claimsTest, trusted ...string) {
	t.Helper()
	idp := startIDP(t, devidp.Options{})
	config := at(idp)
	config.TrustedAudiences = trusted
	p := newProvider(t, config)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			idp.Clear()
			idp.Fault(devidp.EndpointToken, devidp.Fault{EditClaims: test.edit})
			_, err := login(t, idp, p)
			if (err != nil) != test.fails {
				t.Fatalf("got error %v, want one: %v", err, test.fails)
			}
			if test.fails {
				wantUpstream(t, err)
			}
		})
	}
}

func set(name string, value any) func(map[string]any) {
	return func(claims map[string]any) { claims[name] = value }
}

// Threat 26: this client, and no other that is not trusted.
func TestAudience(t *testing.T) {
	both := func(azp any) func(map[string]any) {
		return func(c map[string]any) {
			c["aud"] = []string{"demo", "api"}
			if azp != nil {
				c["azp"] = azp
			}
		}
	}
	t.Run("untrusted", func(t *testing.T) {
		runClaims(t, map[string]claimsTest{
			"list of one":               {set("aud", []string{"demo"}), false},
			"list of one, twice":        {set("aud", []string{"demo", "demo"}), false},
			"empty list":                {set("aud", []string{}), true},
			"empty string":              {set("aud", ""), true},
			"null":                      {set("aud", nil), true},
			"object":                    {set("aud", map[string]any{"demo": true}), true},
			"list with a number":        {set("aud", []any{"demo", 7}), true},
			"list with null":            {set("aud", []any{"demo", nil}), true},
			"other case":                {set("aud", "Demo"), true},
			"two, azp this client":      {both("demo"), true},
			"azp this client":           {set("azp", "demo"), false},
			"azp of an unexpected type": {set("azp", 7), true},
			"azp empty":                 {set("azp", ""), true},
			"azp null":                  {set("azp", nil), true},
		})
	})
	t.Run("trusted", func(t *testing.T) {
		runClaims(t, map[string]claimsTest{
			"two, azp this client": {both("demo"), false},
			"two, no azp":          {both(nil), true},
			"two, azp the other":   {both("api"), true},
			"the other alone":      {set("aud", "api"), true},
			"three":                {func(c map[string]any) { c["aud"], c["azp"] = []string{"demo", "api", "evil"}, "demo" }, true},
		}, "api")
	})
}

// Threat 27: times, at the edges of a minute's leeway.
func TestTimes(t *testing.T) {
	in := func(name string, by time.Duration) func(map[string]any) {
		return func(c map[string]any) { c[name] = time.Now().Add(by).Unix() }
	}
	runClaims(t, map[string]claimsTest{
		"ended half a minute ago":        {in("exp", -30*time.Second), false},
		"ended two minutes ago":          {in("exp", -2*time.Minute), true},
		"made in half a minute":          {in("iat", 30*time.Second), false},
		"made in two minutes":            {in("iat", 2*time.Minute), true},
		"good in half a minute":          {in("nbf", 30*time.Second), false},
		"good in two minutes":            {in("nbf", 2*time.Minute), true},
		"exp as a string":                {set("exp", "9999999999"), true},
		"iat as a string":                {set("iat", "1700000000"), true},
		"nbf as a string":                {set("nbf", "1700000000"), true},
		"exp with a fraction":            {func(c map[string]any) { c["exp"] = float64(time.Now().Add(time.Hour).Unix()) + 0.5 }, false},
		"exp null":                       {set("exp", nil), true},
		"exp far beyond the calendar":    {set("exp", 1e300), true},
		"exp that overflows to negative": {set("exp", -1e17), true},
	})
}

// Threats 8, 16, 29, 31: nonce, sub and type.
func TestOtherClaims(t *testing.T) {
	runClaims(t, map[string]claimsTest{
		"nonce in another case":       {set("nonce", "The-Nonce"), true},
		"nonce longer":                {set("nonce", "the-nonce "), true},
		"nonce as a list":             {set("nonce", []string{"the-nonce"}), true},
		"nonce empty":                 {set("nonce", ""), true},
		"sub of 255":                  {set("sub", strings.Repeat("s", 255)), false},
		"sub of 256":                  {set("sub", strings.Repeat("s", 256)), true},
		"sub beyond ASCII":            {set("sub", "dévoué"), true},
		"sub with a newline":          {set("sub", "a\nb"), true},
		"sub null":                    {set("sub", nil), true},
		"iss with a slash more":       {func(c map[string]any) { c["iss"] = c["iss"].(string) + "/" }, true},
		"iss null":                    {set("iss", nil), true},
		"Keycloak's access token":     {set("typ", "Bearer"), true},
		"Keycloak's refresh token":    {set("typ", "Refresh"), true},
		"Keycloak's ID token":         {set("typ", "ID"), false},
		"at_hash of another type":     {set("at_hash", 7), true},
		"at_hash empty":               {set("at_hash", ""), true},
		"no at_hash":                  {func(c map[string]any) { delete(c, "at_hash") }, false},
		"members differ in case":      {set("SUB", "x"), true},
		"a claim named Email":         {set("Email", "x@example.org"), true},
		"a member of an inner object": {set("realm_access", map[string]any{"Roles": 1, "roles": 2}), false},
		"distributed claims of Entra": {func(c map[string]any) {
			c["_claim_names"], c["_claim_sources"] = map[string]any{"groups": "src1"}, map[string]any{"src1": map[string]any{"endpoint": "https://graph.example/"}}
		}, false},
	})
}

// Threats 20, 21, 29: what is no compact, signed JWT of the right type, before any key is asked for.
func TestForms(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newProvider(t, at(idp))
	good := mustLogin(t, idp, p)
	parts := strings.Split(good.IDToken, ".")
	header := func(text string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(text)) + "." + parts[1] + "." + parts[2]
	}
	for name, raw := range map[string]string{
		"no token":                  "x",
		"two parts":                 parts[0] + "." + parts[1],
		"no signature":              parts[0] + "." + parts[1] + ".",
		"five parts":                good.IDToken + ".a.b",
		"JSON serialization":        `{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`,
		"padded":                    parts[0] + "=." + parts[1] + "." + parts[2],
		"white space":               " " + good.IDToken,
		"alg none":                  header(`{"alg":"none"}`),
		"alg None":                  header(`{"alg":"None"}`),
		"alg in lower case":         header(`{"alg":"es256"}`),
		"alg missing":               header(`{"typ":"JWT"}`),
		"alg of another kind":       header(`{"alg":"RS256"}`),
		"alg twice":                 header(`{"alg":"none","alg":"ES256"}`),
		"Alg beside alg":            header(`{"alg":"ES256","Alg":"none"}`),
		"header changed":            header(`{"alg":"ES256","kid":"` + idp.KeyID() + `"}`),
		"header is no object":       header(`["ES256"]`),
		"typ of a logout token":     header(`{"alg":"ES256","typ":"logout+jwt"}`),
		"typ of another type":       header(`{"alg":"ES256","typ":7}`),
		"typ empty":                 header(`{"alg":"ES256","typ":""}`),
		"detached payload":          parts[0] + ".." + parts[2],
		"unencoded payload (b64)":   header(`{"alg":"ES256","b64":false,"crit":["b64"]}`),
		"payload of somebody else":  parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"x"}`)) + "." + parts[2],
		"header of invalid base64":  "!!!." + parts[1] + "." + parts[2],
		"signature of invalid form": parts[0] + "." + parts[1] + ".!!!",
	} {
		if _, err := p.GetUserInfo(t.Context(), &sdk.Token{AccessToken: good.AccessToken, IDToken: raw}); err == nil {
			t.Errorf("%s was accepted", name)
		} else {
			wantUpstream(t, err)
		}
	}
}

// A forged or foreign ID token can't be slipped in between the steps of a login.
func TestGetUserInfoVerifiesAgain(t *testing.T) {
	idp, other := startIDP(t, devidp.Options{}), startIDP(t, devidp.Options{})
	p := newProvider(t, at(idp))
	good, foreign := mustLogin(t, idp, p), mustLogin(t, other, newProvider(t, at(other)))
	_, err := p.GetUserInfo(t.Context(), &sdk.Token{AccessToken: good.AccessToken, IDToken: foreign.IDToken})
	wantUpstream(t, err)
	if _, err := p.GetUserInfo(t.Context(), good); err != nil {
		t.Errorf("the real one: %v", err)
	}
}

// The session may outlive the ID token, whose end GetUserInfo therefore does not compare. GetToken did.
func TestGetUserInfoAfterTheIDTokenEnded(t *testing.T) {
	c := newClock()
	idp := startIDP(t, devidp.Options{Now: c.Now, IDTokenLife: time.Minute, AccessTokenLife: 24 * time.Hour})
	config := at(idp)
	config.Now = c.Now
	p := newProvider(t, config)
	token := mustLogin(t, idp, p)
	c.Turn(time.Hour)
	if _, err := p.GetUserInfo(t.Context(), token); err != nil {
		t.Error(err)
	}
}
