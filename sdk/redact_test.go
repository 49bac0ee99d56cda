package sdk_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/authd/authd/sdk"
	pb "github.com/authd/authd/sdk/proto/provider/v1"
)

// protoMessage is short for what reflection hands out.
type protoMessage = protoreflect.Message

// unknownField adds a field that this version does not know, with the text "future-secret".
func unknownField(m protoMessage) {
	m.SetUnknown(protowire.AppendString(protowire.AppendTag(nil, 1000, protowire.BytesType), "future-secret"))
}

// filler puts a marker into every string and bytes field of a message, through all that it holds, and notes which
// markers are secret.
type filler struct {
	secret, open []string
}

func (f *filler) mark(fd protoreflect.FieldDescriptor, path string) string {
	marker := fmt.Sprintf("[%s]", path)
	if options, ok := fd.Options().(*descriptorpb.FieldOptions); ok && options.GetDebugRedact() {
		f.secret = append(f.secret, marker)
	} else {
		f.open = append(f.open, marker)
	}
	return marker
}

func (f *filler) fill(m protoMessage, path string) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		at := path + "." + string(fd.Name())
		switch {
		case fd.IsMap():
			m.Mutable(fd).Map().Set(protoreflect.ValueOfString("key").MapKey(), protoreflect.ValueOfString(f.mark(fd, at)))
		case fd.IsList() && fd.Message() != nil:
			f.fill(m.Mutable(fd).List().AppendMutable().Message(), at+"[0]")
		case fd.IsList() && fd.Kind() == protoreflect.StringKind:
			for range 2 {
				m.Mutable(fd).List().Append(protoreflect.ValueOfString(f.mark(fd, at)))
			}
		case fd.Message() != nil:
			f.fill(m.Mutable(fd).Message(), at)
		case fd.Kind() == protoreflect.StringKind:
			m.Set(fd, protoreflect.ValueOfString(f.mark(fd, at)))
		case fd.Kind() == protoreflect.BytesKind:
			m.Set(fd, protoreflect.ValueOfBytes([]byte(f.mark(fd, at))))
		case fd.Kind() == protoreflect.BoolKind:
			m.Set(fd, protoreflect.ValueOfBool(true))
		}
	}
	unknownField(m)
}

// Threat 139: not one field that is marked secret is printed, in any message of the wire, however deep, and nor is
// what this version does not know; every other field is.
func TestRedactEveryMessage(t *testing.T) {
	messages := pb.File_provider_v1_provider_proto.Messages()
	secrets := 0
	for i := range messages.Len() {
		descriptor := messages.Get(i)
		t.Run(string(descriptor.Name()), func(t *testing.T) {
			var f filler
			m := dynamicpb.NewMessage(descriptor)
			f.fill(m, string(descriptor.Name()))
			before := proto.Clone(m)
			got := sdk.Redact(m)
			for _, marker := range f.secret {
				if strings.Contains(got, marker) {
					t.Errorf("%s is printed", marker)
				}
			}
			for _, marker := range f.open {
				if !strings.Contains(got, marker) {
					t.Errorf("%s is masked, but not secret", marker)
				}
			}
			if strings.Contains(got, "future-secret") {
				t.Error("a field that this version does not know is printed")
			}
			if !proto.Equal(before, m) {
				t.Error("Redact changed its input")
			}
			secrets += len(f.secret)
		})
	}
	if secrets < 50 {
		t.Errorf("only %d secret fields were tried; are the descriptors' options gone?", secrets)
	}
}

// TestRedactKeepsWhatHelps: the keys of a map and the length of a list help to find a fault.
func TestRedactKeepsWhatHelps(t *testing.T) {
	got := sdk.Redact(&pb.ConfigureRequest{Type: "acme", Settings: map[string]string{"client_secret": "hunter2"}})
	if !strings.Contains(got, "client_secret") || strings.Contains(got, "hunter2") {
		t.Errorf("got %s, want the setting's name without its value", got)
	}
	got = sdk.Redact(&pb.User{Groups: []string{"admins", "staff"}})
	if strings.Count(got, "***") != 2 {
		t.Errorf("got %s, want two masked groups", got)
	}
}

// TestSecretFieldsAreMarked: a field whose name says that it is secret carries the mark, also one added tomorrow.
func TestSecretFieldsAreMarked(t *testing.T) {
	suspicious := []string{"token", "secret", "password", "code", "verifier", "nonce", "hint", "state", "email", "sub", "sid", "claims_json"}
	messages := pb.File_provider_v1_provider_proto.Messages()
	for i := range messages.Len() {
		fields := messages.Get(i).Fields()
		for j := range fields.Len() {
			fd := fields.Get(j)
			// A Setting's "secret" is a bool, and tokens in messages are messages with marks of their own.
			if fd.Kind() != protoreflect.StringKind && fd.Kind() != protoreflect.BytesKind {
				continue
			}
			named := slices.ContainsFunc(strings.Split(string(fd.Name()), "_"), func(word string) bool { return slices.Contains(suspicious, word) })
			options, _ := fd.Options().(*descriptorpb.FieldOptions)
			harmless := slices.Contains([]protoreflect.Name{"token_type", "code_challenge", "code_challenge_method"}, fd.Name())
			if named && !harmless && !options.GetDebugRedact() {
				t.Errorf("%s is not marked debug_redact", fd.FullName())
			}
		}
	}
}
