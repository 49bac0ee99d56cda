package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"strings"
)

//go:embed static/authd.css
var stylesheet string

//go:embed static/favicon.svg
var favicon string

//go:embed icons/*.svg
var iconFiles embed.FS

// AssetsPath is the path under which the pages expect the files of [Asset].
const AssetsPath = "/auth/assets/"

const (
	faviconName = "favicon.svg"
	iconPrefix  = "icon-" // Asset name of a mark: icon-github.svg
	svgType     = "image/svg+xml"
)

// stylesheetName changes with every change of the file, so that browsers may
// keep it for ever and still see the next one at once.
var stylesheetName = "authd." + contentHash(stylesheet) + ".css"

func contentHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:6])
}

// Stylesheet returns the one stylesheet and its name, which holds a hash of its
// content: "authd.3fa1c2….css". It may be cached without end.
func Stylesheet() (name string, body []byte) { return stylesheetName, []byte(stylesheet) }

// Asset returns the file that pages link to as [AssetsPath] + name: the
// stylesheet, "favicon.svg", or a mark as named by [IconAsset]. The slice is the
// caller's own. An unknown name, or the stylesheet's with an old hash, is not ok.
func Asset(name string) (body []byte, contentType string, ok bool) {
	switch name {
	case stylesheetName:
		return []byte(stylesheet), "text/css; charset=utf-8", true
	case faviconName:
		return []byte(favicon), svgType, true
	}
	mark, ok := strings.CutPrefix(name, iconPrefix)
	if !ok || strings.ContainsAny(mark, `/\`) {
		return nil, "", false
	}
	body, err := iconFiles.ReadFile("icons/" + mark)
	if err != nil {
		return nil, "", false
	}
	return body, svgType, true
}
