package web

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

const svgOpen = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">`

func TestIconDataURIKeepsEveryByte(t *testing.T) {
	for _, svg := range []string{
		svgOpen + `<path d="M0 0"/></svg>`,
		`<?xml version="1.0" encoding="UTF-8"?>` + "\n<!-- drawn by hand -->\n" + svgOpen + `</svg>`,
		`<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">` + svgOpen + `</svg>`,
		`<s:svg xmlns:s="http://www.w3.org/2000/svg"/>`,
		svgOpen + `<style>.a{fill:url(#g)}</style><use href="#g"/><g fill="url('#g')"/></svg>`,
		svgOpen + `<image href="data:image/png;base64,iVBORw0KGgo="/></svg>`,
		svgOpen + `<title>Größe &amp; Co</title></svg>`,
		svgOpen + strings.Repeat(" ", MaxIcon-len(svgOpen)-len("</svg>")) + `</svg>`,
	} {
		uri, err := IconDataURI([]byte(svg))
		if err != nil {
			t.Errorf("%.90s: %v", svg, err)
			continue
		}
		data, ok := strings.CutPrefix(string(uri), "data:image/svg+xml;base64,")
		back, err := base64.StdEncoding.DecodeString(data)
		if !ok || err != nil || string(back) != svg {
			t.Errorf("%.90s: comes back as %.90s (%v)", svg, back, err)
		}
	}
}

// Threat 67: what a plugin sends as its icon is a stranger's document.
func TestIconDataURIRefuses(t *testing.T) {
	const end = `</svg>`
	for name, svg := range map[string]string{
		"nothing":             "",
		"text":                "just words",
		"a PNG":               "\x89PNG\r\n\x1a\n\x00\x00",
		"HTML":                `<html><body><svg xmlns="http://www.w3.org/2000/svg"/></body></html>`,
		"no namespace":        `<svg viewBox="0 0 1 1"></svg>`,
		"another namespace":   `<svg xmlns="http://www.w3.org/1999/xhtml"></svg>`,
		"broken off":          svgOpen + `<path`,
		"left open":           svgOpen,
		"crossed":             svgOpen + `<g></svg></g>`,
		"not UTF-8":           svgOpen + "\xff\xfe" + end,
		"another charset":     `<?xml version="1.0" encoding="UTF-7"?>` + svgOpen + end,
		"one byte too many":   svgOpen + strings.Repeat(" ", MaxIcon+1-len(svgOpen)-len(end)) + end,
		"script":              svgOpen + `<script>alert(1)</script>` + end,
		"script, capitals":    svgOpen + `<SCRIPT/>` + end,
		"script, prefixed":    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:s="http://www.w3.org/2000/svg"><s:script/></svg>`,
		"script behind":       svgOpen + end + `<script xmlns="http://www.w3.org/2000/svg"/>`,
		"HTML inside":         svgOpen + `<foreignObject><body xmlns="http://www.w3.org/1999/xhtml"/></foreignObject>` + end,
		"event handler":       svgOpen + `<path onclick="alert(1)"/>` + end,
		"event on the root":   `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`,
		"event by animation":  svgOpen + `<set attributeName="onclick" to="alert(1)"/>` + end,
		"link by animation":   svgOpen + `<animate attributeName="xlink:href" to="javascript:alert(1)"/>` + end,
		"link":                svgOpen + `<a href="javascript:alert(1)"/>` + end,
		"link, xlink":         `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"><use xlink:href="https://evil.example/x.svg#a"/></svg>`,
		"link, spaces before": svgOpen + `<a href="&#9; javascript:alert(1)"/>` + end,
		"nested SVG":          svgOpen + `<image href="data:image/svg+xml;base64,PHN2Zy8+"/>` + end,
		"style import":        svgOpen + `<style>@import "https://evil.example/a.css";</style>` + end,
		"style url":           svgOpen + `<style>*{fill:URL( 'https://evil.example/a')}</style>` + end,
		"second url":          svgOpen + `<g style="fill:url(#a);mask:url(//evil.example)"/>` + end,
		"style attribute":     svgOpen + `<g fill="url(https://evil.example)"/>` + end,
		"stylesheet":          `<?xml-stylesheet href="https://evil.example/a.css"?>` + svgOpen + end,
		"entities":            `<!DOCTYPE svg [<!ENTITY a "aaaa">]>` + svgOpen + end,
		"unknown entity":      svgOpen + `&boom;` + end,
	} {
		uri, err := IconDataURI([]byte(svg))
		if !errors.Is(err, ErrIcon) || uri != "" {
			t.Errorf("%s: got %.60q, error %v; want ErrIcon", name, uri, err)
		}
	}
}

func FuzzIconDataURI(f *testing.F) {
	f.Add([]byte(svgOpen + `<path d="M0 0"/></svg>`))
	f.Add([]byte(svgOpen + `<a href="#x" style="fill:url(#a)"/></svg>`))
	f.Fuzz(func(t *testing.T, svg []byte) {
		uri, err := IconDataURI(svg)
		if (err == nil) != (uri != "") {
			t.Errorf("uri %.60q with error %v", uri, err)
		}
		lower := strings.ToLower(string(svg))
		if err == nil && (strings.Contains(lower, "<script") || !strings.Contains(lower, "svg")) &&
			!strings.Contains(lower, "<!--") && !strings.Contains(lower, "<![cdata[") && !strings.Contains(lower, "<?xml") && !strings.Contains(lower, "<!doctype") {
			t.Errorf("%.200q passes", svg)
		}
	})
}
