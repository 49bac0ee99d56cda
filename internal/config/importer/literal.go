package importer

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// maxDepth bounds how deep lists and dictionaries may stand in one another.
const maxDepth = 8

var (
	errLiteral = errors.New("is not a Python literal")
	pyNumber   = regexp.MustCompile(`^[+-]?[0-9][0-9_]*(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?`)
	pyConstant = regexp.MustCompile(`^(?:True|False|None|true|false|null)\b`)
)

// pyPair is one element of a dictionary, whose order is kept.
type pyPair struct {
	key   string
	value any
}

// pyDict reads the Python dictionary that Panel takes for its extra parameters. Values are string, []any or []pyPair;
// numbers and constants are given as they are written in JSON.
func pyDict(text string) ([]pyPair, error) {
	p := pyParser{rest: text}
	value, err := p.value(0)
	if err != nil {
		return nil, err
	}
	p.space()
	dict, ok := value.([]pyPair)
	if !ok || p.rest != "" {
		return nil, errLiteral
	}
	return dict, nil
}

type pyParser struct{ rest string }

func (p *pyParser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

func (p *pyParser) eat(token string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *pyParser) value(depth int) (any, error) {
	p.space()
	if p.rest == "" || depth > maxDepth {
		return nil, errLiteral
	}
	switch c := p.rest[0]; {
	case p.eat("{"):
		return p.dict(depth)
	case p.eat("["):
		return p.list("]", depth)
	case p.eat("("):
		return p.list(")", depth)
	case c == '\'' || c == '"':
		return p.text()
	}
	if constant := pyConstant.FindString(p.rest); constant != "" {
		p.rest = p.rest[len(constant):]
		return map[string]string{"true": "true", "false": "false"}[strings.ToLower(constant)], nil
	}
	number := pyNumber.FindString(p.rest)
	if number == "" {
		return nil, errLiteral
	}
	p.rest = p.rest[len(number):]
	return strings.ReplaceAll(number, "_", ""), nil
}

func (p *pyParser) dict(depth int) (any, error) {
	dict := []pyPair{}
	for !p.eat("}") {
		if len(dict) > 0 && !p.eat(",") {
			return nil, errLiteral
		}
		if p.eat("}") {
			break
		}
		p.space()
		key, err := p.text()
		if err != nil || !p.eat(":") {
			return nil, errLiteral
		}
		value, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		dict = append(dict, pyPair{key, value})
	}
	return dict, nil
}

func (p *pyParser) list(closing string, depth int) (any, error) {
	list := []any{}
	for !p.eat(closing) {
		if len(list) > 0 && !p.eat(",") {
			return nil, errLiteral
		}
		if p.eat(closing) {
			break
		}
		value, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	return list, nil
}

// text reads a string in either kind of quotes.
func (p *pyParser) text() (string, error) {
	if p.rest == "" || (p.rest[0] != '\'' && p.rest[0] != '"') {
		return "", errLiteral
	}
	quote := p.rest[0]
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '\\' && i+1 < len(p.rest):
			i++
			switch p.rest[i] {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			case '\\', '\'', '"', '/':
				b.WriteByte(p.rest[i])
			default:
				return "", fmt.Errorf("%w: it has an escape that is not known here", errLiteral)
			}
		case c == quote:
			p.rest = p.rest[i+1:]
			return b.String(), nil
		default:
			b.WriteByte(c)
		}
	}
	return "", errLiteral
}
