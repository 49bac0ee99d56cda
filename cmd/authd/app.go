package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/authd/authd/internal/config"
	"github.com/authd/authd/internal/host"
	"github.com/authd/authd/internal/identity"
	"github.com/authd/authd/internal/policy"
)

func newApp(a *app) *cobra.Command {
	return group("app", "Look at the rules of the sites behind forward auth", "", newAppList(a), newAppExplain(a))
}

func newAppList(a *app) *cobra.Command {
	var (
		path string
		as   format
	)
	c := &cobra.Command{
		Use:   "list",
		Short: "List all apps with their rules, in the order in which they are asked",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := a.usable(path)
			if err != nil {
				return err
			}
			a.warn(cfg.Warnings)
			return as.write(a.out, appTable(host.AppsOf(cfg)))
		},
	}
	configFlag(c, &path)
	formatFlag(c, &as)
	return c
}

func newAppExplain(a *app) *cobra.Command {
	var (
		path string
		as   format
		ask  inquiry
	)
	c := &cobra.Command{
		Use:   "explain URL",
		Short: "Tell which rule decides over a URL, how, and why",
		Long: `Tell which rule of which app decides over a URL, and how authd answers: 200, 401 (sign in) or 403. Nothing is asked but
the configuration. The path is read as a proxy would send it: write its escapes as they are. A fragment is left out, as
browsers do. Without --user it is a guest who asks.`,
		Example: `  authd app explain https://app.example.com/admin/users --user ada@example.org --groups staff,admins`,
		Args:    exactly("URL"),
		RunE: func(c *cobra.Command, args []string) error {
			ask.url = args[0]
			return a.explain(c.Context(), path, as, ask)
		},
	}
	f := c.Flags()
	f.StringVarP(&ask.method, "method", "X", "GET", "method of the request")
	f.StringVar(&ask.user, "user", "", "who asks: the identifier, and if it is an e-mail address also that, verified")
	f.StringSliceVar(&ask.groups, "groups", nil, "groups of the user")
	f.StringVar(&ask.provider, "provider", "", "id of the provider that the user came through")
	f.StringVar(&ask.claims, "claims", "", "what the provider said, a JSON object")
	configFlag(c, &path)
	formatFlag(c, &as)
	return c
}

// appFaults tells where in the file a faulty rule of an app stands.
func appFaults(cfg *config.Config) []config.Fault {
	var faults []config.Fault
	for i, a := range cfg.Apps {
		for j, r := range a.Rules {
			at := fmt.Sprintf("apps[%d].rules[%d]", i, j)
			try := func(key string, err error, mend string) {
				if err != nil {
					faults = append(faults, ruleFault(cfg, at+key, err, mend))
				}
			}
			try(".path", policy.CheckPath(r.Path), `write one plain path, such as "/admin", or "/admin/*" for all below it`)
			try(".methods", policy.CheckMethods(r.Methods), `write it like ["GET", "POST"], or leave it out for all methods`)
			_, err := policy.CompileAppRule(at+".allow", r.Allow)
			try(".allow", err, "rules of apps are CEL expressions over user, claims and request")
		}
	}
	return faults
}

// unsaid are those faults about whose key nothing has been said.
func unsaid(said, more []config.Fault) []config.Fault {
	return slices.DeleteFunc(more, func(f config.Fault) bool {
		return slices.ContainsFunc(said, func(s config.Fault) bool { return s.Key == f.Key && s.File == f.File })
	})
}

// appRow is one app for programs.
type appRow struct {
	Host            string    `json:"host"`
	PassAccessToken bool      `json:"pass_access_token"`
	Rules           []ruleRow `json:"rules"`
}

// ruleRow is one rule of an app for programs.
type ruleRow struct {
	Rule    int      `json:"rule"` // from 0
	Path    string   `json:"path"`
	Methods []string `json:"methods"` // none: all
	Public  bool     `json:"public"`
	Allow   string   `json:"allow"` // empty: every signed-in person, unless it is public
}

func rowOf(a policy.App) appRow {
	row := appRow{Host: a.Host, PassAccessToken: a.PassAccessToken, Rules: make([]ruleRow, len(a.Rules))}
	for i, r := range a.Rules {
		row.Rules[i] = ruleRow{Rule: i, Path: r.Path, Methods: append([]string{}, r.Methods...), Public: r.Public, Allow: r.Allow}
	}
	return row
}

