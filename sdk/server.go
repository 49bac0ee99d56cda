package sdk

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/authd/authd/sdk/proto/provider/v1"
)

// NewServer makes the plugin's side of the wire for the given types. Serve uses it; tests serve it over any gRPC
// server. version is what Describe reports.
func NewServer(log hclog.Logger, version string, types ...Type) pb.ProviderServer {
	return &server{log: log, version: version, types: types}
}

type server struct {
	pb.UnimplementedProviderServer
	log     hclog.Logger
	version string
	types   []Type

	mu       sync.RWMutex
	provider Provider // :: nil until Configure has succeeded
}

func (s *server) manifest() *Manifest {
	return &Manifest{ProtocolMinor: ProtocolMinor, Version: s.version, Types: s.types}
}

func (s *server) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	return manifestToWire(s.manifest()), nil
}

func (s *server) Configure(ctx context.Context, in *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.provider != nil {
		return nil, status.Error(codes.FailedPrecondition, "the process is configured already; start another one")
	}
	provider, err := s.make(ctx, in)
	if err != nil {
		return nil, errorToWire(err)
	}
	out := &pb.ConfigureResponse{Capabilities: capabilitiesToWire(Capabilities(provider))}
	if o, ok := provider.(OpenID); ok {
		m := o.Metadata()
		out.Issuer, out.ResponseIssSupported, out.ResponseType = m.Issuer, m.ResponseIssSupported, m.ResponseType
	}
	if out.AuthorizationEndpoint, err = authorizationEndpoint(ctx, provider, in.GetScopes()); err != nil {
		return nil, errorToWire(err)
	}
	s.provider = provider
	return out, nil
}

func (s *server) make(ctx context.Context, in *pb.ConfigureRequest) (Provider, error) {
	i := slices.IndexFunc(s.types, func(t Type) bool { return t.Name == in.GetType() })
	if i < 0 {
		return nil, ConfigErrorf("type", "%q is not served by this plugin", in.GetType())
	}
	t := s.types[i]
	settings, faults := t.CheckSettings(in.GetSettings())
	if len(faults) > 0 {
		return nil, &Error{Source: SourceConfig, Diagnostics: faults}
	}
	client, err := NewHTTPClient(in.GetCaPem())
	if err != nil {
		return nil, ConfigErrorf("ca_file", "can't be used: %v", err)
	}
	scopes := in.GetScopes()
	if len(scopes) == 0 {
		scopes = t.Scopes
	}
	provider, err := t.New(ctx, Config{
		Type: t.Name, ID: in.GetProviderId(), Settings: settings, Scopes: scopes,
		InsecureHTTP: in.GetInsecureHttp(), HTTP: client, Log: s.log,
	})
	if err == nil && provider == nil {
		err = fmt.Errorf("type %s: New returned neither a provider nor an error", t.Name)
	}
	return provider, err
}

// authorizationEndpoint asks AuthorizeParams with a throw-away request, so that authd knows from the start where
// this provider sends people, without a fourth method that every author would have to write.
func authorizationEndpoint(ctx context.Context, p Provider, scope []string) (string, error) {
	if _, ok := p.(PasswordLogin); ok {
		return "", nil
	}
	params, err := p.AuthorizeParams(ctx, AuthorizeRequest{
		RedirectURI: "https://localhost/", State: "configure", Nonce: "configure",
		CodeChallenge: "configure", CodeChallengeMethod: "S256", Scope: scope,
	})
	return params.Endpoint, err
}

// configured returns the provider as what the caller needs it to be.
func configured[T any](s *server) (T, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var none T
	if s.provider == nil {
		return none, status.Error(codes.FailedPrecondition, "the process is not configured")
	}
	as, ok := s.provider.(T)
	if !ok {
		return none, status.Error(codes.Unimplemented, "this provider can't do that")
	}
	return as, nil
}

func (s *server) AuthorizeParams(ctx context.Context, in *pb.AuthorizeParamsRequest) (*pb.AuthorizeParamsResponse, error) {
	p, err := configured[Provider](s)
	if err != nil {
		return nil, err
	}
	out, err := p.AuthorizeParams(ctx, AuthorizeRequest{
		RedirectURI: in.GetRedirectUri(), State: in.GetState(), Nonce: in.GetNonce(), CodeChallenge: in.GetCodeChallenge(),
		CodeChallengeMethod: in.GetCodeChallengeMethod(), Scope: in.GetScope(), Prompt: in.GetPrompt(),
		LoginHint: in.GetLoginHint(), MaxAge: in.GetMaxAge().AsDuration(),
	})
	if err != nil {
		return nil, errorToWire(err)
	}
	return &pb.AuthorizeParamsResponse{AuthorizationEndpoint: out.Endpoint, Parameters: paramsToWire(out.Params)}, nil
}

func (s *server) GetToken(ctx context.Context, in *pb.GetTokenRequest) (*pb.GetTokenResponse, error) {
	p, err := configured[Provider](s)
	if err != nil {
		return nil, err
	}
	t, err := p.GetToken(ctx, CodeExchange{
		Code: in.GetCode(), RedirectURI: in.GetRedirectUri(), CodeVerifier: in.GetCodeVerifier(), Nonce: in.GetNonce(),
		MaxAge: in.GetMaxAge().AsDuration(), Params: paramsFromWire(in.GetCallbackParameters()),
	})
	if err := answered(t != nil, err, "GetToken"); err != nil {
		return nil, err
	}
	out := &pb.GetTokenResponse{Token: tokenToWire(t)}
	if in.GetWithUser() {
		out.User = s.userOf(ctx, p, t)
	}
	if proto.Size(out) > maxMessage {
		out.User = nil // what is too large says GetUserInfo
	}
	return out, nil
}

