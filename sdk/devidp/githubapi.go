package devidp

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// githubCaller is who a GitHub API call speaks for. ok is false when the answer
// has been written already.
func (s *Server) githubCaller(w http.ResponseWriter, c *call) (gr *grant, u User, ok bool) {
	if !c.method(w, http.MethodGet, http.MethodHead) {
		return nil, User{}, false
	}
	if c.r.UserAgent() == "" {
		githubProblem(w, http.StatusForbidden, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.")
		return nil, User{}, false
	}
	scheme, token, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	if token == "" {
		githubProblem(w, http.StatusUnauthorized, "Requires authentication")
		return nil, User{}, false
	}
	if strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "token") {
		if gr, ok = s.grants.accessGrant(strings.TrimSpace(token)); ok && gr.mount == c.mount {
			u, ok = s.people.bySub(gr.sub)
		} else {
			ok = false
		}
	}
	if !ok {
		githubProblem(w, http.StatusUnauthorized, "Bad credentials")
		return nil, User{}, false
	}
	w.Header().Set("X-OAuth-Scopes", strings.Join(gr.scopes, ", "))
	return gr, u, true
}

// githubProblem is an error as GitHub's API writes it.
func githubProblem(w http.ResponseWriter, status int, message string) {
	writeJSON(w, status, map[string]any{
		"message": message, "documentation_url": "https://docs.github.com/rest", "status": strconv.Itoa(status),
	})
}

// githubUser is GET /user. The e-mail address is the public one only.
func (s *Server) githubUser(w http.ResponseWriter, c *call) {
	_, u, ok := s.githubCaller(w, c)
	if !ok {
		return
	}
	if c.fault.has(FlawOtherUser) {
		u = s.people.other(u.Sub)
	}
	body := map[string]any{
		"login": u.Username, "id": u.GitHubID, "node_id": fmt.Sprintf("MDQ6VXNlcjE%d", u.GitHubID),
		"avatar_url": u.Picture, "html_url": s.base + "/-/people/" + url.PathEscape(u.Username), "type": "User", "site_admin": false,
		"name": orNull(u.Name), "email": nil, "company": nil, "location": nil, "bio": nil,
	}
	if !u.EmailPrivate {
		body["email"] = orNull(u.Email)
	}
	addClaims(body, u.Claims)
	if c.fault.has(FlawNoSub) {
		delete(body, "id")
	}
	s.writeObject(w, c, http.StatusOK, body)
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// githubEmails is GET /user/emails, for the scopes user:email and user.
func (s *Server) githubEmails(w http.ResponseWriter, c *call) {
	gr, u, ok := s.githubCaller(w, c)
	if !ok || !githubScope(w, gr, http.StatusNotFound, "user:email", "user") {
		return
	}
	emails := u.GitHubEmails
	if emails == nil && u.Email != "" {
		emails = []GitHubEmail{{Email: u.Email, Primary: true, Verified: u.EmailVerified}}
	}
	var out []any
	for _, one := range emails {
		entry := map[string]any{"email": one.Email, "primary": one.Primary, "verified": one.Verified, "visibility": nil}
		if one.Primary {
			entry["visibility"] = "public"
			if u.EmailPrivate {
				entry["visibility"] = "private"
			}
		}
		out = append(out, entry)
	}
	s.githubList(w, c, out)
}

// githubOrgs is GET /user/orgs, for the scopes read:org and user.
func (s *Server) githubOrgs(w http.ResponseWriter, c *call) {
	gr, u, ok := s.githubCaller(w, c)
	if !ok || !githubScope(w, gr, http.StatusForbidden, "read:org", "write:org", "admin:org", "user") {
		return
	}
	var out []any
	for i, org := range u.GitHubOrgs {
		out = append(out, map[string]any{"login": org, "id": 500 + i, "description": nil})
	}
	s.githubList(w, c, out)
}

// githubTeams is GET /user/teams, for the scopes read:org, user and repo.
func (s *Server) githubTeams(w http.ResponseWriter, c *call) {
	gr, u, ok := s.githubCaller(w, c)
	if !ok || !githubScope(w, gr, http.StatusForbidden, "read:org", "write:org", "admin:org", "user", "repo") {
		return
	}
	var out []any
	for i, team := range u.GitHubTeams {
		out = append(out, map[string]any{
			"id": 700 + i, "slug": team.Slug, "name": team.Name, "privacy": "closed",
			"organization": map[string]any{"login": team.Org},
		})
	}
	s.githubList(w, c, out)
}

func githubScope(w http.ResponseWriter, gr *grant, refusal int, anyOf ...string) bool {
	w.Header().Set("X-Accepted-OAuth-Scopes", strings.Join(anyOf, ", "))
	if slices.ContainsFunc(gr.scopes, func(scope string) bool { return slices.Contains(anyOf, scope) }) {
		return true
	}
	message := "Not Found"
	if refusal == http.StatusForbidden {
		message = "You need at least " + anyOf[0] + " scope to list this."
	}
	githubProblem(w, refusal, message)
	return false
}

// githubList answers with one page of a list: 30 entries unless per_page says
// otherwise, at most 100, with a Link header to the next page.
func (s *Server) githubList(w http.ResponseWriter, c *call, all []any) {
	size, page := number(c.query.Get("per_page"), 30, 100), number(c.query.Get("page"), 1, 1<<20)
	from := min((page-1)*size, len(all))
	to := min(from+size, len(all))
	if to < len(all) {
		next := cloneValues(c.query)
		next.Set("page", strconv.Itoa(page+1))
		w.Header().Set("Link", fmt.Sprintf(`<%s%s?%s>; rel="next"`, s.base, c.r.URL.Path, next.Encode()))
	}
	writeJSON(w, http.StatusOK, append([]any{}, all[from:to]...))
}

func number(text string, otherwise, most int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return otherwise
	}
	return min(n, most)
}