const everySignedIn = "every signed-in person"

// cells are the rule in the columns RULE, PATH, METHODS and LETS IN.
func (r ruleRow) cells() []string {
	methods, who := "all", everySignedIn
	if len(r.Methods) > 0 {
		methods = strings.Join(r.Methods, ",")
	}
	switch {
	case r.Public:
		who = "everybody"
	case r.Allow != "":
		who = r.Allow
	}
	return []string{strconv.Itoa(r.Rule), r.Path, methods, who}
}

func restCells() []string { return []string{"", "all other", "all", everySignedIn} }

func appTable(apps []policy.App) table {
	t := table{header: []string{"APP", "RULE", "PATH", "METHODS", "LETS IN"}}
	rows := make([]appRow, len(apps))
	for i, a := range apps {
		rows[i] = rowOf(a)
		for _, r := range rows[i].Rules {
			t.rows = append(t.rows, append([]string{a.Host}, r.cells()...))
		}
		t.rows = append(t.rows, append([]string{a.Host}, restCells()...))
	}
	if len(apps) == 0 {
		t.rows = append(t.rows, append([]string{"any host"}, restCells()...))
	}
	t.value = rows
	return t
}

// inquiry is what "app explain" is asked.
type inquiry struct {
	url, method            string
	user, provider, claims string
	groups                 []string
}

// request is what a proxy would ask.
func (q inquiry) request() (policy.Request, error) {
	scheme, rest, ok := strings.Cut(q.url, "://")
	rest, _, _ = strings.Cut(rest, "#")
	host, target := rest, "/"
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		host, target = rest[:i], rest[i:]
	}
	if !ok || scheme != "https" && scheme != "http" || host == "" || strings.Contains(host, "@") {
		return policy.Request{}, usage(fmt.Errorf("%q is not the URL of a page; write it like https://app.example.com/admin", q.url))
	}
	if target[0] == '?' { // no browser sends a target without a path
		target = "/" + target
	}
	return policy.Request{Host: host, Path: target, Method: q.method}, nil
}

// person is who asks; nil is a guest.
func (q inquiry) person() (*identity.User, error) {
	if q.user == "" {
		if len(q.groups) > 0 || q.provider != "" || q.claims != "" {
			return nil, usage(errors.New("--groups, --provider and --claims say more of a user; add --user"))
		}
		return nil, nil
	}
	u := &identity.User{Identifier: q.user, Groups: q.groups, Provider: q.provider}
	if local, domain, ok := strings.Cut(q.user, "@"); ok {
		u.Email, u.EmailVerified = local+"@"+strings.ToLower(domain), true
	}
	if q.claims == "" {
		return u, nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(q.claims), &object); err != nil || object == nil {
		return nil, usage(errors.New(`--claims is not a JSON object; write it like '{"hd":"example.org"}'`))
	}
	u.Claims = json.RawMessage(q.claims)
	return u, nil
}

// explanation is what "app explain" found, for programs.
type explanation struct {
	Host      string    `json:"host"`
	App       string    `json:"app"` // empty: none
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	Ambiguous bool      `json:"ambiguous"`
	Doubt     string    `json:"doubt"` // why it is ambiguous
	Person    string    `json:"person"`
	Rules     []ruleRow `json:"rules"`
	Rule      *int      `json:"rule"` // that decides; null: none
	Public    bool      `json:"public"`
	Status    int       `json:"status"`
	Why       string    `json:"why"`
}

func (a *app) explain(ctx context.Context, path string, as format, ask inquiry) error {
	request, err := ask.request()
	if err != nil {
		return err
	}
	user, err := ask.person()
	if err != nil {
		return err
	}
	cfg, err := a.usable(path)
	if err != nil {
		return err
	}
	a.warn(cfg.Warnings)
	found, err := decide(ctx, cfg, request, policy.NewPerson(user))
	if err != nil {
		return err
	}
	found.Person = "a guest"
	if user != nil {
		found.Person = user.Identifier
	}
	if as == "json" {
		return writeJSON(a.out, found)
	}
	return a.writeExplanation(found)
}

