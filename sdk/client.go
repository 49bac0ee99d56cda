package sdk

import (
	"context"

	"google.golang.org/grpc"

	pb "github.com/authd/authd/sdk/proto/provider/v1"
)

// Client calls a plugin. It is authd's side of the wire, and the acceptance kit's; providers don't need it. Its
// errors are an *Error when the provider answered one, otherwise the gRPC status of the transport.
type Client struct {
	rpc pb.ProviderClient
}

// NewClient makes a Client over a connection to a plugin's process.
func NewClient(conn grpc.ClientConnInterface) *Client {
	return &Client{rpc: pb.NewProviderClient(conn)}
}

// ConfigureRequest makes a process one provider.
type ConfigureRequest struct {
	// Type is one of the manifest's; ID is the provider's id in URLs.
	Type, ID string
	// Settings by name; defaults need not be filled in.
	Settings map[string]string
	// Scopes to ask for; nil: the type's.
	Scopes []string
	// InsecureHTTP allows http endpoints off the loopback.
	InsecureHTTP bool
	// CAPEM holds further certificate authorities for the identity provider, in PEM.
	CAPEM []byte
}

// Configured is what a provider declares once it has its settings.
type Configured struct {
	Metadata
	// AuthorizationEndpoint whose origin holds for the life of the process; empty for a password provider.
	AuthorizationEndpoint string
	Capabilities          []Capability
}

// Describe asks what the plugin can be configured as.
func (c *Client) Describe(ctx context.Context) (*Manifest, error) {
	out, err := c.rpc.Describe(ctx, &pb.DescribeRequest{})
	if err != nil {
		return nil, errorFromWire(err)
	}
	return manifestFromWire(out), nil
}

// Configure makes the process one provider. Errors: source config for bad settings, upstream when the identity
// provider can't be reached.
func (c *Client) Configure(ctx context.Context, in ConfigureRequest) (*Configured, error) {
	out, err := c.rpc.Configure(ctx, &pb.ConfigureRequest{
		Type: in.Type, ProviderId: in.ID, Settings: in.Settings, Scopes: in.Scopes, InsecureHttp: in.InsecureHTTP, CaPem: in.CAPEM,
	})
	if err != nil {
		return nil, errorFromWire(err)
	}
	return &Configured{
		Metadata: Metadata{
			Issuer: out.GetIssuer(), ResponseIssSupported: out.GetResponseIssSupported(), ResponseType: out.GetResponseType(),
		},
		AuthorizationEndpoint: out.GetAuthorizationEndpoint(),
		Capabilities:          capabilitiesFromWire(out.GetCapabilities()),
	}, nil
}

// AuthorizeParams calls Provider.AuthorizeParams. Here and below, bytes of a browser that are no UTF-8 become U+FFFD:
// protobuf would refuse the message, and any visitor could make a plugin look broken.
func (c *Client) AuthorizeParams(ctx context.Context, in AuthorizeRequest) (AuthorizeParams, error) {
	out, err := c.rpc.AuthorizeParams(ctx, &pb.AuthorizeParamsRequest{
		RedirectUri: in.RedirectURI, State: in.State, Nonce: in.Nonce, CodeChallenge: in.CodeChallenge,
		CodeChallengeMethod: in.CodeChallengeMethod, Scope: in.Scope, Prompt: in.Prompt, LoginHint: valid(in.LoginHint),
		MaxAge: durationToWire(in.MaxAge),
	})
	if err != nil {
		return AuthorizeParams{}, errorFromWire(err)
	}
	return AuthorizeParams{Endpoint: out.GetAuthorizationEndpoint(), Params: paramsFromWire(out.GetParameters())}, nil
}

// GetToken calls Provider.GetToken.
func (c *Client) GetToken(ctx context.Context, in CodeExchange) (*Token, error) {
	out, err := c.rpc.GetToken(ctx, exchangeToWire(in))
	return tokenFromWire(out.GetToken()), errorFromWire(err)
}

// GetTokenAndUser calls Provider.GetToken and, in the same call, Provider.GetUserInfo. The user is nil when the plugin
// leaves that out or it failed: then GetUserInfo tells.
func (c *Client) GetTokenAndUser(ctx context.Context, in CodeExchange) (*Token, *User, error) {
	request := exchangeToWire(in)
	request.WithUser = true
	out, err := c.rpc.GetToken(ctx, request)
	return tokenFromWire(out.GetToken()), userFromWire(out.GetUser()), errorFromWire(err)
}

func exchangeToWire(in CodeExchange) *pb.GetTokenRequest {
	return &pb.GetTokenRequest{
		Code: valid(in.Code), RedirectUri: in.RedirectURI, CodeVerifier: in.CodeVerifier, Nonce: in.Nonce,
		CallbackParameters: paramsToWire(in.Params), MaxAge: durationToWire(in.MaxAge),
	}
}

// GetUserInfo calls Provider.GetUserInfo.
func (c *Client) GetUserInfo(ctx context.Context, t *Token) (*User, error) {
	out, err := c.rpc.GetUserInfo(ctx, &pb.GetUserInfoRequest{Token: tokenToWire(t)})
	return userFromWire(out.GetUser()), errorFromWire(err)
}

// RefreshToken calls Refresher.RefreshToken.
func (c *Client) RefreshToken(ctx context.Context, t *Token) (*Token, error) {
	out, err := c.rpc.RefreshToken(ctx, &pb.RefreshTokenRequest{Token: tokenToWire(t)})
	return tokenFromWire(out.GetToken()), errorFromWire(err)
}

// RevokeToken calls Revoker.RevokeToken.
func (c *Client) RevokeToken(ctx context.Context, t *Token) error {
	_, err := c.rpc.RevokeToken(ctx, &pb.RevokeTokenRequest{Token: tokenToWire(t)})
	return errorFromWire(err)
}

// EndSession calls EndSessioner.EndSession.
func (c *Client) EndSession(ctx context.Context, in EndSessionRequest) (string, error) {
	out, err := c.rpc.EndSession(ctx, &pb.EndSessionRequest{
		IdTokenHint: in.IDTokenHint, PostLogoutRedirectUri: in.PostLogoutRedirectURI, State: in.State,
	})
	return out.GetEndSessionUrl(), errorFromWire(err)
}

// PasswordLogin calls PasswordLogin.PasswordLogin.
func (c *Client) PasswordLogin(ctx context.Context, in Credentials) (*Token, error) {
	out, err := c.rpc.PasswordLogin(ctx, &pb.PasswordLoginRequest{Username: valid(in.Username), Password: valid(in.Password)})
	return tokenFromWire(out.GetToken()), errorFromWire(err)
}

// VerifyLogoutToken calls LogoutTokenVerifier.VerifyLogoutToken.
func (c *Client) VerifyLogoutToken(ctx context.Context, logoutToken string) (*LogoutToken, error) {
	out, err := c.rpc.VerifyLogoutToken(ctx, &pb.VerifyLogoutTokenRequest{LogoutToken: valid(logoutToken)})
	if err != nil {
		return nil, errorFromWire(err)
	}
	return &LogoutToken{Issuer: out.GetIss(), Sub: out.GetSub(), SID: out.GetSid(), ID: out.GetJti(), Expiry: timeFromWire(out.GetExpiry())}, nil
}

// Check calls Checker.Check.
func (c *Client) Check(ctx context.Context) ([]Diagnostic, error) {
	out, err := c.rpc.Check(ctx, &pb.CheckRequest{})
	return diagnosticsFromWire(out.GetDiagnostics()), errorFromWire(err)
}
