package devidp

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

//go:embed assets
var assets embed.FS

// submitScript is the one line of JavaScript of this package: form_post is made
// of it (OAuth 2.0 Form Post Response Mode). Its hash stands in the page's policy.
const submitScript = "document.forms[0].submit()"

// pageSet is the templates, the style sheet and the icon.
type pageSet struct {
	templates *template.Template
	css, icon []byte
}

func newPages() (*pageSet, error) {
	templates, err := template.ParseFS(assets, "assets/*.html")
	if err != nil {
		return nil, fmt.Errorf("devidp: templates: %w", err)
	}
	css, err := assets.ReadFile("assets/style.css")
	if err != nil {
		return nil, fmt.Errorf("devidp: style sheet: %w", err)
	}
	icon, err := assets.ReadFile("assets/icon.svg")
	if err != nil {
		return nil, fmt.Errorf("devidp: icon: %w", err)
	}
	return &pageSet{templates, css, icon}, nil
}

// asset serves what the pages load.
func asset(contentType string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "public, max-age=300")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(body) // a browser that left needs no answer
	}
}

// render writes a page. form-action is left out of the policy on purpose:
// browsers apply it to the redirects that follow a form, and those lead to the
// client and on to wherever it sends the person.
func (s *Server) render(w http.ResponseWriter, status int, name, scripts string, data any) {
	var page bytes.Buffer
	if err := s.pages.templates.ExecuteTemplate(&page, name, data); err != nil {
		http.Error(w, "devidp: page "+name+": "+err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; script-src "+scripts)
	h.Set("Cache-Control", "no-store")
	// Not no-referrer: it would make the Origin of the pages' own forms "null".
	h.Set("Referrer-Policy", "strict-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // a browser that left needs no answer
}

// person is a user as the page shows one.
type person struct {
	Sub, Name, Detail, Initials string
	Colour                      int
	Hinted                      bool
}

// loginPage asks who the person is, or with a session whether the client may know.
func (s *Server) loginPage(w http.ResponseWriter, interaction string, waiting *pending) {
	data := map[string]any{
		"Interaction": interaction, "Client": waiting.client.ID, "Scopes": waiting.scopes, "Consent": waiting.session.sub != "",
	}
	hinted, _ := s.people.hinted(waiting.loginHint)
	if waiting.hintedSub != "" {
		hinted, _ = s.people.bySub(waiting.hintedSub)
	}
	var people []person
	for i, u := range s.people.all() {
		if waiting.session.sub == "" || waiting.session.sub == u.Sub {
			people = append(people, personOf(u, i, u.Sub == hinted.Sub))
		}
	}
	slices.SortStableFunc(people, func(a, b person) int { return rank(a) - rank(b) })
	data["People"] = people
	s.render(w, http.StatusOK, "login.html", "'none'", data)
}

func rank(p person) int {
	if p.Hinted {
		return 0
	}
	return 1
}

func personOf(u User, i int, hinted bool) person {
	p := person{Sub: u.Sub, Name: u.Name, Detail: u.Email, Initials: initials(u), Colour: i % 6, Hinted: hinted}
	if p.Name == "" {
		p.Name = u.Username
	}
	if len(u.Groups) > 0 {
		p.Detail = strings.TrimPrefix(p.Detail+" · "+strings.Join(u.Groups, ", "), " · ")
	}
	return p
}

func initials(u User) string {
	name := u.Name
	if name == "" {
		name = u.Username
	}
	out := ""
	for _, word := range strings.Fields(name) {
		first, _ := utf8.DecodeRuneInString(word)
		out += string(first)
	}
	if utf8.RuneCountInString(out) > 2 {
		out = string([]rune(out)[:2])
	}
	return strings.ToUpper(out)
}

func (s *Server) logoutPage(w http.ResponseWriter, interaction string, waiting *pending) {
	u, _ := s.people.bySub(waiting.session.sub)
	s.render(w, http.StatusOK, "logout.html", "'none'", map[string]any{"Interaction": interaction, "Name": personOf(u, 0, false).Name})
}

func (s *Server) errorPage(w http.ResponseWriter, status int, problem string) {
	s.render(w, status, "message.html", "'none'", map[string]any{"Title": "This cannot be done", "Text": problem})
}

func (s *Server) messagePage(w http.ResponseWriter, title, text string) {
	s.render(w, http.StatusOK, "message.html", "'none'", map[string]any{"Title": title, "Text": text})
}

// field is one hidden input.
type field struct{ Name, Value string }

// formPostPage posts the parameters to the client by itself; the button is for
// browsers without JavaScript.
func (s *Server) formPostPage(w http.ResponseWriter, action string, params url.Values) {
	var fields []field
	for _, name := range slices.Sorted(maps.Keys(params)) {
		for _, value := range params[name] {
			fields = append(fields, field{name, value})
		}
	}
	sum := sha256.Sum256([]byte(submitScript))
	s.render(w, http.StatusOK, "formpost.html", "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'",
		map[string]any{"Action": action, "Fields": fields, "Script": template.JS(submitScript)})
}

// home says what this is and where clients find it.
func (s *Server) home(w http.ResponseWriter, _ *http.Request) {
	var issuers []field
	for _, m := range s.mounts {
		if path, ok := m.Paths[EndpointDiscovery]; ok {
			issuers = append(issuers, field{m.Name, s.base + m.Prefix + path})
		}
	}
	s.render(w, http.StatusOK, "home.html", "'none'", map[string]any{"Issuers": issuers, "People": s.people.all()})
}

// avatar draws a user's initials.
func (s *Server) avatar(w http.ResponseWriter, r *http.Request) {
	u, ok := s.people.find(r.PathValue("username"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	var text bytes.Buffer
	template.HTMLEscape(&text, []byte(initials(u)))
	h := w.Header()
	h.Set("Content-Type", "image/svg+xml")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
	hue := strconv.FormatInt(u.GitHubID*67%360, 10)
	_, _ = fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96"><rect width="96" height="96" fill="hsl(%s 45%% 42%%)"/>`+
		`<text x="48" y="60" font-family="system-ui,sans-serif" font-size="36" text-anchor="middle" fill="#fff">%s</text></svg>`, hue, text.String())
}
