package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/authd/authd/sdk/proto/provider/v1"
)

// Manifest is what a plugin says it can be configured as.
type Manifest struct {
	// ProtocolMinor that the plugin speaks.
	ProtocolMinor uint32
	// Version of the plugin, free text.
	Version string
	// Types without their New.
	Types []Type
}

// ParseManifest reads what a plugin prints for -describe.
func ParseManifest(text []byte) (*Manifest, error) {
	var m pb.DescribeResponse
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("the manifest is not the JSON of a DescribeResponse: %w", err)
	}
	return manifestFromWire(&m), nil
}

// JSON returns the manifest as -describe prints it.
func (m *Manifest) JSON() ([]byte, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(manifestToWire(m))
	if err != nil {
		return nil, err
	}
	// protojson varies its white space on purpose; this output is compared and kept in files.
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		return nil, err
	}
	return json.MarshalIndent(plain, "", "  ")
}

// Type returns the named type.
func (m *Manifest) Type(name string) (Type, bool) {
	i := slices.IndexFunc(m.Types, func(t Type) bool { return t.Name == name })
	if i < 0 {
		return Type{}, false
	}
	return m.Types[i], true
}

func manifestToWire(m *Manifest) *pb.DescribeResponse {
	out := &pb.DescribeResponse{ProtocolMinor: m.ProtocolMinor, Version: m.Version}
	for _, t := range m.Types {
		wt := &pb.ProviderType{
			Name: t.Name, Label: t.Label, DocumentationUrl: t.DocsURL, IconSvg: t.Icon,
			DefaultScopes: t.Scopes, Identifier: t.Identifier, Prompts: t.Prompts, Development: t.Development,
		}
		for _, s := range t.Settings {
			wt.Settings = append(wt.Settings, &pb.Setting{
				Name: s.Name, Env: s.Env, Required: s.Required, Secret: s.Secret,
				DefaultValue: s.Default, Pattern: s.Pattern, Help: s.Help,
			})
		}
		out.Types = append(out.Types, wt)
	}
	return out
}

func manifestFromWire(m *pb.DescribeResponse) *Manifest {
	out := &Manifest{ProtocolMinor: m.GetProtocolMinor(), Version: m.GetVersion()}
	for _, t := range m.GetTypes() {
		st := Type{
			Name: t.GetName(), Label: t.GetLabel(), DocsURL: t.GetDocumentationUrl(), Icon: t.GetIconSvg(),
			Scopes: t.GetDefaultScopes(), Identifier: t.GetIdentifier(), Prompts: t.GetPrompts(), Development: t.GetDevelopment(),
		}
		for _, s := range t.GetSettings() {
			st.Settings = append(st.Settings, Setting{
				Name: s.GetName(), Env: s.GetEnv(), Required: s.GetRequired(), Secret: s.GetSecret(),
				Default: s.GetDefaultValue(), Pattern: s.GetPattern(), Help: s.GetHelp(),
			})
		}
		out.Types = append(out.Types, st)
	}
	return out
}

func tokenToWire(t *Token) *pb.Token {
	if t == nil {
		return nil
	}
	return &pb.Token{
		AccessToken: t.AccessToken, TokenType: t.TokenType, Expiry: timeToWire(t.Expiry),
		RefreshToken: t.RefreshToken, IdToken: t.IDToken, Scope: t.Scope, ExtraJson: t.Extra,
	}
}

func tokenFromWire(t *pb.Token) *Token {
	if t == nil {
		return nil
	}
	return &Token{
		AccessToken: t.GetAccessToken(), TokenType: t.GetTokenType(), Expiry: timeFromWire(t.GetExpiry()),
		RefreshToken: t.GetRefreshToken(), IDToken: t.GetIdToken(), Scope: t.GetScope(), Extra: t.GetExtraJson(),
	}
}

func userToWire(u *User) *pb.User {
	if u == nil {
		return nil
	}
	return &pb.User{
		Sub: u.Sub, PreferredUsername: u.PreferredUsername, Name: u.Name, GivenName: u.GivenName,
		FamilyName: u.FamilyName, Email: u.Email, EmailVerified: u.EmailVerified, Picture: u.Picture,
		Locale: u.Locale, Groups: u.Groups, Sid: u.SID, ClaimsJson: u.Claims,
	}
}

func userFromWire(u *pb.User) *User {
	if u == nil {
		return nil
	}
	return &User{
		Sub: u.GetSub(), PreferredUsername: u.GetPreferredUsername(), Name: u.GetName(), GivenName: u.GetGivenName(),
		FamilyName: u.GetFamilyName(), Email: u.GetEmail(), EmailVerified: u.EmailVerified, Picture: u.GetPicture(),
		Locale: u.GetLocale(), Groups: u.GetGroups(), SID: u.GetSid(), Claims: u.GetClaimsJson(),
	}
}

func paramsToWire(values url.Values) []*pb.Parameter {
	var out []*pb.Parameter
	for name, vs := range values {
		for _, v := range vs {
			out = append(out, &pb.Parameter{Name: valid(name), Value: valid(v)})
		}
	}
	slices.SortStableFunc(out, func(a, b *pb.Parameter) int { return strings.Compare(a.GetName(), b.GetName()) })
	return out
}

func paramsFromWire(params []*pb.Parameter) url.Values {
	out := url.Values{}
	for _, p := range params {
		out.Add(p.GetName(), p.GetValue())
	}
	return out
}

