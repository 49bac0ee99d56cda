package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Request is what somebody asks an app for, as a proxy that is believed says it.
type Request struct {
	// Host is the name that the browser asked for, with or without port.
	Host string
	// Path is the request target as it was sent: escaped, perhaps with a query.
	Path string
	// Method is the true method of the request, not one that a header would have it replaced by.
	Method string
}

// Verdict is what becomes of a request. The zero Verdict is Deny.
type Verdict int

// The verdicts.
const (
	// Deny is for a request that signing in would not help.
	Deny Verdict = iota
	// NeedLogin is for a guest whom the rules might let in as somebody.
	NeedLogin
	// Allow lets the request pass.
	Allow
)

// String returns the verdict as a word.
func (v Verdict) String() string {
	switch v {
	case NeedLogin:
		return "login"
	case Allow:
		return "allow"
	}
	return "deny"
}

// Decision is what the rules of an app say to a request.
type Decision struct {
	Verdict Verdict
	// App that the request is for. Nil: there are no apps, or none has this host.
	App *App
	// Rule that decided, its index in App.Rules; -1: none did.
	Rule int
	// Public means that a guest passes too.
	Public bool
	// Reason says why a request is denied, for the log. It wraps ErrDenied. Nil unless the verdict is Deny.
	Reason error
	// Path is what [Normalise] makes of the path of the request.
	Path string
	// Ambiguous means that the server behind may read the request in another way; Doubt says why. It is empty otherwise.
	Ambiguous bool
	Doubt     string
}

// Decide says what becomes of a request. A nil person is a guest.
//
// Without any app every signed-in person passes. With apps a host that none of them has is denied, whoever asks. The
// first rule whose path and methods match decides; without a match every signed-in person passes.
//
// A request that is ambiguous (see [Normalise]; likewise a method that is not known, in an app where the method counts)
// might be under any rule: no public rule lets it pass, and a person must meet every allow of the app.
func (a *Apps) Decide(ctx context.Context, r Request, person *Person) Decision {
	d := Decision{Rule: -1}
	d.Path, d.Doubt = Normalise(r.Path)
	if len(a.exact)+len(a.below) == 0 {
		d.Ambiguous = d.Doubt != ""
		return d.signedIn(person)
	}
	at, found := a.find(r.Host)
	if found == nil {
		d.Ambiguous = d.Doubt != ""
		d.Reason = fmt.Errorf("%w: no app has the host %.100q", ErrDenied, r.Host)
		return d
	}
	d.App = &found.app
	method, known := methods[r.Method]
	if !known && found.byMethod && d.Doubt == "" {
		d.Doubt = fmt.Sprintf("the method %.40q is not known", r.Method)
	}
	if d.Ambiguous = d.Doubt != ""; d.Ambiguous {
		return found.doubtful(ctx, d, at, person)
	}
	for i := range found.rules {
		if rule := &found.rules[i]; rule.matches(d.Path, method) {
			d.Rule = i
			return rule.decide(ctx, d, at, method, person)
		}
	}
	return d.signedIn(person)
}

// signedIn lets every signed-in person pass.
func (d Decision) signedIn(person *Person) Decision {
	d.Verdict = Allow
	if person == nil {
		d.Verdict = NeedLogin
	}
	return d
}

func (r *appRule) matches(path, method string) bool {
	return r.pattern.matches(path) && (len(r.methods) == 0 || slices.Contains(r.methods, method))
}

// decide is for a request that the rule matches.
func (r *appRule) decide(ctx context.Context, d Decision, at site, method string, person *Person) Decision {
	if r.public {
		d.Verdict, d.Public = Allow, true
		return d
	}
	if person == nil || r.allow == nil {
		return d.signedIn(person)
	}
	q := &question{person: person}
	if r.allow.readsRequest {
		q.request = map[string]string{"host": at.name, "path": plainPath(d.Path), "method": method}
	}
	if d.Reason = r.allow.ask(ctx, q); d.Reason == nil {
		d.Verdict = Allow
	}
	return d
}

// doubtful is for a request that might be under any rule. Rules see its host, but neither path nor method: one that
// needs them denies.
func (a *app) doubtful(ctx context.Context, d Decision, at site, person *Person) Decision {
	if person == nil {
		return d.signedIn(nil)
	}
	q := &question{person: person, request: map[string]string{"host": at.name}}
	for i := range a.rules {
		if a.rules[i].allow == nil {
			continue
		}
		if err := a.rules[i].allow.ask(ctx, q); err != nil {
			d.Rule, d.Reason = i, fmt.Errorf("%w; the request is ambiguous (%s), so every rule of the app counts", err, d.Doubt)
			return d
		}
	}
	return d.signedIn(person)
}

// find returns the app for a host: the one with that very name, else the one with the longest "*." above it. Of two,
// the one that names the port wins.
func (a *Apps) find(host string) (site, *app) {
	at, ok := splitHost(host)
	if !ok {
		return site{}, nil
	}
	if found := pick(a.exact, at); found != nil {
		return at, found
	}
	for _, above, more := strings.Cut(at.name, "."); more; _, above, more = strings.Cut(above, ".") {
		if found := pick(a.below, site{above, at.port}); found != nil {
			return at, found
		}
	}
	return at, nil
}

func pick(hosts map[site]*app, at site) *app {
	if found := hosts[at]; found != nil {
		return found
	}
	return hosts[site{name: at.name}]
}

// splitHost takes name[:port] apart. What could not stand in a Host header as one plain name is not ok.
func splitHost(host string) (at site, ok bool) {
	name := host
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		name, at.port = host[:i], host[i+1:]
		if at.port == "" || strings.Trim(at.port, "0123456789") != "" {
			return site{}, false
		}
	}
	if inner, literal := strings.CutPrefix(name, "["); literal {
		inner, closed := strings.CutSuffix(inner, "]")
		at.name = strings.ToLower(name)
		return at, closed && strings.Trim(inner, "0123456789abcdefABCDEF:.") == ""
	}
	name = strings.TrimSuffix(name, ".")
	label := 0 // length of the label that is being read
	for i := range len(name) {
		switch b := name[i]; {
		case b == '.' && label > 0:
			label = 0
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '_':
			label++
		default:
			return site{}, false
		}
	}
	at.name = strings.ToLower(name)
	return at, label > 0
}

// Has reports whether there is an app for the host.
func (a *Apps) Has(host string) bool {
	_, found := a.find(host)
	return found != nil
}
