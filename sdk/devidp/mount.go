package devidp

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Names of the endpoints: for Fault, Requests and Mount.Paths.
const (
	EndpointDiscovery  = "discovery"
	EndpointAuthorize  = "authorize"
	EndpointToken      = "token"
	EndpointUserInfo   = "userinfo"
	EndpointJWKS       = "jwks"
	EndpointRevoke     = "revoke"
	EndpointIntrospect = "introspect"
	EndpointEndSession = "end_session"

	EndpointGitHubAuthorize = "github_authorize"
	EndpointGitHubToken     = "github_token"
	EndpointGitHubUser      = "github_user"
	EndpointGitHubEmails    = "github_emails"
	EndpointGitHubOrgs      = "github_orgs"
	EndpointGitHubTeams     = "github_teams"
	EndpointGitHubRevoke    = "github_revoke"

	// EndpointLogin is where the pages post to; it belongs to no mount.
	EndpointLogin = "login"
	// EndpointTrap is an address that no honest client ever asks: redirects and
	// jku headers of faults may point at it. See Server.TrapURL.
	EndpointTrap = "trap"
)

// Mount is one vendor's face of the provider: its issuer and the paths of its
// endpoints. Paths may hold {names} for one segment; {client_id} is the client's
// id wherever the path itself does not say it.
type Mount struct {
	Name   string            // for people: unique
	Prefix string            // put before every path, e.g. "/realms/{realm}"
	Issuer string            // the issuer's path; "" = Prefix
	Paths  map[string]string // endpoint name → path; an endpoint without a path is not served

	JWTAccessToken bool // access tokens are JWTs, as Keycloak's; else opaque
	RefreshAlways  bool // as Options.RefreshAlways, here alone
	Azp            bool // as Options.Azp, here alone

	// Claims adds vendor claims to what the user's own fields say; a member set
	// to nil is left out of the answer. It must not change its input.
	Claims func(ClaimsInput) map[string]any

	exact string // the whole issuer, where it is not base + Issuer
}

// ClaimsInput is what Mount.Claims is asked about.
type ClaimsInput struct {
	User   User
	Client Client
	Scopes []string
	Place  string // PlaceIDToken, PlaceAccessToken or PlaceUserInfo
}

// Where claims are put.
const (
	PlaceIDToken     = "id_token"
	PlaceAccessToken = "access_token"
	PlaceUserInfo    = "userinfo"
)

// endpoint is what serves one endpoint name.
type endpoint func(s *Server, w http.ResponseWriter, c *call)

// endpoints lists everything a mount can serve.
func endpoints() map[string]endpoint {
	return map[string]endpoint{
		EndpointDiscovery:       (*Server).discovery,
		EndpointAuthorize:       (*Server).authorize,
		EndpointToken:           (*Server).token,
		EndpointUserInfo:        (*Server).userInfo,
		EndpointJWKS:            (*Server).jwks,
		EndpointRevoke:          (*Server).revoke,
		EndpointIntrospect:      (*Server).introspect,
		EndpointEndSession:      (*Server).endSession,
		EndpointGitHubAuthorize: (*Server).authorize,
		EndpointGitHubToken:     (*Server).githubToken,
		EndpointGitHubUser:      (*Server).githubUser,
		EndpointGitHubEmails:    (*Server).githubEmails,
		EndpointGitHubOrgs:      (*Server).githubOrgs,
		EndpointGitHubTeams:     (*Server).githubTeams,
		EndpointGitHubRevoke:    (*Server).githubRevoke,
	}
}

// mount builds the routes: what belongs to no vendor, the built-in vendors, and
// the ones of the options.
func (s *Server) mount(prefix string) (http.Handler, error) {
	own := http.NewServeMux()
	own.Handle("/-/login", s.route(nil, EndpointLogin, (*Server).decide))
	own.Handle("/-/trap", s.route(nil, EndpointTrap, (*Server).trap))
	own.Handle("GET /-/style.css", asset("text/css; charset=utf-8", s.pages.css))
	own.Handle("GET /-/icon.svg", asset("image/svg+xml", s.pages.icon))
	own.HandleFunc("GET /-/avatar/{username}", s.avatar)
	own.HandleFunc("GET /{$}", s.home)
	all := muxes{own}
	s.mounts = builtIn(prefix, s.issuer)
	for _, m := range s.opt.Mounts {
		s.mounts = append(s.mounts, &m)
	}
	taken := map[string]string{}
	for _, m := range s.mounts {
		for name, path := range m.Paths {
			if other, clash := taken[m.Prefix+path]; clash {
				return nil, fmt.Errorf("devidp: mount %s: %s is the path %s of mount %s already; give every mount paths of its own", m.Name, name, m.Prefix+path, other)
			}
			taken[m.Prefix+path] = m.Name
		}
		mux, err := s.mountOne(m)
		if err != nil {
			return nil, err
		}
		all = append(all, mux)
	}
	return all, nil
}

