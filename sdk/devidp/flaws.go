package devidp

import (
	"maps"
	"net/url"
	"slices"
)

// Flaw is one wrong thing in an otherwise well-made answer. Flaws are shown at
// the endpoints that Endpoints names, with Fault.Flaws; several may be combined.
type Flaw string

// Flaws of ID tokens (at token; at authorize for the hybrid flow) and of logout tokens.
const (
	FlawAlgNone           Flaw = "alg-none"             // alg none and no signature
	FlawHS256PublicKey    Flaw = "hs256-public-key"     // HS256 with the public key (PEM) as secret
	FlawHS256ClientSecret Flaw = "hs256-client-secret"  // HS256 with the client's secret
	FlawWrongIssuer       Flaw = "wrong-issuer"         // iss of somebody else
	FlawNoIssuer          Flaw = "no-issuer"            //
	FlawWrongAudience     Flaw = "wrong-audience"       // aud is another client
	FlawNoAudience        Flaw = "no-audience"          //
	FlawExtraAudience     Flaw = "extra-audience"       // aud is this client and another one, without azp
	FlawAzpOther          Flaw = "azp-other"            // azp is another client
	FlawExpired           Flaw = "expired"              // exp and iat hours ago
	FlawNoExpiry          Flaw = "no-expiry"            //
	FlawFutureIssuedAt    Flaw = "future-issued-at"     // iat in an hour
	FlawNoIssuedAt        Flaw = "no-issued-at"         //
	FlawNotYetValid       Flaw = "not-yet-valid"        // nbf in an hour
	FlawWrongNonce        Flaw = "wrong-nonce"          //
	FlawNoNonce           Flaw = "no-nonce"             //
	FlawWrongAtHash       Flaw = "wrong-at-hash"        //
	FlawBrokenSignature   Flaw = "broken-signature"     // one bit of it flipped
	FlawUnknownKey        Flaw = "unknown-key"          // signed by a key that is not in the JWKS
	FlawHeaderJKU         Flaw = "header-jku"           // … and the header's jku points at TrapURL
	FlawHeaderJWK         Flaw = "header-jwk"           // … and the header carries that key as jwk
	FlawWeakKey           Flaw = "weak-key"             // signed by an RSA key of 1024 bits, which joins the JWKS until Clear
	FlawCritical          Flaw = "critical"             // crit names an extension nobody knows
	FlawNotJWT            Flaw = "not-jwt"              // no JWT at all
	FlawAccessTokenType   Flaw = "access-token-type"    // typ at+jwt: an access token in the place of the ID token
	FlawWrongCHash        Flaw = "wrong-c-hash"         // at authorize: c_hash of another code
	FlawNoCHash           Flaw = "no-c-hash"            // at authorize
	FlawStaleAuthTime     Flaw = "stale-auth-time"      // auth_time a week ago
	FlawNoAuthTime        Flaw = "no-auth-time"         //
	FlawWithNonce         Flaw = "with-nonce"           // a nonce in a logout token, where none may be
	FlawNoEvents          Flaw = "no-events"            // a logout token without events
	FlawNoTokenID         Flaw = "no-token-id"          // a logout token without jti
	FlawNoSubject         Flaw = "no-subject-no-sid"    // a logout token that names nobody
	FlawWrongTokenType    Flaw = "wrong-token-type-jwt" // a logout token whose typ is of something else
)

// Flaws of who the user is: in ID tokens and at userinfo.
const (
	FlawOtherUser           Flaw = "other-user"            // somebody else altogether; also for refreshes and GitHub's user
	FlawRepeatedClaim       Flaw = "repeated-claim"        // {"sub":"a", … "sub":"b"}
	FlawCaseClaim           Flaw = "case-claim"            // {"sub":"a", … "Sub":"b"}
	FlawNumericSub          Flaw = "numeric-sub"           //
	FlawEmptySub            Flaw = "empty-sub"             //
	FlawNoSub               Flaw = "no-sub"                // at GitHub's user: no id
	FlawLongSub             Flaw = "long-sub"              // 300 characters
	FlawEmailVerifiedString Flaw = "email-verified-string" // "true" instead of true
	FlawNoEmailVerified     Flaw = "no-email-verified"     //
	FlawClaimTypes          Flaw = "claim-types"           // name, email, picture and groups of types nobody expects
)