// userOf returns the user of a token that has just been had, or nil when that fails in any way: the token must not be
// lost with it, and authd asks again and learns the cause.
func (s *server) userOf(ctx context.Context, p Provider, t *Token) *pb.User {
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/2)
		defer cancel()
	}
	var failed error
	defer recovered(s.log, "GetUserInfo", &failed)
	u, err := p.GetUserInfo(ctx, t)
	if err != nil {
		return nil
	}
	return userToWire(u)
}

func (s *server) GetUserInfo(ctx context.Context, in *pb.GetUserInfoRequest) (*pb.GetUserInfoResponse, error) {
	p, err := configured[Provider](s)
	if err != nil {
		return nil, err
	}
	u, err := p.GetUserInfo(ctx, tokenOrEmpty(in.GetToken()))
	if err := answered(u != nil, err, "GetUserInfo"); err != nil {
		return nil, err
	}
	return &pb.GetUserInfoResponse{User: userToWire(u)}, nil
}

func (s *server) RefreshToken(ctx context.Context, in *pb.RefreshTokenRequest) (*pb.RefreshTokenResponse, error) {
	p, err := configured[Refresher](s)
	if err != nil {
		return nil, err
	}
	t, err := p.RefreshToken(ctx, tokenOrEmpty(in.GetToken()))
	if err := answered(t != nil, err, "RefreshToken"); err != nil {
		return nil, err
	}
	return &pb.RefreshTokenResponse{Token: tokenToWire(t)}, nil
}

func (s *server) RevokeToken(ctx context.Context, in *pb.RevokeTokenRequest) (*pb.RevokeTokenResponse, error) {
	p, err := configured[Revoker](s)
	if err != nil {
		return nil, err
	}
	if err := p.RevokeToken(ctx, tokenOrEmpty(in.GetToken())); err != nil {
		return nil, errorToWire(err)
	}
	return &pb.RevokeTokenResponse{}, nil
}

func (s *server) EndSession(ctx context.Context, in *pb.EndSessionRequest) (*pb.EndSessionResponse, error) {
	p, err := configured[EndSessioner](s)
	if err != nil {
		return nil, err
	}
	to, err := p.EndSession(ctx, EndSessionRequest{
		IDTokenHint: in.GetIdTokenHint(), PostLogoutRedirectURI: in.GetPostLogoutRedirectUri(), State: in.GetState(),
	})
	if err != nil {
		return nil, errorToWire(err)
	}
	return &pb.EndSessionResponse{EndSessionUrl: to}, nil
}

func (s *server) PasswordLogin(ctx context.Context, in *pb.PasswordLoginRequest) (*pb.PasswordLoginResponse, error) {
	p, err := configured[PasswordLogin](s)
	if err != nil {
		return nil, err
	}
	t, err := p.PasswordLogin(ctx, Credentials{Username: in.GetUsername(), Password: in.GetPassword()})
	if err := answered(t != nil, err, "PasswordLogin"); err != nil {
		return nil, err
	}
	return &pb.PasswordLoginResponse{Token: tokenToWire(t)}, nil
}

func (s *server) VerifyLogoutToken(ctx context.Context, in *pb.VerifyLogoutTokenRequest) (*pb.VerifyLogoutTokenResponse, error) {
	p, err := configured[LogoutTokenVerifier](s)
	if err != nil {
		return nil, err
	}
	t, err := p.VerifyLogoutToken(ctx, in.GetLogoutToken())
	if err := answered(t != nil, err, "VerifyLogoutToken"); err != nil {
		return nil, err
	}
	return &pb.VerifyLogoutTokenResponse{Iss: t.Issuer, Sub: t.Sub, Sid: t.SID, Jti: t.ID, Expiry: timeToWire(t.Expiry)}, nil
}

func (s *server) Check(ctx context.Context, _ *pb.CheckRequest) (*pb.CheckResponse, error) {
	p, err := configured[Checker](s)
	if err != nil {
		return nil, err
	}
	found, err := p.Check(ctx)
	if err != nil {
		return nil, errorToWire(err)
	}
	return &pb.CheckResponse{Diagnostics: diagnosticsToWire(found)}, nil
}

func tokenOrEmpty(t *pb.Token) *Token {
	if t == nil {
		return &Token{}
	}
	return tokenFromWire(t)
}

// answered turns an error, or a nil answer without one, into a status.
func answered(some bool, err error, method string) error {
	if err == nil && !some {
		err = fmt.Errorf("%s returned neither an answer nor an error", method)
	}
	if err == nil {
		return nil
	}
	return errorToWire(err)
}

// recovered turns a panic in a provider into an error of that one call; without it the whole process would die.
func recovered(log hclog.Logger, method string, err *error) {
	if cause := recover(); cause != nil {
		log.Error("provider panicked", "method", method, "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
		*err = errorToWire(&Error{Source: SourcePlugin, Description: "panic in " + method})
	}
}