// mountOne builds the routes of one vendor.
func (s *Server) mountOne(m *Mount) (mux *http.ServeMux, err error) {
	// ServeMux panics at a pattern it cannot take; here patterns are data of the caller.
	defer func() {
		if refused := recover(); refused != nil {
			err = fmt.Errorf("devidp: mount %s: %v", m.Name, refused)
		}
	}()
	mux = http.NewServeMux()
	known := endpoints()
	for name, path := range m.Paths {
		serve, ok := known[name]
		if !ok {
			return nil, fmt.Errorf("devidp: mount %s: no endpoint is called %q; use one of %s",
				m.Name, name, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
		mux.Handle(m.Prefix+path, s.route(m, name, serve))
	}
	return mux, nil
}

// muxes asks one mux after the other. In a single one the {names} of different
// vendors would clash: /{tenant}/v2.0/x and /realms/{realm}/x are both right.
type muxes []*http.ServeMux

// ServeHTTP serves a request with the first mux that knows its path.
func (all muxes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, mux := range all {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
	}
	http.NotFound(w, r)
}

// route is the way of every request: it is recorded, a fault is looked up, and
// the fault spoils what the endpoint would have done.
func (s *Server) route(m *Mount, name string, serve endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := newCall(m, name, r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.requests.add(c)
		c.fault, _ = s.faults.take(c, atArrival)
		s.spoil(w, c, func(w http.ResponseWriter) { serve(s, w, c) })
	})
}

// issuerOf is the issuer under which a request is answered. clientID fills
// {client_id} where the path does not.
func (s *Server) issuerOf(m *Mount, r *http.Request, clientID string) string {
	if m.exact != "" {
		return m.exact
	}
	path := m.Issuer
	if path == "" {
		path = m.Prefix
	}
	return s.base + fill(path, r, clientID)
}

// realmOf tells the sessions of one vendor's realms apart.
func (m *Mount) realmOf(r *http.Request) string { return m.Name + "|" + fill(m.Prefix, r, "") }

// urlOf is the address of an endpoint of the mount, or "" where it has none.
func (s *Server) urlOf(m *Mount, name string, r *http.Request, clientID string) string {
	path, ok := m.Paths[name]
	if !ok {
		return ""
	}
	return s.base + fill(m.Prefix+path, r, clientID)
}

// EndpointURL is the address of an endpoint of the main provider or, for the
// github_ names, of the GitHub-style one. {names} in it stay as they are.
func (s *Server) EndpointURL(name string) string {
	for _, m := range s.mounts {
		if path, ok := m.Paths[name]; ok {
			return s.base + m.Prefix + path
		}
	}
	return ""
}

// TrapURL is EndpointTrap under another origin than URL (another host name of
// the same loopback address): where nothing secret may ever be sent.
func (s *Server) TrapURL() string {
	u, err := url.Parse(s.base + "/-/trap")
	if err != nil {
		return s.base + "/-/trap"
	}
	host := "localhost"
	if u.Hostname() == host {
		host = "127.0.0.1"
	}
	if port := u.Port(); port != "" {
		host += ":" + port
	}
	u.Host = host
	return u.String()
}

// placeholder is one {name} of a path.
var placeholder = regexp.MustCompile(`\{[a-z_]+\}`)

func fill(path string, r *http.Request, clientID string) string {
	return placeholder.ReplaceAllStringFunc(path, func(hole string) string {
		name := strings.Trim(hole, "{}")
		value := r.PathValue(name)
		if value == "" && name == "client_id" {
			value = clientID
		}
		return url.PathEscape(value)
	})
}
