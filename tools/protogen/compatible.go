package main

import (
	"errors"
	"fmt"

	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// compatible finds what a program that was built with the released contract would not
// understand any more, on the wire or as JSON: something that is gone (a field may go
// when its number and name are reserved), renamed, renumbered or of another type.
func compatible(released, files linker.Files) error {
	c := comparer{files: files}
	for _, old := range released {
		c.messages(old.Messages())
		c.enums(old.Enums())
		c.services(old.Services())
	}
	return errors.Join(c.broken...)
}

type comparer struct {
	files  linker.Files
	broken []error
}

func (c *comparer) breaks(format string, args ...any) {
	c.broken = append(c.broken, fmt.Errorf("the contract breaks plugins of earlier releases: "+format, args...))
}

// find returns what has the name today, or nil.
func (c *comparer) find(name protoreflect.FullName) protoreflect.Descriptor {
	for _, file := range c.files {
		if d := file.FindDescriptorByName(name); d != nil {
			return d
		}
	}
	return nil
}

func (c *comparer) messages(old protoreflect.MessageDescriptors) {
	for i := range old.Len() {
		was := old.Get(i)
		is, ok := c.find(was.FullName()).(protoreflect.MessageDescriptor)
		if !ok {
			c.breaks("message %s is gone", was.FullName())
			continue
		}
		c.fields(was, is)
		c.messages(was.Messages())
		c.enums(was.Enums())
	}
}

func (c *comparer) fields(was, is protoreflect.MessageDescriptor) {
	for i := range was.Fields().Len() {
		old := was.Fields().Get(i)
		field := is.Fields().ByNumber(old.Number())
		switch {
		case field == nil && is.ReservedRanges().Has(old.Number()) && is.ReservedNames().Has(old.Name()):
		case field == nil:
			c.breaks("field %s = %d is gone; reserve its number and its name", old.FullName(), old.Number())
		case field.Name() != old.Name() || field.JSONName() != old.JSONName():
			c.breaks("field %s = %d is called %s now", old.FullName(), old.Number(), field.Name())
		case shape(field) != shape(old):
			c.breaks("field %s is %s now, was %s", old.FullName(), shape(field), shape(old))
		}
	}
}

// shape is what of a field matters on the wire and in JSON.
func shape(f protoreflect.FieldDescriptor) string {
	text := f.Cardinality().String() + " " + f.Kind().String()
	if f.HasOptionalKeyword() {
		text += " with presence"
	}
	if one := f.ContainingOneof(); one != nil && !one.IsSynthetic() {
		text += " in oneof " + string(one.Name())
	}
	switch {
	case f.IsMap():
		return fmt.Sprintf("map<%s, %s>", shape(f.MapKey()), shape(f.MapValue()))
	case f.Message() != nil:
		text += " " + string(f.Message().FullName())
	case f.Enum() != nil:
		text += " " + string(f.Enum().FullName())
	}
	return text
}

func (c *comparer) enums(old protoreflect.EnumDescriptors) {
	for i := range old.Len() {
		was := old.Get(i)
		is, ok := c.find(was.FullName()).(protoreflect.EnumDescriptor)
		if !ok {
			c.breaks("enum %s is gone", was.FullName())
			continue
		}
		for j := range was.Values().Len() {
			value := was.Values().Get(j)
			if now := is.Values().ByName(value.Name()); now == nil || now.Number() != value.Number() {
				c.breaks("enum value %s = %d is gone or has another number", value.FullName(), value.Number())
			}
		}
	}
}

func (c *comparer) services(old protoreflect.ServiceDescriptors) {
	for i := range old.Len() {
		was := old.Get(i)
		is, ok := c.find(was.FullName()).(protoreflect.ServiceDescriptor)
		if !ok {
			c.breaks("service %s is gone", was.FullName())
			continue
		}
		for j := range was.Methods().Len() {
			method := was.Methods().Get(j)
			if now := is.Methods().ByName(method.Name()); now == nil || signature(now) != signature(method) {
				c.breaks("method %s is gone or is not %s any more", method.FullName(), signature(method))
			}
		}
	}
}

func signature(m protoreflect.MethodDescriptor) string {
	stream := map[bool]string{true: "stream "}
	return fmt.Sprintf("(%s%s) returns (%s%s)", stream[m.IsStreamingClient()], m.Input().FullName(),
		stream[m.IsStreamingServer()], m.Output().FullName())
}
