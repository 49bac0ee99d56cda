package web

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"io"
	"strings"
)

// MaxIcon is the largest SVG, in bytes, that [IconDataURI] takes.
const MaxIcon = 32 << 10

const (
	svgDataPrefix = "data:image/svg+xml;base64,"
	svgNamespace  = "http://www.w3.org/2000/svg"
)

// ErrIcon is wrapped by the errors of [IconDataURI].
var ErrIcon = errors.New("icon cannot be used")

// marks names the file in icons/ for each provider type that has one.
var marks = map[string]string{
	"auth0":           "auth0",
	"aws-cognito":     "people",
	"azure":           "building",
	"azure-ad":        "building",
	"azure-ad-hybrid": "building",
	"azurev2":         "building",
	"bitbucket":       "bitbucket",
	"descope":         "shield",
	"discord":         "discord",
	"entra":           "building",
	"code":            "key",
	"generic":         "key",
	"github":          "github",
	"gitlab":          "gitlab",
	"google":          "google",
	"keycloak":        "keycloak",
	"ldap":            "people",
	"microsoft":       "building",
	"oauth2":          "key",
	"oidc":            "openid",
	"okta":            "okta",
	"openid":          "openid",
	"password":        "person",
	"users":           "person",
}

// Icon returns the built-in mark of a provider type as SVG; ok is false when
// there is none. The slice is the caller's own.
func Icon(typeName string) (svg []byte, ok bool) {
	mark, ok := marks[typeName]
	if !ok {
		return nil, false
	}
	svg, err := iconFiles.ReadFile("icons/" + mark + ".svg")
	return svg, err == nil
}

// IconAsset returns the name under which [Asset] has the built-in mark of a
// provider type.
func IconAsset(typeName string) (name string, ok bool) {
	mark, ok := marks[typeName]
	if !ok {
		return "", false
	}
	return iconPrefix + mark + ".svg", true
}

// IconDataURI checks an SVG, which may come from a plugin that nobody here
// wrote, and returns it as the src of an <img>: there a browser runs no script
// and loads nothing. It wants well-formed UTF-8 XML with an <svg> root in the SVG
// namespace, at most [MaxIcon] bytes. Because the URI is also published for
// other login pages to use, it refuses what would be active if they inlined it:
// scripts, foreign objects, event handlers, entities, and links to anything
// outside the file. The error wraps [ErrIcon].
func IconDataURI(svg []byte) (template.URL, error) {
	if len(svg) > MaxIcon {
		return "", fmt.Errorf("%w: it has %d bytes; at most %d are taken", ErrIcon, len(svg), MaxIcon)
	}
	if err := checkSVG(svg); err != nil {
		return "", fmt.Errorf("%w: %w", ErrIcon, err)
	}
	return template.URL(svgDataPrefix + base64.StdEncoding.EncodeToString(svg)), nil // #nosec G203: fixed type, base64
}

// checkSVG walks through the whole document, so that one that breaks off or
// hides something after its end does not pass.
func checkSVG(svg []byte) error {
	d := xml.NewDecoder(bytes.NewReader(svg))
	root := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) && root {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return errors.New("it holds no <svg> element")
		}
		if err != nil {
			return fmt.Errorf("it is not well-formed XML: %w", err)
		}
		if t, ok := token.(xml.StartElement); ok && !root {
			if t.Name.Local != "svg" || t.Name.Space != svgNamespace {
				return fmt.Errorf("its root must be <svg xmlns=%q>", svgNamespace)
			}
			root = true
		}
		if err := checkToken(token); err != nil {
			return err
		}
	}
}

// checkToken refuses what would be active outside an <img>.
func checkToken(token xml.Token) error {
	switch t := token.(type) {
	case xml.ProcInst:
		if t.Target != "xml" {
			return fmt.Errorf("it holds the processing instruction <?%s?>; remove it", t.Target)
		}
	case xml.Directive:
		if bytes.Contains(bytes.ToUpper(t), []byte("ENTITY")) {
			return errors.New("it declares entities; remove them")
		}
	case xml.CharData:
		if outside(string(t)) {
			return errors.New("its style loads something from outside; only its own parts may be named")
		}
	case xml.StartElement:
		switch strings.ToLower(t.Name.Local) {
		case "script", "foreignobject", "iframe", "object", "embed":
			return fmt.Errorf("it holds <%s>; remove it", t.Name.Local)
		}
		return checkAttributes(t.Attr)
	}
	return nil
}

func checkAttributes(attrs []xml.Attr) error {
	for _, a := range attrs {
		name, value := strings.ToLower(a.Name.Local), strings.ToLower(strings.TrimSpace(a.Value))
		switch {
		case strings.HasPrefix(name, "on"), name == "attributename" && strings.HasPrefix(value, "on"):
			return fmt.Errorf("it holds the event handler %s; remove it", a.Name.Local)
		case name == "attributename" && strings.HasSuffix(value, "href"),
			name == "href" && !strings.HasPrefix(value, "#") && !embedded(value),
			outside(value):
			return fmt.Errorf("its attribute %s leads outside; only its own parts may be named", a.Name.Local)
		}
	}
	return nil
}

// embedded reports whether a link holds a bitmap itself.
func embedded(value string) bool {
	return strings.HasPrefix(value, "data:image/png;base64,") || strings.HasPrefix(value, "data:image/jpeg;base64,")
}

// outside reports whether CSS in s names anything but a part of its own file.
func outside(s string) bool {
	s = strings.ToLower(s)
	if strings.Contains(s, "@import") {
		return true
	}
	for {
		_, after, found := strings.Cut(s, "url(")
		if !found {
			return false
		}
		if !strings.HasPrefix(strings.TrimLeft(after, " \t\r\n'\""), "#") {
			return true
		}
		s = after
	}
}
