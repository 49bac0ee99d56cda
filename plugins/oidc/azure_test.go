package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/oauth2"
	"github.com/authd/authd/sdk/providertest"
)

const (
	ourTenant   = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	otherTenant = "9188040d-6c67-4c5b-b112-36a304b66dad" // of private Microsoft accounts
	thirdTenant = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"
)

// azureMount answers as Entra ID does: paths of https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration,
// claims of https://learn.microsoft.com/en-us/entra/identity-platform/id-token-claims-reference and
// …/optional-claims-reference (xms_edov). There is no email_verified, and userinfo says less than the ID token.
func azureMount() devidp.Mount {
	return devidp.Mount{
		Name: "entra", Issuer: "/{tenant}/v2.0",
		Paths: map[string]string{
			devidp.EndpointDiscovery: "/{tenant}/v2.0/.well-known/openid-configuration", devidp.EndpointJWKS: "/{tenant}/discovery/v2.0/keys",
			devidp.EndpointAuthorize: "/{tenant}/oauth2/v2.0/authorize", devidp.EndpointToken: "/{tenant}/oauth2/v2.0/token",
			devidp.EndpointUserInfo: "/{tenant}/oidc/userinfo", devidp.EndpointEndSession: "/{tenant}/oauth2/v2.0/logout",
		},
		Claims: func(in devidp.ClaimsInput) map[string]any {
			claims := map[string]any{"email_verified": nil}
			if in.Place != devidp.PlaceIDToken {
				claims["groups"], claims["preferred_username"] = nil, nil
				return claims
			}
			claims["ver"], claims["tid"], claims["oid"] = "2.0", ourTenant, "00000000-0000-0000-66f3-3332eca7ea81"
			claims["preferred_username"] = in.User.Username + "@example.org"
			if _, unsaid := in.User.Claims["email_verified"]; !unsaid {
				claims["xms_edov"] = in.User.EmailVerified
			}
			return claims
		},
	}
}

func azureAt(idp *devidp.Server) map[string]string {
	return demo("base_url", idp.URL(), "tenant_id", ourTenant)
}

// startEntra starts it with tokens as those of a tenant, and common and the domain as Entra ID answers for them.
func startEntra(t *testing.T, tid string) *devidp.Server {
	t.Helper()
	idp := startIDP(t, devidp.Options{Mounts: []devidp.Mount{azureMount()}})
	for path, issuer := range map[string]string{"common": "{tenantid}", "organizations": "{tenantid}", "acme.example": ourTenant} {
		idp.Fault("/"+path+"/v2.0/.well-known/openid-configuration", devidp.Fault{EditBody: func(body map[string]any) {
			body["issuer"] = idp.URL() + "/" + issuer + "/v2.0"
			body["authorization_response_iss_parameter_supported"] = nil
		}})
	}
	for _, at := range []string{devidp.EndpointToken, devidp.EndpointAuthorize} { // where there are ID tokens
		idp.Fault(at, devidp.Fault{EditClaims: func(claims map[string]any) {
			claims["iss"], claims["tid"] = idp.URL()+"/"+tid+"/v2.0", tid
		}})
	}
	return idp
}

// entraTypes are both ways to sign in there. What holds for one holds for the other.
func entraTypes() []sdk.Type { return []sdk.Type{azureType(), azureHybridType()} }

func TestAzure(t *testing.T) {
	for name, test := range map[string]struct {
		kind     sdk.Type
		userinfo string
	}{
		"as it comes": {azureType(), "false"}, "with userinfo": {azureType(), "true"}, "hybrid": {azureHybridType(), "false"},
	} {
		t.Run(name, func(t *testing.T) {
			providertest.Run(t, providertest.Harness{
				Type: test.kind, IDP: devidp.Options{Mounts: []devidp.Mount{azureMount()}},
				Settings: func(idp *devidp.Server) map[string]string {
					values := azureAt(idp)
					values["userinfo"] = test.userinfo
					return values
				},
			})
		})
	}
}

