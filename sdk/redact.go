package sdk

import (
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Redact prints a message of the wire for a log, with every field that is marked debug_redact masked. Go's own
// printers ignore that mark. Fields that this version does not know may be secret, so they are left out.
func Redact(m proto.Message) string {
	clone := proto.Clone(m)
	redact(clone.ProtoReflect())
	return prototext.MarshalOptions{}.Format(clone)
}

func redact(m protoreflect.Message) {
	m.SetUnknown(nil)
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case isSecret(fd):
			mask(m, fd, v)
		case fd.IsMap():
			if fd.MapValue().Message() != nil {
				v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool { redact(v.Message()); return true })
			}
		case fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				redact(v.List().Get(i).Message())
			}
		default:
			redact(v.Message())
		}
		return true
	})
}

func isSecret(fd protoreflect.FieldDescriptor) bool {
	options, ok := fd.Options().(*descriptorpb.FieldOptions)
	return ok && options.GetDebugRedact()
}

// mask keeps the keys of a map and the length of a list, since both help to find a fault.
func mask(m protoreflect.Message, fd protoreflect.FieldDescriptor, v protoreflect.Value) {
	const masked = "***"
	switch {
	case fd.IsMap() && fd.MapValue().Kind() == protoreflect.StringKind:
		v.Map().Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
			v.Map().Set(k, protoreflect.ValueOfString(masked))
			return true
		})
	case fd.IsList() && fd.Kind() == protoreflect.StringKind:
		for i := range v.List().Len() {
			v.List().Set(i, protoreflect.ValueOfString(masked))
		}
	case fd.IsList() || fd.IsMap():
		m.Clear(fd)
	case fd.Kind() == protoreflect.StringKind:
		m.Set(fd, protoreflect.ValueOfString(masked))
	case fd.Kind() == protoreflect.BytesKind:
		m.Set(fd, protoreflect.ValueOfBytes([]byte(masked)))
	default:
		m.Clear(fd)
	}
}
