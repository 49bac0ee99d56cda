package devidp

import (
	"bytes"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// strictClient is a relying party that does everything the standards ask of one
// and believes nothing else. What it accepts is right; what must be refused, it refuses.
type strictClient struct {
	t      *testing.T
	server *Server
	issuer string
	maxAge time.Duration // 0 = not asked
	hybrid bool
	now    func() time.Time
	http   *http.Client
}

func newStrictClient(t *testing.T, s *Server) *strictClient {
	return &strictClient{t: t, server: s, issuer: s.Issuer(), now: time.Now, http: client()}
}

// metadata is what the client uses of discovery.
type metadata struct {
	Issuer   string   `json:"issuer"`
	Auth     string   `json:"authorization_endpoint"`
	Token    string   `json:"token_endpoint"`
	UserInfo string   `json:"userinfo_endpoint"`
	JWKS     string   `json:"jwks_uri"`
	Algs     []string `json:"id_token_signing_alg_values_supported"`
	Iss      bool     `json:"authorization_response_iss_parameter_supported"`
}

// identity is what a login ends with.
type identity struct {
	sub    string
	claims map[string]any // ID token
	info   map[string]any // userinfo
	token  map[string]any // the token answer
}

// login goes through the whole flow; any doubt is an error.
func (c *strictClient) login(who string) (*identity, error) {
	var meta metadata
	if err := c.getJSON(c.issuer+"/.well-known/openid-configuration", "", &meta); err != nil {
		return nil, err
	}
	if err := c.checkMetadata(meta); err != nil {
		return nil, err
	}
	change := with{"scope": "openid profile email groups offline_access"}
	if c.maxAge > 0 {
		change["max_age"] = fmt.Sprint(int(c.maxAge.Seconds()))
	}
	if c.hybrid {
		change["response_type"], change["response_mode"] = "code id_token", "form_post"
	}
	params, err := c.authorize(meta.Auth+"?"+authParams(change).Encode(), who)
	if err != nil {
		return nil, err
	}
	if err := c.checkCallback(meta, params); err != nil {
		return nil, err
	}
	var front map[string]any
	if c.hybrid {
		if front, err = c.verify(meta, params.Get("id_token"), "", params.Get("code")); err != nil {
			return nil, fmt.Errorf("ID token of the redirect: %w", err)
		}
	}
	id, err := c.redeem(meta, tokenForm(params.Get("code"), nil))
	if err == nil && front != nil && front["sub"] != id.sub {
		err = errors.New("the two ID tokens name two users")
	}
	return id, err
}

func (c *strictClient) authorize(target, who string) (url.Values, error) {
	if !c.hybrid {
		back, err := c.server.Authorize(c.t.Context(), target, who)
		if err != nil {
			return nil, err
		}
		u, err := url.Parse(back)
		if err != nil {
			return nil, err
		}
		return u.Query(), nil
	}
	_, form, err := c.server.AuthorizeForm(c.t.Context(), target, who)
	return form, err
}

func (c *strictClient) checkMetadata(meta metadata) error {
	if meta.Issuer != c.issuer {
		return fmt.Errorf("discovery names the issuer %q", meta.Issuer)
	}
	for _, endpoint := range []string{meta.Auth, meta.Token, meta.UserInfo, meta.JWKS} {
		u, err := url.Parse(endpoint)
		if err != nil || (u.Scheme != "https" && (u.Scheme != "http" || !loopbackHost(u.Hostname()))) {
			return fmt.Errorf("endpoint %q is not https, nor on loopback", endpoint)
		}
	}
	return nil
}

// checkCallback is RFC 6749 4.1.2 and RFC 9207 section 2.4.
func (c *strictClient) checkCallback(meta metadata, params url.Values) error {
	for name, values := range params {
		if len(values) != 1 {
			return fmt.Errorf("parameter %s came %d times", name, len(values))
		}
	}
	switch {
	case params.Get("state") != "the-state":
		return errors.New("wrong state")
	case meta.Iss && params.Get("iss") != c.issuer:
		return errors.New("wrong iss")
	case params.Has("error"):
		return errors.New(params.Get("error"))
	case params.Has("access_token"):
		return errors.New("an access token in the URL")
	case params.Get("code") == "":
		return errors.New("no code")
	}
	return nil
}

// redeem sends a token request and verifies all that it brings.
func (c *strictClient) redeem(meta metadata, form url.Values) (*identity, error) {
	req := request(c.t, http.MethodPost, meta.Token, form)
	req.Header.Set("Accept", "application/json")
	answer := map[string]any{}
	if err := c.doJSON(req, &answer); err != nil {
		return nil, err
	}
	kind, _ := answer["token_type"].(string)
	access, _ := answer["access_token"].(string)
	idToken, _ := answer["id_token"].(string)
	switch {
	case answer["error"] != nil:
		return nil, fmt.Errorf("token answer: %v", answer["error"])
	case !strings.EqualFold(kind, "Bearer"):
		return nil, fmt.Errorf("token_type %q", kind)
	case access == "" || idToken == "":
		return nil, errors.New("a token is missing")
	}
	claims, err := c.verify(meta, idToken, access, "")
	if err != nil {
		return nil, fmt.Errorf("ID token: %w", err)
	}
	info := map[string]any{}
	if err := c.getJSON(meta.UserInfo, access, &info); err != nil {
		return nil, fmt.Errorf("userinfo: %w", err)
	}
	if info["sub"] != claims["sub"] {
		return nil, fmt.Errorf("userinfo is about %v, the ID token about %v", info["sub"], claims["sub"])
	}
	return &identity{claims["sub"].(string), claims, info, answer}, nil
}

// verify is OpenID Connect Core 3.1.3.7, 3.1.3.8, 3.3.2.11 and RFC 8725.
func (c *strictClient) verify(meta metadata, token, access, code string) (map[string]any, error) {
	var set struct{ Keys []json.RawMessage }
	if err := c.getJSON(meta.JWKS, "", &set); err != nil {
		return nil, err
	}
	var algs []jose.SignatureAlgorithm
	for _, alg := range meta.Algs {
		if slices.Contains([]string{"RS256", "ES256", "EdDSA"}, alg) {
			algs = append(algs, jose.SignatureAlgorithm(alg))
		}
	}
	jws, err := jose.ParseSignedCompact(token, algs)
	if err != nil {
		return nil, err
	}
	header := jws.Signatures[0].Protected
	if typ, _ := header.ExtraHeaders["typ"].(string); typ != "" && typ != "JWT" {
		return nil, fmt.Errorf("typ is %q", typ)
	}
	key, err := pickKey(set.Keys, header.KeyID)
	if err != nil {
		return nil, err
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return nil, err
	}
	claims := map[string]any{}
	if err := strictJSON(payload, &claims); err != nil {
		return nil, err
	}
	if err := c.checkClaims(claims); err != nil {
		return nil, err
	}
	for name, value := range map[string]string{"at_hash": access, "c_hash": code} {
		// c_hash must be there beside a code (OpenID Connect Core 3.3.2.11), at_hash need not.
		if hash, said := claims[name]; (said || name == "c_hash") && value != "" && hash != halfHash(jose.SignatureAlgorithm(header.Algorithm), value) {
			return nil, fmt.Errorf("%s does not fit", name)
		}
	}
	return claims, nil
}

// pickKey takes the key of a kid and steps over all keys that are not for signing.
func pickKey(keys []json.RawMessage, kid string) (*jose.JSONWebKey, error) {
	for _, raw := range keys {
		key := &jose.JSONWebKey{}
		if key.UnmarshalJSON(raw) != nil || key.KeyID != kid || key.Use == "enc" || !key.IsPublic() {
			continue
		}
		if weak, ok := key.Key.(*rsa.PublicKey); ok && weak.N.BitLen() < 2048 {
			return nil, errors.New("the RSA key is too short")
		}
		return key, nil
	}
	return nil, fmt.Errorf("no key %q", kid)
}

func (c *strictClient) checkClaims(claims map[string]any) error {
	now := c.now()
	at := func(name string) (time.Time, bool) {
		seconds, ok := claims[name].(float64)
		return time.Unix(int64(seconds), 0), ok
	}
	sub, _ := claims["sub"].(string)
	if sub == "" || len(sub) > 255 {
		return errors.New("sub is missing, empty or too long")
	}
	if claims["iss"] != c.issuer || claims["aud"] != "demo" {
		return fmt.Errorf("made by %v for %v", claims["iss"], claims["aud"])
	}
	if azp, said := claims["azp"]; said && azp != "demo" {
		return fmt.Errorf("azp is %v", azp)
	}
	if claims["nonce"] != "the-nonce" {
		return errors.New("wrong nonce")
	}
	const leeway = time.Minute
	exp, hasExp := at("exp")
	iat, hasIat := at("iat")
	nbf, hasNbf := at("nbf")
	switch {
	case !hasExp || !now.Before(exp.Add(leeway)):
		return errors.New("expired")
	case !hasIat || iat.After(now.Add(leeway)):
		return errors.New("iat is missing or to come")
	case hasNbf && nbf.After(now.Add(leeway)):
		return errors.New("not yet valid")
	}
	if authTime, said := at("auth_time"); c.maxAge > 0 && (!said || now.Sub(authTime) > c.maxAge+leeway) {
		return errors.New("the login is too old")
	}
	return nil
}

func (c *strictClient) getJSON(target, token string, into any) error {
	req := request(c.t, http.MethodGet, target, nil)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return c.doJSON(req, into)
}

// doJSON reads at most 1 MiB, follows no redirect and takes no JSON tricks.
func (c *strictClient) doJSON(req *http.Request, into any) error {
	const most = 1 << 20
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	switch {
	case err != nil:
		return err
	case len(raw) > most:
		return errors.New("the answer is too large")
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return strictJSON(raw, into)
}

// strictJSON refuses members that differ from another one only in case, or not at all.
func strictJSON(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	if err := uniqueMembers(d); err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

func uniqueMembers(d *json.Decoder) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	open, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	seen := map[string]bool{}
	for d.More() {
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return err
			}
			folded := strings.ToLower(name.(string))
			if seen[folded] {
				return fmt.Errorf("member %q came twice", name)
			}
			seen[folded] = true
		}
		if err := uniqueMembers(d); err != nil {
			return err
		}
	}
	_, err = d.Token() // the closing bracket
	return err
}