// Threat 26: a person of another tenant never gets in, however the provider is set up.
func TestAzureTenants(t *testing.T) {
	tests := map[string]struct {
		set    []string
		person string // the tenant that the person is of
		source sdk.Source
		says   string // "" = let in
	}{
		"own tenant":                 {nil, ourTenant, 0, ""},
		"own tenant, by domain":      {[]string{"tenant_id", "acme.example"}, ourTenant, 0, ""},
		"own tenant, upper case":     {[]string{"tenant_id", strings.ToUpper(ourTenant)}, ourTenant, 0, ""},
		"other tenant":               {nil, thirdTenant, sdk.SourceUpstream, "its iss is"},
		"other tenant, by domain":    {[]string{"tenant_id", "acme.example"}, thirdTenant, sdk.SourceUpstream, "its iss is"},
		"private account":            {nil, otherTenant, sdk.SourceUpstream, "its iss is"},
		"common, listed":             {[]string{"tenant_id", "common", "allowed_tenants", ourTenant}, ourTenant, 0, ""},
		"common, second of the list": {[]string{"tenant_id", "common", "allowed_tenants", thirdTenant + ", " + strings.ToUpper(ourTenant)}, ourTenant, 0, ""},
		"common, not listed":         {[]string{"tenant_id", "common", "allowed_tenants", ourTenant}, thirdTenant, sdk.SourceUser, "add it there"},
		"common, private account":    {[]string{"tenant_id", "common", "allowed_tenants", ourTenant}, otherTenant, sdk.SourceUser, "add it there"},
		"organizations, listed":      {[]string{"tenant_id", "organizations", "allowed_tenants", ourTenant}, ourTenant, 0, ""},
		"organizations, not listed":  {[]string{"tenant_id", "organizations", "allowed_tenants", ourTenant}, thirdTenant, sdk.SourceUser, "add it there"},
		"not single, listed":         {[]string{"enable_single_tenant", "false", "allowed_tenants", thirdTenant}, thirdTenant, 0, ""},
		"not single, not listed":     {[]string{"enable_single_tenant", "false", "allowed_tenants", thirdTenant}, ourTenant, sdk.SourceUser, "add it there"},
		"common, with userinfo":      {[]string{"tenant_id", "common", "allowed_tenants", ourTenant, "userinfo", "true"}, ourTenant, 0, ""},
	}
	for name, test := range tests {
		for _, kind := range entraTypes() {
			t.Run(kind.Name+" "+name, func(t *testing.T) {
				idp := startEntra(t, test.person)
				values := azureAt(idp)
				for setting, value := range demo(test.set...) {
					values[setting] = value
				}
				u, err := signIn(t, idp, mustConfigure(t, kind, values))
				if test.says != "" {
					source, code := test.source, map[sdk.Source]string{sdk.SourceUser: "access_denied"}[test.source]
					if kind.Name == "azure-ad-hybrid" && source == sdk.SourceUpstream {
						source, code = sdk.SourceUser, "invalid_grant" // the browser brought it
					}
					wantSource(t, err, source, code, test.says)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if u.Sub != "dev-7f3a91c0-ada" || u.PreferredUsername != "ada@example.org" || !strings.Contains(string(u.Claims), `"oid":"00000000-`) {
					t.Errorf("got %+v", u)
				}
			})
		}
	}
}

// Threat 26: where many tenants can, what a token says of its tenant must fit all together.
func TestAzureCrookedTenants(t *testing.T) {
	tests := map[string]func(base string, claims map[string]any){
		"the tid of one, the iss of another": func(base string, c map[string]any) { c["iss"], c["tid"] = base+"/"+thirdTenant+"/v2.0", ourTenant },
		"the iss of ours, another's tid":     func(base string, c map[string]any) { c["iss"], c["tid"] = base+"/"+ourTenant+"/v2.0", thirdTenant },
		"no tid":                             func(base string, c map[string]any) { c["iss"] = base + "/" + ourTenant + "/v2.0"; delete(c, "tid") },
		"the template itself":                func(base string, c map[string]any) { c["iss"], c["tid"] = base+"/{tenantid}/v2.0", "{tenantid}" },
		"a list of tids": func(base string, c map[string]any) {
			c["iss"], c["tid"] = base+"/"+ourTenant+"/v2.0", []string{ourTenant}
		},
		"version 1": func(_ string, c map[string]any) {
			c["iss"], c["tid"] = "https://sts.windows.net/"+ourTenant+"/", ourTenant
		},
		"a path in the tid": func(base string, c map[string]any) {
			c["iss"], c["tid"] = base+"/"+ourTenant+"/../x/v2.0", ourTenant+"/../x"
		},
	}
	for name, edit := range tests {
		for _, in := range []struct {
			kind sdk.Type
			at   string
		}{{azureType(), devidp.EndpointToken}, {azureHybridType(), devidp.EndpointToken}, {azureHybridType(), devidp.EndpointAuthorize}} {
			idp := startEntra(t, ourTenant)
			idp.Fault(in.at, devidp.Fault{EditClaims: func(claims map[string]any) { edit(idp.URL(), claims) }})
			values := azureAt(idp)
			values["tenant_id"], values["allowed_tenants"] = "common", ourTenant
			if token, err := getToken(t, idp, mustConfigure(t, in.kind, values)); err == nil {
				t.Errorf("%s at %s, %s: got %+v, want an error", in.kind.Name, in.at, name, token)
			}
		}
	}
}

// Threat 26: two allowed tenants do not mix: both ID tokens are of one and the same.
func TestAzureHybridTwoTenants(t *testing.T) {
	idp := startEntra(t, ourTenant)
	idp.Fault(devidp.EndpointAuthorize, devidp.Fault{EditClaims: func(claims map[string]any) {
		claims["iss"], claims["tid"] = idp.URL()+"/"+thirdTenant+"/v2.0", thirdTenant
	}})
	values := azureAt(idp)
	values["tenant_id"], values["allowed_tenants"] = "common", ourTenant+" "+thirdTenant
	_, err := getToken(t, idp, mustConfigure(t, azureHybridType(), values))
	wantSource(t, err, sdk.SourceUpstream, "", "somebody else")
}

// Chainlit never looked at the nonce of the hybrid flow, nor at the ID token.
func TestAzureHybridFaultsOfChainlit(t *testing.T) {
	idp := startIDP(t, devidp.Options{Mounts: []devidp.Mount{azureMount()}})
	for flaw, says := range map[devidp.Flaw]string{
		devidp.FlawWrongNonce: "nonce", devidp.FlawWrongCHash: "c_hash", devidp.FlawNoCHash: "c_hash", devidp.FlawWrongAudience: "aud",
		devidp.FlawUnknownKey: "", devidp.FlawCallbackNoToken: "allow ID tokens",
	} {
		idp.Clear()
		idp.Fault(devidp.EndpointAuthorize, devidp.Fault{Flaws: []devidp.Flaw{flaw}})
		_, err := getToken(t, idp, mustConfigure(t, azureHybridType(), azureAt(idp)))
		wantSource(t, err, sdk.SourceUser, "invalid_grant", says)
	}
	idp.Clear()
	idp.Fault(devidp.EndpointAuthorize, devidp.Fault{Flaws: []devidp.Flaw{devidp.FlawOtherUser}})
	_, err := getToken(t, idp, mustConfigure(t, azureHybridType(), azureAt(idp)))
	wantSource(t, err, sdk.SourceUpstream, "", "somebody else")
}

// What Entra ID answers at the token endpoint, see https://learn.microsoft.com/en-us/entra/identity-platform/reference-error-codes.
func TestAzureAnswers(t *testing.T) {
	for _, test := range []struct {
		status       int
		code, says   string
		source       sdk.Source
		want, inText string
	}{
		{401, "invalid_client", "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent is the client secret value, not the client secret ID.", sdk.SourceConfig, "invalid_client", "AADSTS7000215"},
		{401, "invalid_client", "AADSTS7000222: The provided client secret keys for app are expired.", sdk.SourceConfig, "invalid_client", "AADSTS7000222"},
		{400, "invalid_grant", "AADSTS70008: The provided authorization code is expired.", sdk.SourceUser, "invalid_grant", "AADSTS70008"},
		{400, "invalid_grant", "AADSTS54005: OAuth2 Authorization code was already redeemed.", sdk.SourceUser, "invalid_grant", "AADSTS54005"},
		{400, "invalid_grant", "AADSTS50076: Due to a configuration change made by your administrator, you must use multi-factor authentication.", sdk.SourceUser, "invalid_grant", "AADSTS50076"},
	} {
		for _, kind := range entraTypes() {
			idp := startIDP(t, devidp.Options{Mounts: []devidp.Mount{azureMount()}})
			body, err := json.Marshal(map[string]any{
				"error": test.code, "error_description": test.says + " Trace ID: 0 Correlation ID: 1 Timestamp: 2026-11-21 06:00:00Z",
				"error_codes": []int{1}, "timestamp": "2026-11-21 06:00:00Z", "trace_id": "0", "correlation_id": "1",
				"error_uri": "https://login.microsoftonline.com/error?code=1",
			})
			if err != nil {
				t.Fatal(err)
			}
			idp.Fault(devidp.EndpointToken, devidp.Fault{Status: test.status, Body: string(body)})
			_, err = getToken(t, idp, mustConfigure(t, kind, azureAt(idp)))
			wantSource(t, err, test.source, test.want, test.inText)
		}
	}
}

// Without an ID token nothing says which tenant it is.
func TestAzureUserInfoAlone(t *testing.T) {
	idp := startEntra(t, ourTenant)
	values := azureAt(idp)
	values["tenant_id"], values["allowed_tenants"], values["userinfo"] = "common", ourTenant, "true"
	p := mustConfigure(t, azureType(), values)
	token, err := getToken(t, idp, p)
	if err != nil {
		t.Fatal(err)
	}
	token.IDToken = ""
	_, err = p.GetUserInfo(t.Context(), token)
	wantSource(t, err, sdk.SourceUser, "access_denied", "allowed_tenants")
}

// The domain and the ID of a tenant are the same tenant, so that people stay who they are when the setting is changed.
func TestAzureIssuer(t *testing.T) {
	idp := startEntra(t, ourTenant)
	for tenant, want := range map[string]string{ourTenant: ourTenant, "acme.example": ourTenant, "Acme.Example": ourTenant} {
		values := azureAt(idp)
		values["tenant_id"], values["base_url"] = tenant, idp.URL()+"/"
		if got := mustConfigure(t, azureType(), values).(sdk.OpenID).Metadata().Issuer; got != idp.URL()+"/"+want+"/v2.0" {
			t.Errorf("%s: got issuer %q", tenant, got)
		}
	}
}

// Threat 34: an administrator of any tenant writes what they like into an address; only the owner of its domain counts.
func TestAzureEmail(t *testing.T) {
	for said, want := range map[string]string{
		`{"xms_edov":true}`: "true", `{"xms_edov":"1"}`: "true", `{"xms_edov":1}`: "true", `{"xms_edov":"True"}`: "true",
		`{"xms_edov":false}`: "false", `{"xms_edov":"0"}`: "false", `{"xms_edov":0}`: "false", `{"xms_edov":["1"]}`: "false", `{"xms_edov":"yes"}`: "false",
		`{}`: "unsaid", `{"email_verified":true}`: "unsaid",
	} {
		claims, err := oauth2.ParseObject([]byte(said))
		if err != nil {
			t.Fatal(err)
		}
		yes := true
		u := &sdk.User{Email: "ceo@victim.example", EmailVerified: &yes}
		if err := entraUser(claims, u, sdk.Config{}); err != nil {
			t.Fatal(err)
		}
		got := "unsaid"
		if u.EmailVerified != nil {
			got = map[bool]string{true: "true", false: "false"}[*u.EmailVerified]
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", said, got, want)
		}
	}
}

// Threat 34: what the ID token says of its address says nothing of another one that userinfo brings.
func TestAzureEmailOfUserInfo(t *testing.T) {
	for asks, want := range map[string]bool{"false": true, "true": false} {
		idp := startIDP(t, devidp.Options{Mounts: []devidp.Mount{azureMount()}})
		idp.Fault(devidp.EndpointUserInfo, devidp.Fault{EditClaims: func(claims map[string]any) { claims["email"] = "ceo@victim.example" }})
		values := azureAt(idp)
		values["userinfo"] = asks
		u, err := signIn(t, idp, mustConfigure(t, azureType(), values))
		if err != nil {
			t.Fatal(err)
		}
		if isTrue(u.EmailVerified) != want || want != (u.Email == "ada@example.org") {
			t.Errorf("userinfo %s: got %s, verified %v; want verified %v", asks, u.Email, isTrue(u.EmailVerified), want)
		}
	}
}

// Threat 37: with too many groups the token names an address instead; no group counts, the log says so, nothing is fetched.
func TestAzureGroupsOverage(t *testing.T) {
	tests := map[string]struct {
		claim string
		edit  func(trap string, claims map[string]any)
		want  []string
		warns bool
	}{
		"few": {"", func(string, map[string]any) {}, []string{"admins", "staff"}, false},
		// https://learn.microsoft.com/en-us/security/zero-trust/develop/configure-tokens-group-claims-app-roles#group-overages
		"overage": {"", func(trap string, c map[string]any) {
			delete(c, "groups")
			c["_claim_names"] = map[string]any{"groups": "src1"}
			c["_claim_sources"] = map[string]any{"src1": map[string]any{"endpoint": trap}}
		}, nil, true},
		"overage beside groups": {"", func(trap string, c map[string]any) {
			c["_claim_names"] = map[string]any{"groups": "src1"}
			c["_claim_sources"] = map[string]any{"src1": map[string]any{"endpoint": trap}}
		}, nil, true},
		"hasgroups": {"", func(_ string, c map[string]any) { delete(c, "groups"); c["hasgroups"] = true }, nil, true},
		"roles in spite of it": {"roles", func(trap string, c map[string]any) {
			c["roles"] = []string{"Editor"}
			c["_claim_names"] = map[string]any{"groups": "src1"}
			c["_claim_sources"] = map[string]any{"src1": map[string]any{"endpoint": trap}}
		}, []string{"Editor"}, false},
	}
	for name, test := range tests {
		idp := startIDP(t, devidp.Options{Mounts: []devidp.Mount{azureMount()}})
		idp.Fault(devidp.EndpointToken, devidp.Fault{EditClaims: func(claims map[string]any) { test.edit(idp.TrapURL(), claims) }})
		values := azureAt(idp)
		values["groups_claim"] = test.claim
		log, written := logBook()
		p, err := providertest.Configure(t, azureType(), values, log)
		if err != nil {
			t.Fatal(err)
		}
		u, err := signIn(t, idp, p)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(u.Groups, test.want); diff != "" {
			t.Errorf("%s: groups (got -, want +):\n%s", name, diff)
		}
		if warned := strings.Contains(written.String(), "more groups than"); warned != test.warns || strings.Contains(written.String(), "example.org") {
			t.Errorf("%s: the log says %q, want a warning: %v, and no address", name, written, test.warns)
		}
		if n := idp.RequestCount(devidp.EndpointTrap); n > 0 {
			t.Errorf("%s: an address out of a claim was asked", name)
		}
	}
}

func TestAzureWrongSettings(t *testing.T) {
	idp := startEntra(t, ourTenant)
	idp.Fault("/"+thirdTenant+"/v2.0/.well-known/openid-configuration", devidp.Fault{ // AADSTS90002
		Status: 400, Error: "invalid_tenant", Description: "AADSTS90002: Tenant not found.",
	})
	idp.Fault("/odd.example/v2.0/.well-known/openid-configuration", devidp.Fault{EditBody: func(body map[string]any) {
		body["issuer"] = idp.URL() + "/odd.example/v2.0"
	}})
	testWrong(t, azureType(), azureAt(idp), map[string]wrong{
		"no tenant":            {map[string]string{"tenant_id": ""}, "tenant_id", "OAUTH_AZURE_AD_TENANT_ID"},
		"no secret":            {map[string]string{"client_secret": ""}, "client_secret", "OAUTH_AZURE_AD_CLIENT_SECRET"},
		"the tenant's name":    {map[string]string{"tenant_id": "Contoso"}, "tenant_id", "a GUID, or a verified domain"},
		"consumers":            {map[string]string{"tenant_id": "consumers"}, "tenant_id", "a GUID, or a verified domain"},
		"the whole issuer":     {map[string]string{"tenant_id": "https://login.microsoftonline.com/x/v2.0"}, "tenant_id", "a GUID"},
		"no such tenant":       {map[string]string{"tenant_id": thirdTenant}, "tenant_id", "there is no discovery document"},
		"a domain with no ID":  {map[string]string{"tenant_id": "odd.example"}, "tenant_id", "another kind of issuer"},
		"common for everybody": {map[string]string{"tenant_id": "common"}, "allowed_tenants", "list the tenant IDs"},
		"organizations":        {map[string]string{"tenant_id": "organizations"}, "allowed_tenants", "list the tenant IDs"},
		"not single":           {map[string]string{"enable_single_tenant": "false"}, "allowed_tenants", "list the tenant IDs"},
		"single with a list":   {map[string]string{"allowed_tenants": ourTenant}, "allowed_tenants", "set tenant_id to organizations"},
		"a list of domains":    {map[string]string{"tenant_id": "common", "allowed_tenants": "acme.example"}, "allowed_tenants", "GUIDs parted by spaces"},
		"everybody by a star":  {map[string]string{"tenant_id": "common", "allowed_tenants": "*"}, "allowed_tenants", "GUIDs parted by spaces"},
		"cloud without scheme": {map[string]string{"base_url": "login.microsoftonline.us"}, "base_url", "e.g. https://"},
	})
}

// Chainlit's scopes are for Microsoft Graph alone; the ones that bring the user's name are added.
func TestAzureScopes(t *testing.T) {
	idp := startEntra(t, ourTenant)
	p := mustConfigure(t, azureHybridType(), azureAt(idp))
	for in, want := range map[string]string{
		"https://graph.microsoft.com/User.Read https://graph.microsoft.com/openid offline_access": "openid https://graph.microsoft.com/User.Read https://graph.microsoft.com/openid offline_access profile email",
		"https://graph.microsoft.com/User.Read offline_access":                                    "openid https://graph.microsoft.com/User.Read offline_access profile email",
		"openid profile email offline_access":                                                     "openid profile email offline_access",
	} {
		params, err := p.AuthorizeParams(t.Context(), sdk.AuthorizeRequest{Scope: strings.Fields(in)})
		if err != nil || params.Params.Get("scope") != want {
			t.Errorf("%s: got %q, error %v; want %q", in, params.Params.Get("scope"), err, want)
		}
	}
}

// Every name that Chainlit has, and Microsoft's own cloud.
func TestAzureManifest(t *testing.T) {
	for i, kind := range entraTypes() {
		settings, faults := kind.CheckSettings(demo("tenant_id", ourTenant))
		if len(faults) > 0 || settings["base_url"] != "https://login.microsoftonline.com" || settings["enable_single_tenant"] != "true" || settings["graph"] != "false" {
			t.Errorf("%s: got %v, faults %v; want Microsoft's cloud and one tenant", kind.Name, settings, faults)
		}
		for _, s := range kind.Settings {
			want := []string{"OAUTH_AZURE_AD_", "OAUTH_AZURE_AD_HYBRID_"}[i] + strings.ToUpper(s.Name)
			if s.Name == "scope" {
				want += "S"
			}
			if s.Env != want {
				t.Errorf("%s %s: got %q, want %q", kind.Name, s.Name, s.Env, want)
			}
		}
	}
}

// Each asks for what its name says, and the same person is the same user in both.
func TestAzureResponseTypes(t *testing.T) {
	idp := startEntra(t, ourTenant)
	subs := map[string]bool{}
	for i, kind := range entraTypes() {
		p := mustConfigure(t, kind, azureAt(idp))
		m := p.(sdk.OpenID).Metadata()
		if want := []string{"", "code id_token"}[i]; m.ResponseType != want || m.Issuer != idp.URL()+"/"+ourTenant+"/v2.0" {
			t.Errorf("%s: got %+v", kind.Name, m)
		}
		u, err := signIn(t, idp, p)
		if err != nil {
			t.Fatal(err)
		}
		subs[u.Sub] = true
	}
	if len(subs) != 1 {
		t.Errorf("got the subs %v, want one", subs)
	}
}
