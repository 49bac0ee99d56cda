package policy

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// App is a site behind forward auth.
type App struct {
	// Host is a name such as "app.example.com", or "*.example.com" for all names below one, at any depth but not
	// example.com itself. A port counts only if it is named. Letter case and a final dot don't count.
	Host string
	// PassAccessToken is for the host to act on: it decides nothing.
	PassAccessToken bool
	// Rules are asked in their order; the first that matches decides. Without a match every signed-in person passes.
	Rules []AppRule
}

// AppRule is who may do what below a path of an app.
type AppRule struct {
	// Path is one path, or a path with * at its end: "/public/*" is for whatever begins with "/public/", which
	// "/public" does not.
	Path string
	// Methods are those that the rule is for; empty: all. HEAD counts as GET.
	Methods []string
	// Public lets guests pass.
	Public bool
	// Allow is the rule (CEL) that a person must meet; empty: every signed-in person. It can't stand beside Public.
	Allow string
}

// Apps are all sites behind forward auth. Make one with [NewApps].
type Apps struct {
	exact map[site]*app // :: name and port → app
	below map[site]*app // :: what follows "*.", and port → app
}

// site is a host taken apart.
type site struct {
	name string // in lower case, without final dot
	port string // empty: any
}

// app is an App whose rules are compiled.
type app struct {
	app   App
	rules []appRule
	// byMethod is set when some rule turns on the method.
	byMethod bool
}

type appRule struct {
	pattern pattern
	methods []string
	public  bool
	allow   *Rule
}

// NewApps compiles the rules of apps. All faults are returned together, each naming its app and the rule, from 0.
func NewApps(apps []App) (*Apps, error) {
	all := &Apps{exact: map[site]*app{}, below: map[site]*app{}}
	rules := newCompiler(true)
	var faults []error
	for _, a := range apps {
		faults = append(faults, all.add(rules, a))
	}
	return all, errors.Join(faults...)
}

func (a *Apps) add(rules *compiler, given App) error {
	host, wildcard := strings.CutPrefix(given.Host, "*.")
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() {
		host = "[" + ip.String() + "]"
	}
	at, ok := splitHost(host)
	if !ok || wildcard && strings.HasPrefix(host, "[") {
		return fmt.Errorf("app %s: it is not a host; write it like app.example.com or *.example.com", given.Host)
	}
	hosts := a.exact
	if wildcard {
		hosts = a.below
	}
	if _, twice := hosts[at]; twice {
		return fmt.Errorf("app %s: it is there twice; put all rules of a host into one app", given.Host)
	}
	made := &app{app: given}
	hosts[at] = made
	var faults []error
	for i, r := range given.Rules {
		rule, err := rules.appRule(fmt.Sprintf("rule %d of app %s", i, given.Host), r)
		faults = append(faults, err)
		made.rules = append(made.rules, rule)
		made.byMethod = made.byMethod || len(rule.methods) > 0 || rule.allow != nil && rule.allow.readsMethod
	}
	return errors.Join(faults...)
}

func (c *compiler) appRule(name string, given AppRule) (appRule, error) {
	var faults []error
	fault := func(err error) {
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", name, err))
		}
	}
	rule := appRule{public: given.Public}
	var err error
	rule.pattern, err = parsePattern(given.Path)
	fault(err)
	rule.methods, err = ruleMethods(given.Methods)
	fault(err)
	if given.Public && given.Allow != "" {
		fault(errors.New("public and allow exclude each other; remove one"))
	}
	if rule.allow, err = c.compile(name, given.Allow); err != nil {
		faults = append(faults, err)
	}
	return rule, errors.Join(faults...)
}

// methods are those that a request may have without being in doubt, as the IANA registry of HTTP methods has them.
// :: method → the one as which it counts
var methods = map[string]string{
	"GET": "GET", "HEAD": "GET", "POST": "POST", "PUT": "PUT", "DELETE": "DELETE", "PATCH": "PATCH", "OPTIONS": "OPTIONS",
	"CONNECT": "CONNECT", "TRACE": "TRACE", "QUERY": "QUERY",
	// RFC 4918, 3253, 3744, 4791, 5323, 5842: WebDAV and what is built on it.
	"PROPFIND": "PROPFIND", "PROPPATCH": "PROPPATCH", "MKCOL": "MKCOL", "COPY": "COPY", "MOVE": "MOVE", "LOCK": "LOCK",
	"UNLOCK": "UNLOCK", "REPORT": "REPORT", "ACL": "ACL", "MKCALENDAR": "MKCALENDAR", "SEARCH": "SEARCH", "BIND": "BIND",
	"UNBIND": "UNBIND", "REBIND": "REBIND", "CHECKIN": "CHECKIN", "CHECKOUT": "CHECKOUT", "UNCHECKOUT": "UNCHECKOUT",
	"VERSION-CONTROL": "VERSION-CONTROL", "MERGE": "MERGE", "LABEL": "LABEL", "MKACTIVITY": "MKACTIVITY",
	"MKWORKSPACE": "MKWORKSPACE", "UPDATE": "UPDATE", "BASELINE-CONTROL": "BASELINE-CONTROL", "ORDERPATCH": "ORDERPATCH",
	"LINK": "LINK", "UNLINK": "UNLINK",
}

// Methods are those that rules know, GET and POST first.
func Methods() []string {
	all := []string{"GET", "POST"}
	for _, name := range slices.Sorted(maps.Keys(methods)) {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// ruleMethods returns the methods of a rule as requests count.
func ruleMethods(names []string) ([]string, error) {
	var counted []string
	for _, name := range names {
		method, known := methods[name]
		switch {
		case !known && methods[strings.ToUpper(name)] != "":
			return nil, fmt.Errorf("the method %q is not in capitals; write %s", name, strings.ToUpper(name))
		case !known:
			return nil, fmt.Errorf("the method %q is not known", name)
		case name == "HEAD" && !slices.Contains(names, "GET"):
			return nil, errors.New("HEAD counts as GET, so it can't stand without GET")
		}
		counted = append(counted, method)
	}
	return counted, nil
}

// CheckMethods returns an error if these can't be the methods of a rule.
func CheckMethods(names []string) error {
	_, err := ruleMethods(names)
	return err
}
