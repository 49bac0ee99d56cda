package web

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"
)

//go:embed templates/*.tmpl
var templateFiles embed.FS

// ErrSite is wrapped by the errors of [New].
var ErrSite = errors.New("web: site cannot be used")

// Site is what all pages of one authd have in common.
type Site struct {
	// Title is the heading of the login page (login.title); empty means "Sign in".
	Title string
	// Logo is shown above the heading of the small pages: a path on authd's own
	// origin, an http(s) URL of the same origin (the policy loads nothing from
	// elsewhere), or a data:image/ URI. Empty means authd's own mark.
	Logo string
	// ProductName stands in the browser's title bar and above the wide pages;
	// empty means "authd".
	ProductName string
}

// Page is one page that [Pages.Render] can write: [Login], [Account],
// [LogoutConfirm], [SignedOut], [Error], [FormPost] or [Demo], as a value.
type Page interface {
	name() string                 // file in templates/, without .tmpl
	title(t texts, s Site) string // for the browser's title bar
}

// Pages are the parsed templates. They do not change after [New] and may be
// used by many goroutines at once.
type Pages struct {
	site      Site
	origin    string // of authd, for pages on the address of another site; empty: they are on authd's own
	logo      template.URL
	text      texts
	templates map[string]*template.Template // Page.name → layout with that page in it
	now       func() time.Time
}

// view is what a template sees.
type view struct {
	Site       Site
	Logo       template.URL
	T          texts
	Title      string
	Stylesheet string // path
	Favicon    string // path
	Page       Page
}

// New checks site, fills its gaps with defaults and parses all templates.
// Its error wraps [ErrSite] when site is at fault.
func New(site Site) (*Pages, error) {
	p := &Pages{site: site, text: english, now: time.Now}
	if p.site.Title == "" {
		p.site.Title = p.text.SignIn
	}
	if p.site.ProductName == "" {
		p.site.ProductName = "authd"
	}
	logo, err := checkLogo(site.Logo)
	if err != nil {
		return nil, err
	}
	p.logo = logo
	layout, err := template.New("layout").Funcs(p.funcs()).ParseFS(templateFiles, "templates/layout.tmpl")
	if err != nil {
		return nil, fmt.Errorf("web: layout: %w", err)
	}
	p.templates = make(map[string]*template.Template)
	for _, page := range []Page{Login{}, Account{}, LogoutConfirm{}, SignedOut{}, Error{}, FormPost{}, Demo{}} {
		t, err := layout.Clone()
		if err != nil {
			return nil, fmt.Errorf("web: layout: %w", err)
		}
		if _, err = t.ParseFS(templateFiles, "templates/"+page.name()+".tmpl"); err != nil {
			return nil, fmt.Errorf("web: page %s: %w", page.name(), err)
		}
		p.templates[page.name()] = t
	}
	return p, nil
}

// For returns the same pages for the address of another site: they load their
// style and images from origin, which is authd's own, such as
// "https://auth.example.com".
func (p *Pages) For(origin string) *Pages {
	other := *p
	other.origin = origin
	if strings.HasPrefix(string(p.logo), "/") {
		other.logo = template.URL(origin) + p.logo // #nosec G203: a path, and the operator's own origin
	}
	return &other
}

// Render writes page as a whole HTML document, UTF-8. When it fails before the
// first byte (no page, a template error) nothing is written, so that the caller
// can still answer with something else; other errors are those of w.
func (p *Pages) Render(w io.Writer, page Page) error {
	if page == nil {
		return errors.New("web: no page to render")
	}
	t, ok := p.templates[page.name()]
	if !ok {
		return fmt.Errorf("web: page %q is not known", page.name())
	}
	var b bytes.Buffer
	err := t.ExecuteTemplate(&b, "layout.tmpl", view{
		Site: p.site, Logo: p.logo, T: p.text, Title: page.title(p.text, p.site), Page: page,
		Stylesheet: p.origin + AssetsPath + stylesheetName, Favicon: p.origin + AssetsPath + faviconName,
	})
	if err != nil {
		return fmt.Errorf("web: page %s: %w", page.name(), err)
	}
	if _, err := b.WriteTo(w); err != nil {
		return fmt.Errorf("web: page %s: write: %w", page.name(), err)
	}
	return nil
}

// checkLogo says how the logo is written into <img src>.
func checkLogo(logo string) (template.URL, error) {
	switch {
	case logo == "":
		return template.URL(AssetsPath + faviconName), nil
	case strings.ContainsAny(logo, "\\ \t\r\n\"'<>"):
		return "", fmt.Errorf("%w: the logo's address holds a space, a quote or a backslash; write them percent-encoded", ErrSite)
	case strings.HasPrefix(logo, "/") && !strings.HasPrefix(logo, "//"),
		strings.HasPrefix(logo, "https://"), strings.HasPrefix(logo, "http://"),
		strings.HasPrefix(logo, "data:image/"):
		return template.URL(logo), nil // #nosec G203: its scheme was just checked
	}
	return "", fmt.Errorf("%w: the logo must be a path such as /logo.svg, an http(s) URL or a data:image/ URI", ErrSite)
}
