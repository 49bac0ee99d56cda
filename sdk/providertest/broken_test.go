package providertest

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/authd/authd/sdk"
	pb "github.com/authd/authd/sdk/proto/provider/v1"
)

// picky runs one check and those that it needs.
type picky struct {
	want   string
	failed map[string]error
	ran    bool
}

func (r *picky) Run(ctx context.Context, name string, check func(context.Context) error) bool {
	gate := name == "configure" || name == "login" || name == "process-handshake"
	if name != r.want && !gate {
		return true
	}
	if name == r.want {
		r.ran = true
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	err := check(ctx)
	if err != nil {
		r.failed[name] = err
	}
	return err == nil
}

func (r *picky) Logf(string, ...any) {}

// caught runs one check against a broken provider, which must not pass it, and looks what it is told.
func caught(t *testing.T, check, says string, h Harness, target target) {
	t.Helper()
	r := &picky{want: check, failed: map[string]error{}}
	runSuite(t.Context(), r, h, target)
	expectFault(t, r, says)
}

func expectFault(t *testing.T, r *picky, says string) {
	t.Helper()
	switch err := r.failed[r.want]; {
	case !r.ran:
		t.Errorf("check %s did not run; other faults: %v", r.want, r.failed)
	case err == nil:
		t.Errorf("check %s let the fault pass; other faults: %v", r.want, r.failed)
	case !strings.Contains(err.Error(), says):
		t.Errorf("check %s says %q, want something about %q", r.want, err, says)
	default:
		t.Logf("%s: %v", r.want, err)
	}
}

// TestManifestFaults: what is declared wrongly is found, each by its check.
func TestManifestFaults(t *testing.T) {
	setting := func(change func(*sdk.Setting)) func(*sdk.Type) {
		return func(typ *sdk.Type) {
			s := sdk.Setting{Name: "realm", Env: "OAUTH_PLAIN_REALM", Help: "The realm."}
			change(&s)
			typ.Settings = append(typ.Settings, s)
		}
	}
	for _, test := range []struct {
		check, says string
		change      func(*sdk.Type)
	}{
		{"manifest-type", "name", func(t *sdk.Type) { t.Name = "Plain Type" }},
		{"manifest-type", "label", func(t *sdk.Type) { t.Label = " " }},
		{"manifest-type", "documentation", func(t *sdk.Type) { t.DocsURL = "javascript:alert(1)" }},
		{"manifest-type", "identifier", func(t *sdk.Type) { t.Identifier = "mail" }},
		{"manifest-type", "prompt", func(t *sdk.Type) { t.Prompts = []string{"login consent"} }},
		{"manifest-type", "scope", func(t *sdk.Type) { t.Scopes = []string{"openid profile"} }},
		{"manifest-settings", "twice", setting(func(s *sdk.Setting) { s.Name = "client_id" })},
		{"manifest-settings", "share", setting(func(s *sdk.Setting) { s.Env = "OAUTH_PLAIN_CLIENT_ID" })},
		{"manifest-settings", "lower-case", setting(func(s *sdk.Setting) { s.Name = "Realm" })},
		{"manifest-settings", "belongs to authd", setting(func(s *sdk.Setting) { s.Name = "allow" })},
		{"manifest-settings", "belongs to authd", setting(func(s *sdk.Setting) { s.Name = "realm_file" })},
		{"manifest-settings", "environment name", setting(func(s *sdk.Setting) { s.Env = "OAUTH-PLAIN" })},
		{"manifest-settings", "help", setting(func(s *sdk.Setting) { s.Help = "" })},
		{"manifest-settings", "everybody knows", setting(func(s *sdk.Setting) { s.Secret, s.Default = true, "changeme" })},
		{"manifest-settings", "RE2", setting(func(s *sdk.Setting) { s.Pattern = "(?=look)ahead" })},
		{"manifest-settings", "default", setting(func(s *sdk.Setting) { s.Pattern, s.Default = "[a-z]+", "Master" })},
		{"manifest-icon", "bytes", func(t *sdk.Type) { t.Icon += strings.Repeat(" ", maxIcon) }},
		{"manifest-icon", "script", func(t *sdk.Type) { t.Icon = `<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>` }},
		{"manifest-icon", "begins with", func(t *sdk.Type) { t.Icon = `<html><svg xmlns="http://www.w3.org/2000/svg"/></html>` }},
		{"manifest-icon", "well-formed", func(t *sdk.Type) { t.Icon = `<svg xmlns="http://www.w3.org/2000/svg"><g></svg>` }},
	} {
		t.Run(test.check+"/"+test.says, func(t *testing.T) {
			typ := plainType()
			test.change(&typ)
			caught(t, test.check, test.says, Harness{Type: typ}, inProcess{types: []sdk.Type{typ}})
		})
	}
}

// wired is a target whose side of the wire has something wrong, as one in another language might have it.
type wired struct {
	types []sdk.Type
	wrap  func(pb.ProviderServer) pb.ProviderServer
}

func (w wired) start(context.Context) (*process, error) {
	log := hclog.NewNullLogger()
	return serveHere(log, &transcript{}, w.wrap(sdk.NewServer(log, "v1", w.types...)))
}

// server is a good one with some methods replaced.
type server struct {
	pb.ProviderServer
	describe  func(*pb.DescribeResponse)
	configure func(context.Context, *pb.ConfigureRequest, pb.ProviderServer) (*pb.ConfigureResponse, error)
	getToken  func(context.Context, *pb.GetTokenRequest, pb.ProviderServer) (*pb.GetTokenResponse, error)
}

func (s *server) Describe(ctx context.Context, in *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	out, err := s.ProviderServer.Describe(ctx, in)
	if s.describe != nil {
		s.describe(out)
	}
	return out, err
}

func (s *server) Configure(ctx context.Context, in *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	if s.configure != nil {
		return s.configure(ctx, in, s.ProviderServer)
	}
	return s.ProviderServer.Configure(ctx, in)
}

func (s *server) GetToken(ctx context.Context, in *pb.GetTokenRequest) (*pb.GetTokenResponse, error) {
	if s.getToken != nil {
		return s.getToken(ctx, in, s.ProviderServer)
	}
	return s.ProviderServer.GetToken(ctx, in)
}

// TestWireFaults: what only somebody who does without the SDK gets wrong.
func TestWireFaults(t *testing.T) {
	type configure = func(context.Context, *pb.ConfigureRequest, pb.ProviderServer) (*pb.ConfigureResponse, error)
	answer := func(change func(*pb.ConfigureResponse)) configure {
		return func(ctx context.Context, in *pb.ConfigureRequest, next pb.ProviderServer) (*pb.ConfigureResponse, error) {
			out, err := next.Configure(ctx, in)
			if err == nil {
				change(out)
			}
			return out, err
		}
	}
	var last *pb.ConfigureResponse
	for _, test := range []struct {
		check, says string
		server      server
	}{
		{"describe-stable", "static", server{describe: func(m *pb.DescribeResponse) { m.Version = rand.Text() }}},
		{"describe-stable", "names no type", server{describe: func(m *pb.DescribeResponse) { m.Types = m.Types[:0] }}},
		{"type-unknown", "INVALID_ARGUMENT", server{configure: func(context.Context, *pb.ConfigureRequest, pb.ProviderServer) (*pb.ConfigureResponse, error) {
			return nil, errors.New("no such type")
		}}},
		{"settings-required", "ProviderError", server{configure: func(context.Context, *pb.ConfigureRequest, pb.ProviderServer) (*pb.ConfigureResponse, error) {
			return nil, status.Error(codes.InvalidArgument, "client_id is missing")
		}}},
		{"settings-required", "client_secret", server{configure: func(ctx context.Context, in *pb.ConfigureRequest, next pb.ProviderServer) (*pb.ConfigureResponse, error) {
			in.Settings = map[string]string{"client_secret": "x"}
			return next.Configure(ctx, in)
		}}},
		{"settings-malformed", "auth_url", server{configure: func(ctx context.Context, in *pb.ConfigureRequest, next pb.ProviderServer) (*pb.ConfigureResponse, error) {
			in.Settings["auth_url"] = "https://localhost"
			return next.Configure(ctx, in)
		}}},
		{"settings-unknown", "no_such_setting", server{configure: func(ctx context.Context, in *pb.ConfigureRequest, next pb.ProviderServer) (*pb.ConfigureResponse, error) {
			delete(in.Settings, "no_such_setting")
			return next.Configure(ctx, in)
		}}},
		{"before-configure", "GetToken", server{getToken: func(context.Context, *pb.GetTokenRequest, pb.ProviderServer) (*pb.GetTokenResponse, error) {
			return nil, status.Error(codes.Internal, "nil pointer")
		}}},
		{"configure-once", "FAILED_PRECONDITION", server{configure: func(ctx context.Context, in *pb.ConfigureRequest, next pb.ProviderServer) (*pb.ConfigureResponse, error) {
			if out, err := next.Configure(ctx, in); err == nil {
				last = out
			}
			return last, nil
		}}},
		{"configured", "authorization endpoint", server{configure: answer(func(c *pb.ConfigureResponse) { c.AuthorizationEndpoint = "/authorize" })}},
		{"configured", "nobody verified", server{configure: answer(func(c *pb.ConfigureResponse) { c.Issuer = "https://acme.example" })}},
		{"configured", "no issuer", server{configure: answer(func(c *pb.ConfigureResponse) {
			c.Capabilities = append(c.Capabilities, pb.Capability_CAPABILITY_OPENID)
		})}},
		{"capabilities", "end_session: announced true", server{configure: answer(func(c *pb.ConfigureResponse) {
			c.Capabilities = append(c.Capabilities, pb.Capability_CAPABILITY_END_SESSION)
		})}},
		{"capabilities", "refresh: announced false", server{configure: answer(func(c *pb.ConfigureResponse) { c.Capabilities = nil })}},
		{"login", "neither an error nor a token", server{getToken: func(context.Context, *pb.GetTokenRequest, pb.ProviderServer) (*pb.GetTokenResponse, error) {
			return &pb.GetTokenResponse{}, nil
		}}},
		{"login-in-one-call", "another user", server{getToken: func(ctx context.Context, in *pb.GetTokenRequest, next pb.ProviderServer) (*pb.GetTokenResponse, error) {
			out, err := next.GetToken(ctx, in)
			if user := out.GetUser(); user != nil {
				user.Groups = nil
				user.Sub += "0"
			}
			return out, err
		}}},
		{"token-500", "whose fault", server{getToken: func(ctx context.Context, in *pb.GetTokenRequest, next pb.ProviderServer) (*pb.GetTokenResponse, error) {
			out, err := next.GetToken(ctx, in)
			if err != nil {
				err = status.Error(status.Code(err), "the details got lost")
			}
			return out, err
		}}},
	} {
		t.Run(test.check+"/"+test.says, func(t *testing.T) {
			typ := plainType()
			caught(t, test.check, test.says, plainHarness(typ), wired{[]sdk.Type{typ}, func(next pb.ProviderServer) pb.ProviderServer {
				s := test.server
				s.ProviderServer = next
				return &s
			}})
		})
	}
}