// Flaws of the token answer.
const (
	FlawNoIDToken         Flaw = "no-id-token"
	FlawNoAccessToken     Flaw = "no-access-token"
	FlawEmptyAccessToken  Flaw = "empty-access-token"
	FlawTokenTypeMAC      Flaw = "token-type-mac"
	FlawNoTokenType       Flaw = "no-token-type"
	FlawErrorIn200        Flaw = "error-in-200"         // status 200, and an error alone
	FlawErrorWithToken    Flaw = "error-with-token"     // status 200, an error, and tokens beside it
	FlawExpiresNegative   Flaw = "expires-negative"     // expires_in -3600
	FlawExpiresHuge       Flaw = "expires-huge"         // expires_in 9e18
	FlawExpiresString     Flaw = "expires-string"       // expires_in "3600"
	FlawNoNewRefreshToken Flaw = "no-new-refresh-token" // a refresh keeps the old refresh token, which stays good
)

// Flaws of discovery and JWKS.
const (
	FlawOtherIssuer      Flaw = "other-issuer"      // metadata of another issuer
	FlawForeignEndpoints Flaw = "foreign-endpoints" // http endpoints on another host
	FlawFTPEndpoints     Flaw = "ftp-endpoints"     // ftp: endpoints
	FlawScriptEndpoint   Flaw = "script-endpoint"   // the authorization endpoint is a javascript: URL
	FlawMissingMembers   Flaw = "missing-members"   // no token_endpoint, no jwks_uri
	FlawStrangeKeys      Flaw = "strange-keys"      // beside the right key: use=enc, oct and an unknown kty
	FlawNoKeys           Flaw = "no-keys"           // an empty JWKS
)

// Flaws of the redirect back from the authorization endpoint.
const (
	FlawWrongState      Flaw = "wrong-state"
	FlawNoState         Flaw = "no-state"
	FlawDoubleState     Flaw = "double-state"
	FlawStateCase       Flaw = "state-case" // upper and lower case swapped
	FlawNoCode          Flaw = "no-code"
	FlawDoubleCode      Flaw = "double-code"
	FlawErrorAndCode    Flaw = "error-and-code"
	FlawTokenInCallback Flaw = "token-in-callback"     // an access token in the URL
	FlawCallbackIssuer  Flaw = "callback-wrong-issuer" // RFC 9207 iss of somebody else
	FlawCallbackNoIss   Flaw = "callback-no-issuer"    // no iss though metadata promise one
	FlawCallbackNoToken Flaw = "callback-no-id-token"  // no id_token though one was asked for (hybrid flow)
)

// flawSpec says where a flaw is shown and how. At most one edit is set; the
// endpoints themselves see to the flaws without one.
type flawSpec struct {
	on      []string
	lenient bool // a client may go on, if it takes care
	draft   func(s *Server, d *draft) error
	body    func(s *Server, body map[string]any)
	params  func(s *Server, params url.Values)
}

// flawTable is every flaw. It is a function because its edits lead back to it.
func flawTable() map[Flaw]flawSpec {
	table := map[Flaw]flawSpec{}
	for _, part := range []map[Flaw]flawSpec{
		signatureFlaws(), tokenClaimFlaws(), logoutFlaws(), identityFlaws(), answerFlaws(), metadataFlaws(), callbackFlaws(),
	} {
		maps.Copy(table, part)
	}
	return table
}

// Endpoints are the endpoints a flaw can be shown at; none = only in logout tokens.
func (f Flaw) Endpoints() []string { return slices.Clone(flawTable()[f].on) }

// MustRefuse tells whether a client has to refuse such an answer. The other
// flaws it may survive, if it takes care: an e-mail address whose email_verified
// is a string is not verified, a strange key is stepped over, and so on.
// FlawStaleAuthTime and FlawNoAuthTime are to be refused only where max_age was asked.
func (f Flaw) MustRefuse() bool {
	spec, known := flawTable()[f]
	return known && !spec.lenient
}

// Flaws lists, sorted, every flaw that can be shown at an endpoint, for tests
// that go through all of them.
func Flaws(endpoint string) []Flaw {
	var out []Flaw
	for flaw, spec := range flawTable() {
		if slices.Contains(spec.on, endpoint) {
			out = append(out, flaw)
		}
	}
	slices.Sort(out)
	return out
}

// bendBody runs the flaws of a JSON answer over it.
func (s *Server) bendBody(f Fault, body map[string]any) {
	for _, flaw := range f.Flaws {
		if edit := flawTable()[flaw].body; edit != nil {
			edit(s, body)
		}
	}
}
