package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

const adaOID = "00000000-0000-0000-66f3-3332eca7ea81"

// A JPEG begins so.
var photo = append([]byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00"), make([]byte, 1200)...)

// fakeGraph answers as Microsoft Graph does: https://learn.microsoft.com/en-us/graph/api/user-get (with $select),
// …/profilephoto-get and …/user-list-transitivememberof, in which the token sees ids alone.
type fakeGraph struct {
	*httptest.Server
	me     func() (int, string)
	photo  func() (int, []byte)
	groups func(skip string) (int, string)
	asked  []string
	tokens []string
}

// startGraph has ada, her photo and three groups; a test changes what it wants to.
func startGraph(t *testing.T) *fakeGraph {
	t.Helper()
	g := &fakeGraph{}
	g.me = func() (int, string) {
		return 200, `{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#users/$entity","id":"` + adaOID + `",
			"userPrincipalName":"ada@acme.example","displayName":"Ada Quillfeather","givenName":"Ada","surname":"Quillfeather",
			"mail":"ada.q@acme.example","jobTitle":"Countess","department":"Analysis","officeLocation":"12/1110",
			"companyName":null,"businessPhones":["+1 555 0100"],"preferredLanguage":"en-GB"}`
	}
	g.photo = func() (int, []byte) { return 200, photo }
	g.groups = func(string) (int, string) { return 200, groupsPageOf(g, 0, 3, "") }
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1.0/me", func(w http.ResponseWriter, _ *http.Request) { g.answer(w, g.me) })
	mux.HandleFunc("GET /v1.0/me/photos/48x48/$value", func(w http.ResponseWriter, _ *http.Request) {
		status, body := g.photo()
		w.WriteHeader(status)
		_, _ = w.Write(body)
	})
	mux.HandleFunc("GET /v1.0/me/transitiveMemberOf", func(w http.ResponseWriter, r *http.Request) {
		g.answer(w, func() (int, string) { return g.groups(r.URL.Query().Get("$skiptoken")) })
	})
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.asked = append(g.asked, r.URL.RequestURI())
		g.tokens = append(g.tokens, r.Header.Get("Authorization"))
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(g.Close)
	return g
}

func (g *fakeGraph) answer(w http.ResponseWriter, say func() (int, string)) {
	status, body := say()
	w.Header().Set("Content-Type", "application/json;odata.metadata=minimal")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// groupsPageOf is a page with n groups, the first of them number from, and a directory role beside them.
func groupsPageOf(g *fakeGraph, from, n int, next string) string {
	items := []map[string]any{{"@odata.type": "#microsoft.graph.directoryRole", "id": "43a63cc2-582b-4d81-a79d-1591f91d5558", "displayName": nil}}
	for i := range n {
		items = append(items, map[string]any{"@odata.type": "#microsoft.graph.group", "id": groupID(from + i), "displayName": nil})
	}
	page := map[string]any{"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#directoryObjects(id)", "value": items}
	if next != "" {
		page["@odata.nextLink"] = g.URL + "/v1.0/me/transitiveMemberOf?$select=id&$top=999&$skiptoken=" + next
	}
	raw, err := json.Marshal(page)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func groupID(i int) string { return fmt.Sprintf("fee2c45b-915a-4a64-b130-%012d", i) }

// atGraph is Entra ID and Graph beside it, with the settings for both.
func atGraph(t *testing.T) (*devidp.Server, *fakeGraph, map[string]string) {
	t.Helper()
	idp, g := startIDP(t, devidp.Options{Mounts: []devidp.Mount{azureMount()}}), startGraph(t)
	values := azureAt(idp)
	values["graph"], values["graph_url"] = "true", g.URL+"/v1.0/"
	return idp, g, values
}

func claimsOf(t *testing.T, u *sdk.User) map[string]any {
	t.Helper()
	claims := map[string]any{}
	if err := json.Unmarshal(u.Claims, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestGraph(t *testing.T) {
	for _, kind := range entraTypes() {
		idp, g, values := atGraph(t)
		p := mustConfigure(t, kind, values)
		token, err := getToken(t, idp, p)
		if err != nil {
			t.Fatal(err)
		}
		u, err := p.GetUserInfo(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		claims := claimsOf(t, u)
		for name, want := range map[string]any{
			"jobTitle": "Countess", "department": "Analysis", "officeLocation": "12/1110", "userPrincipalName": "ada@acme.example",
			"mail": "ada.q@acme.example", "email": "ada@example.org", "oid": adaOID, "companyName": nil, "id": nil,
		} {
			if claims[name] != want {
				t.Errorf("%s: claim %s is %v, want %v", kind.Name, name, claims[name], want)
			}
		}
		if u.PreferredUsername != "ada@acme.example" || u.Locale != "en-GB" || u.Email != "ada@example.org" || !isTrue(u.EmailVerified) {
			t.Errorf("%s: got %+v; want Graph's name and the ID token's address", kind.Name, u)
		}
		if diff := cmp.Diff(u.Groups, []string{"admins", "staff"}); diff != "" {
			t.Errorf("groups (got -, want +):\n%s", diff)
		}
		if len(g.asked) != 1 || !strings.HasPrefix(g.asked[0], "/v1.0/me?$select=id,userPrincipalName,") || g.tokens[0] != "Bearer "+token.AccessToken {
			t.Errorf("%s: Graph was asked %q; want the user alone", kind.Name, g.asked)
		}
	}
}

// The scope for Graph is asked for exactly when Graph is, and not in two spellings.
func TestGraphScope(t *testing.T) {
	idp, _, values := atGraph(t)
	for _, test := range []struct{ graph, scope, want string }{
		{"true", "openid", "openid profile email User.Read"},
		{"false", "openid", "openid profile email"},
	} {
		values["graph"] = test.graph
		params, err := mustConfigure(t, azureType(), values).AuthorizeParams(t.Context(), sdk.AuthorizeRequest{Scope: strings.Fields(test.scope)})
		if err != nil || params.Params.Get("scope") != test.want {
			t.Errorf("graph %s: got %q, error %v; want %q", test.graph, params.Params.Get("scope"), err, test.want)
		}
	}
	values["graph"] = "true"
	kind := azureType()
	kind.Scopes = []string{"https://graph.microsoft.com/User.Read", "offline_access"} // Chainlit's
	params, err := mustConfigure(t, kind, values).AuthorizeParams(t.Context(), sdk.AuthorizeRequest{})
	if err != nil || strings.Count(params.Params.Get("scope"), "User.Read") != 1 {
		t.Errorf("got %q, error %v; want User.Read once", params.Params.Get("scope"), err)
	}
	if idp.RequestCount(devidp.EndpointToken) != 0 {
		t.Error("a token was asked for")
	}
}

// Threat 30: what Graph says counts only if it is about the user of the ID token.
func TestGraphOtherUser(t *testing.T) {
	for name, test := range map[string]struct{ body, says string }{
		"somebody else": {`{"id":"11111111-0000-0000-0000-000000000001","jobTitle":"CEO"}`, "not the one of the ID token"},
		"nobody":        {`{"jobTitle":"CEO"}`, "not the one of the ID token"},
		"a number":      {`{"id":42}`, "not the one of the ID token"},
		"another case":  {`{"id":"` + adaOID + `","Id":"11111111-0000-0000-0000-000000000001"}`, "two spellings"},
	} {
		idp, g, values := atGraph(t)
		g.me = func() (int, string) { return 200, test.body }
		u, err := signIn(t, idp, mustConfigure(t, azureType(), values))
		if err == nil {
			t.Errorf("%s: got %+v, want a refusal", name, u)
			continue
		}
		wantSource(t, err, sdk.SourceUpstream, "", test.says)
	}
	idp, _, values := atGraph(t)
	idp.Fault(devidp.EndpointToken, devidp.Fault{EditClaims: func(claims map[string]any) { delete(claims, "oid") }})
	_, err := signIn(t, idp, mustConfigure(t, azureType(), values))
	wantSource(t, err, sdk.SourceUpstream, "", "claim oid")
}

// Threats 31, 34: no property of Graph takes the place of a claim of the ID token, and an address out of Graph is vouched
// for by nobody.
func TestGraphIsNoIDToken(t *testing.T) {
	idp, g, values := atGraph(t)
	g.me = func() (int, string) {
		return 200, `{"id":"` + adaOID + `","mail":"ceo@victim.example","userPrincipalName":{"x":1},"displayName":7,
			"groups":["admins"],"roles":["Owner"],"xms_edov":true,"email_verified":true,"tid":"x","email":"x@y.example","sub":"root"}`
	}
	idp.Fault(devidp.EndpointToken, devidp.Fault{EditClaims: func(claims map[string]any) {
		delete(claims, "email")
		delete(claims, "groups")
		claims["xms_edov"] = true
	}})
	u, err := signIn(t, idp, mustConfigure(t, azureType(), values))
	if err != nil {
		t.Fatal(err)
	}
	if u.Email != "ceo@victim.example" || u.EmailVerified != nil {
		t.Errorf("got %q, verified %v; want Graph's address, of which nothing is known", u.Email, u.EmailVerified)
	}
	claims := claimsOf(t, u)
	if u.Sub != "dev-7f3a91c0-ada" || len(u.Groups) != 0 || claims["roles"] != nil || claims["email_verified"] != nil || claims["tid"] == "x" {
		t.Errorf("got %+v with claims %v; want nothing of Graph's to stand for the ID token's", u, claims)
	}
	if u.PreferredUsername != "ada@example.org" || u.Name != "Ada Quillfeather" {
		t.Errorf("got %+v; want properties of a wrong type left out", u)
	}
}

func TestGraphFailures(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		body   string
		source sdk.Source
		says   string
	}{
		{"token of another API", 401, `{"error":{"code":"InvalidAuthenticationToken","message":"Access token validation failure. Invalid audience."}}`, sdk.SourceConfig, "delegated permission User.Read"},
		{"no permission", 403, `{"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges to complete the operation."}}`, sdk.SourceConfig, "delegated permission User.Read"},
		{"throttled", 429, `{}`, sdk.SourceUpstream, "fewer requests"},
		{"down", 503, `{}`, sdk.SourceUpstream, "fails"},
		{"no JSON", 200, `<html>`, sdk.SourceUpstream, "JSON"},
		{"a list", 200, `[]`, sdk.SourceUpstream, "JSON"},
	} {
		t.Run(test.name, func(t *testing.T) {
			idp, g, values := atGraph(t)
			g.me = func() (int, string) { return test.status, test.body }
			_, err := signIn(t, idp, mustConfigure(t, azureType(), values))
			wantSource(t, err, test.source, "", test.says)
		})
	}
}

// The photo is an ornament: whatever is wrong with it, nobody is kept out, and no session holds a large one.
func TestGraphPhoto(t *testing.T) {
	want := "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(photo)
	for name, test := range map[string]struct {
		status int
		body   []byte
		want   any
	}{
		"a photo":          {200, photo, want},
		"none":             {404, []byte(`{"error":{"code":"ImageNotFound"}}`), "https://id.example/ada.png"},
		"too large":        {200, append(slices.Clone(photo), make([]byte, maxPhoto)...), "https://id.example/ada.png"},
		"no image":         {200, []byte("<script>alert(1)</script>"), "https://id.example/ada.png"},
		"SVG, with script": {200, []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), "https://id.example/ada.png"},
		"down":             {503, nil, "https://id.example/ada.png"},
	} {
		idp, g, values := atGraph(t)
		g.photo = func() (int, []byte) { return test.status, test.body }
		idp.Fault(devidp.EndpointToken, devidp.Fault{EditClaims: func(claims map[string]any) { claims["picture"] = "https://id.example/ada.png" }})
		values["graph_photo"] = "true"
		u, err := signIn(t, idp, mustConfigure(t, azureType(), values))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := claimsOf(t, u)["picture"]; got != test.want {
			t.Errorf("%s: the claim picture is %.60v, want %.60v", name, got, test.want)
		}
	}
}

// overflowing makes the ID token name an address instead of the groups.
func overflowing(idp *devidp.Server) {
	idp.Fault(devidp.EndpointToken, devidp.Fault{EditClaims: func(c map[string]any) {
		delete(c, "groups")
		c["_claim_names"] = map[string]any{"groups": "src1"}
		c["_claim_sources"] = map[string]any{"src1": map[string]any{"endpoint": idp.TrapURL()}}
	}})
}

// Threats 37, 48: above 200 groups Graph is asked, at its own address and never at that of the claim; above what authd
// keeps, none counts and the log says so.
func TestGraphGroups(t *testing.T) {
	many := func(n int) func(*fakeGraph) {
		return func(g *fakeGraph) {
			g.groups = func(skip string) (int, string) {
				from := 0
				_, _ = fmt.Sscan(skip, &from)
				next := ""
				if from+400 < n {
					next = fmt.Sprint(from + 400)
				}
				return 200, groupsPageOf(g, from, min(400, n-from), next)
			}
		}
	}
	says := func(status int, body string) func(*fakeGraph) {
		return func(g *fakeGraph) { g.groups = func(string) (int, string) { return status, body } }
	}
	for _, test := range []struct {
		name   string
		change func(*fakeGraph)
		want   int    // how many groups
		warns  string // part of what the log says
		fails  string // part of the error
	}{
		{"one page", many(3), 3, "", ""},
		{"three pages", many(1000), 1000, "", ""},
		{"more than authd keeps", many(1001), 0, "more groups than authd keeps", ""},
		{"pages without end", many(100000), 0, "more groups than authd keeps", ""},
		{"not permitted", says(403, `{"error":{"code":"Authorization_RequestDenied"}}`), 0, "does not show the groups", ""},
		{"down", says(503, `{}`), 0, "", "fails"},
		{"no list", says(200, `{"value":{}}`), 0, "", "Microsoft Graph's groups"},
		{"ids of no kind", says(200, `{"value":[{"@odata.type":"#microsoft.graph.group","id":"admins,root"},{"@odata.type":"#microsoft.graph.group","id":7}]}`), 0, "", ""},
		{"the next page elsewhere", func(g *fakeGraph) {
			g.groups = func(string) (int, string) {
				return 200, `{"value":[],"@odata.nextLink":"` + strings.Replace(g.URL, "127.0.0.1", "localhost", 1) + `/v1.0/me/transitiveMemberOf?x"}`
			}
		}, 0, "", "another address than graph_url"},
		{"the next page on a longer host", func(g *fakeGraph) {
			g.groups = func(string) (int, string) {
				return 200, `{"value":[],"@odata.nextLink":"` + g.URL + `/v1.0.attacker.example/"}`
			}
		}, 0, "", "another address than graph_url"},
	} {
		t.Run(test.name, func(t *testing.T) {
			idp, g, values := atGraph(t)
			overflowing(idp)
			test.change(g)
			log, written := logBook()
			p, err := providertest.Configure(t, azureType(), values, log)
			if err != nil {
				t.Fatal(err)
			}
			u, err := signIn(t, idp, p)
			if test.fails != "" {
				wantSource(t, err, sdk.SourceUpstream, "", test.fails)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(u.Groups) != test.want || test.want > 0 && !slices.Contains(u.Groups, groupID(test.want-1)) {
				t.Errorf("got %d groups, want %d", len(u.Groups), test.want)
			}
			if got := written.String(); (test.warns == "") != (got == "") || !strings.Contains(got, test.warns) || strings.Contains(got, "example.org") {
				t.Errorf("the log says %q, want %q and no address", got, test.warns)
			}
			if n := idp.RequestCount(devidp.EndpointTrap); n != 0 {
				t.Errorf("an address out of a claim was asked")
			}
			if len(g.asked) > 1+maxGroupPages {
				t.Errorf("Graph was asked %d times", len(g.asked))
			}
		})
	}
}

// With roles as groups nobody needs the memberships.
func TestGraphGroupsOfAnotherClaim(t *testing.T) {
	idp, g, values := atGraph(t)
	overflowing(idp)
	values["groups_claim"] = "roles"
	u, err := signIn(t, idp, mustConfigure(t, azureType(), values))
	if err != nil || len(u.Groups) != 0 || len(g.asked) != 1 {
		t.Errorf("got %+v, error %v, %d requests; want the user alone asked", u, err, len(g.asked))
	}
}

func TestGraphWrongSettings(t *testing.T) {
	idp := startEntra(t, ourTenant)
	for _, kind := range entraTypes() {
		testWrong(t, kind, azureAt(idp), map[string]wrong{
			"photo alone":          {map[string]string{"graph_photo": "true"}, "graph_photo", "set graph to true"},
			"no switch":            {map[string]string{"graph": "maybe"}, "graph", "true or false"},
			"Graph without scheme": {map[string]string{"graph": "true", "graph_url": "graph.microsoft.us/v1.0"}, "graph_url", "e.g. https://"},
			"Graph not encrypted":  {map[string]string{"graph": "true", "graph_url": "http://graph.microsoft.com/v1.0"}, "graph_url", "use https"},
			"Graph with a query":   {map[string]string{"graph": "true", "graph_url": "https://graph.microsoft.com/v1.0?x"}, "graph_url", "e.g. https://"},
		})
	}
}