// decide asks what a check asks: the rules of the app, and unless the page is public whether the person may come in.
func decide(ctx context.Context, cfg *config.Config, request policy.Request, person *policy.Person) (explanation, error) {
	apps, err := policy.NewApps(host.AppsOf(cfg))
	if err != nil {
		return explanation{}, err
	}
	allow := map[string]string{}
	for _, p := range cfg.Providers {
		allow[p.ID] = p.Allow
	}
	admission, err := policy.NewAdmission(cfg.Access.Allow, allow)
	if err != nil {
		return explanation{}, err
	}
	d := apps.Decide(ctx, request, person)
	e := explanation{
		Host: request.Host, Method: request.Method, Path: d.Path, Ambiguous: d.Ambiguous, Doubt: d.Doubt, Rules: []ruleRow{},
		Public: d.Public, Status: status(d.Verdict), Why: why(d, len(cfg.Apps) > 0, person),
	}
	if d.App != nil {
		e.App, e.Rules = d.App.Host, rowOf(*d.App).Rules
	}
	if d.Rule >= 0 {
		e.Rule = &d.Rule
	}
	if d.Verdict == policy.Allow && !d.Public {
		if err := admission.AdmitPerson(ctx, person); err != nil {
			e.Status, e.Rule, e.Why = status(policy.Deny), nil, err.Error()+"; the person may not come in at all"
		}
	}
	return e, nil
}

func status(v policy.Verdict) int {
	switch v {
	case policy.Allow:
		return 200
	case policy.NeedLogin:
		return 401
	}
	return 403
}

// why says in a sentence what a decision rests on.
func why(d policy.Decision, hasApps bool, person *policy.Person) string {
	text := fmt.Sprintf("rule %d lets in every signed-in person", d.Rule)
	switch {
	case d.Verdict == policy.Deny:
		return d.Reason.Error()
	case !hasApps:
		text = "there are no [[apps]], so every signed-in person passes"
	case d.Public:
		return fmt.Sprintf("rule %d is public", d.Rule)
	case d.Ambiguous && person == nil:
		text = "the request is ambiguous (" + d.Doubt + "), so no public rule counts"
	case d.Ambiguous:
		return "the request is ambiguous (" + d.Doubt + "), so every rule of the app counts, and the person meets them all"
	case d.Rule < 0:
		text = "no rule matches, so every signed-in person passes"
	case d.App.Rules[d.Rule].Allow != "" && person == nil:
		text = fmt.Sprintf("rule %d depends on who asks", d.Rule)
	case d.App.Rules[d.Rule].Allow != "":
		return fmt.Sprintf("rule %d is true for the person", d.Rule)
	}
	if person == nil {
		text += "; a guest has to sign in"
	}
	return text
}

func (a *app) writeExplanation(e explanation) error {
	about := table{header: []string{"HOST", "APP", "METHOD", "PATH", "AMBIGUOUS", "PERSON"}}
	ambiguous := "no"
	if e.Ambiguous {
		ambiguous = "yes: " + e.Doubt
	}
	path := e.Path
	if e.Ambiguous { // it may hold anything
		path = strconv.QuoteToASCII(path)
	}
	about.rows = [][]string{{e.Host, e.App, e.Method, path, ambiguous, e.Person}}
	rules := table{header: []string{"RULE", "PATH", "METHODS", "LETS IN", "DECIDES"}}
	for _, r := range e.Rules {
		decides := ""
		if e.Rule != nil && *e.Rule == r.Rule {
			decides = "yes"
		}
		rules.rows = append(rules.rows, append(r.cells(), decides))
	}
	if e.App != "" {
		decides := ""
		if e.Rule == nil && !e.Ambiguous && e.Status != 403 {
			decides = "yes"
		}
		rules.rows = append(rules.rows, append(restCells(), decides))
	}
	if err := format("text").write(a.out, about); err != nil {
		return err
	}
	if len(rules.rows) > 0 {
		if _, err := fmt.Fprintln(a.out); err != nil {
			return err
		}
		if err := format("text").write(a.out, rules); err != nil {
			return err
		}
	}
	answer := map[int]string{200: "200, it passes: ", 401: "401, sign in: ", 403: "403, "}[e.Status] // a denial says so itself
	_, err := fmt.Fprintf(a.out, "\n%s%s\n", answer, oneLine(e.Why))
	return err
}