func timeToWire(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func timeFromWire(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

func durationToWire(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

func diagnosticsToWire(ds []Diagnostic) []*pb.Diagnostic {
	var out []*pb.Diagnostic
	for _, d := range ds {
		out = append(out, &pb.Diagnostic{
			Severity: pb.Diagnostic_Severity(d.Severity), Setting: bounded(d.Setting), Summary: bounded(d.Summary), Detail: bounded(d.Detail),
		})
	}
	return out
}

func diagnosticsFromWire(ds []*pb.Diagnostic) []Diagnostic {
	var out []Diagnostic
	for _, d := range ds {
		out = append(out, Diagnostic{
			Severity: Severity(d.GetSeverity()), Setting: d.GetSetting(), Summary: d.GetSummary(), Detail: d.GetDetail(),
		})
	}
	return out
}

var capabilityNumbers = map[Capability]pb.Capability{
	CapabilityOpenID:            pb.Capability_CAPABILITY_OPENID,
	CapabilityRefresh:           pb.Capability_CAPABILITY_REFRESH,
	CapabilityRevocation:        pb.Capability_CAPABILITY_REVOCATION,
	CapabilityEndSession:        pb.Capability_CAPABILITY_END_SESSION,
	CapabilityBackchannelLogout: pb.Capability_CAPABILITY_BACKCHANNEL_LOGOUT,
	CapabilityPassword:          pb.Capability_CAPABILITY_PASSWORD,
	CapabilityCheck:             pb.Capability_CAPABILITY_CHECK,
}

func capabilitiesToWire(cs []Capability) []pb.Capability {
	out := make([]pb.Capability, len(cs))
	for i, c := range cs {
		out[i] = capabilityNumbers[c]
	}
	return out
}

// capabilitiesFromWire leaves out what this version does not know.
func capabilitiesFromWire(cs []pb.Capability) []Capability {
	var out []Capability
	for name, number := range capabilityNumbers {
		if slices.Contains(cs, number) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// errorToWire turns what a provider returned into a gRPC status that carries a ProviderError.
func errorToWire(err error) error {
	e := &Error{Source: SourcePlugin, Description: err.Error()}
	var typed *Error
	switch {
	case errors.As(err, &typed):
		e = typed
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e = &Error{Source: SourceUpstream, Timeout: true, Description: err.Error()}
	}
	detail := &pb.ProviderError{
		Source: pb.ProviderError_SOURCE_PLUGIN, Error: bounded(e.Code), ErrorDescription: bounded(e.text()),
		RetryAfter: durationToWire(e.RetryAfter), UpstreamHttpStatus: int32(e.HTTPStatus),
		Diagnostics: diagnosticsToWire(e.Diagnostics[:min(len(e.Diagnostics), maxDiagnostics)]),
	}
	for number, source := range sources {
		if source == e.Source {
			detail.Source = number
		}
	}
	st, detailErr := status.New(e.grpcCode(), bounded(e.Error())).WithDetails(detail)
	if detailErr != nil {
		return status.Error(codes.Internal, "the provider's error can't be sent")
	}
	return st.Err()
}

// An error travels in the trailers of HTTP/2, where a text of some megabytes, say a whole page that an identity
// provider answered, would end the connection and with it every other call.
const (
	maxErrorText   = 2 << 10
	maxDiagnostics = 64
)

// bounded makes a text that fits into an error.
func bounded(s string) string {
	if len(s) > maxErrorText {
		s = s[:maxErrorText] + "…"
	}
	return valid(s)
}

// valid makes a string that protobuf accepts.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

var sources = map[pb.ProviderError_Source]Source{
	pb.ProviderError_SOURCE_PLUGIN:   SourcePlugin,
	pb.ProviderError_SOURCE_USER:     SourceUser,
	pb.ProviderError_SOURCE_CONFIG:   SourceConfig,
	pb.ProviderError_SOURCE_UPSTREAM: SourceUpstream,
}

func (e *Error) text() string {
	if e.Description == "" && e.Err != nil {
		return e.Err.Error()
	}
	return e.Description
}

func (e *Error) grpcCode() codes.Code {
	switch {
	case e.Source == SourceUser && e.Code == "invalid_grant":
		return codes.Unauthenticated
	case e.Source == SourceUser:
		return codes.PermissionDenied
	case e.Source == SourceConfig:
		return codes.InvalidArgument
	case e.Source == SourceUpstream && e.Timeout:
		return codes.DeadlineExceeded
	case e.Source == SourceUpstream && e.RetryAfter > 0:
		return codes.ResourceExhausted
	case e.Source == SourceUpstream:
		return codes.Unavailable
	}
	return codes.Internal
}

// errorFromWire returns the *Error that a plugin sent, or err itself when the status carries none: then the call
// never reached the provider, or its process died.
func errorFromWire(err error) error {
	st, ok := status.FromError(err)
	if err == nil || !ok {
		return err
	}
	for _, detail := range st.Details() {
		pe, ok := detail.(*pb.ProviderError)
		if !ok {
			continue
		}
		return &Error{
			Source: sources[pe.GetSource()], Code: pe.GetError(), Description: pe.GetErrorDescription(),
			RetryAfter: pe.GetRetryAfter().AsDuration(), HTTPStatus: int(pe.GetUpstreamHttpStatus()),
			Timeout: st.Code() == codes.DeadlineExceeded, Diagnostics: diagnosticsFromWire(pe.GetDiagnostics()),
		}
	}
	return err
}
