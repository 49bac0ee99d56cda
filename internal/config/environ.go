package config

import (
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	envPrefix     = "AUTHD_"
	envFileSuffix = "_FILE"
	envPrompt     = "OAUTH_PROMPT" // Chainlit's name for login.prompt
	// envChainlitURL is where Chainlit is reached, which is where authd is that stands in for its sign-in.
	envChainlitURL = "CHAINLIT_URL"

	// maxTables bounds the index in AUTHD_PROVIDERS_<n>_…: a slip of the finger must not make a million tables.
	maxTables = 100
)

// foreignEnv are the names with our prefix that are not keys: how a plugin under a debugger is attached, and the
// variables that Kubernetes puts into every container for a Service called authd or authd-something.
var foreignEnv = regexp.MustCompile(`^AUTHD_(?:REATTACH_PROVIDERS|(?:[A-Z0-9_]+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?))$`)

// environment is os.Environ as a map. When a name comes twice the last one counts, as for os/exec.
func environment(environ []string) map[string]string {
	env := make(map[string]string, len(environ))
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok {
			env[name] = value
		}
	}
	return env
}

// decodeEnviron puts AUTHD_* over what the Config holds. An empty variable counts as set: that is how a default is
// emptied (AUTHD_SERVER_ADMIN_LISTEN= switches the admin listener off).
func (l *loader) decodeEnviron(env map[string]string) {
	if prompt := env[envPrompt]; prompt != "" {
		l.cfg.Login.Prompt = prompt
		l.cfg.origins["login.prompt"] = Origin{Env: envPrompt}
	}
	_, said := env[envPrefix+"SERVER_PUBLIC_URL"]
	if u := env[envChainlitURL]; u != "" && l.cfg.Server.PublicURL == "" && !said {
		l.chainlitURL(u)
	}
	var names []string
	for name := range env {
		if strings.HasPrefix(name, envPrefix) && !foreignEnv.MatchString(name) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, naturally)
	set := map[string]bool{}
	for _, name := range names {
		if !utf8.ValidString(env[name]) {
			l.envFault(name, "is not UTF-8", "set it anew")
			continue
		}
		v := envVariable{name: name, value: env[name], set: set}
		if !l.setEnv("", reflect.ValueOf(l.cfg).Elem(), strings.TrimPrefix(name, envPrefix), v) {
			l.unknownEnv(name)
		}
	}
}

// chainlitURL takes Chainlit's own name for server.public_url, when nothing else says it. The origin counts: authd
// has the routes of /auth there, whatever path Chainlit has.
func (l *loader) chainlitURL(text string) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Host == "" {
		l.envFault(envChainlitURL, "is not an http(s) URL", "unset it, and set server.public_url to where browsers reach authd")
		return
	}
	l.cfg.Server.PublicURL = u.Scheme + "://" + u.Host
	l.cfg.origins["server.public_url"] = Origin{Env: envChainlitURL}
	l.warn("server.public_url is not set: using " + l.cfg.Server.PublicURL + " of " + envChainlitURL + ", where the proxy must send /auth/ to authd; set server.public_url to where browsers reach authd")
}

type envVariable struct {
	name, value string
	set         map[string]bool // :: paths of secrets that the environment has set so far
}

// setEnv finds the key that the rest of a name stands for, below the table v at path, and sets it. It returns false
// when there is none.
func (l *loader) setEnv(path string, v reflect.Value, rest string, e envVariable) bool {
	for _, f := range fieldsOf(v.Type()) {
		at, upper := join(path, f.key), strings.ToUpper(f.key)
		below, isBelow := strings.CutPrefix(rest, upper+"_")
		target := v.Field(f.index)
		switch {
		case rest == upper:
			l.setEnvKey(at, f, target, e)
			return true
		case f.secret != "" && rest == upper+envFileSuffix:
			l.setEnvFile(at, target, e)
			return true
		case isBelow && f.isTable() && l.setEnv(at, target, below, e):
			return true
		case isBelow && f.isTables() && l.setEnvElement(at, target, below, e):
			return true
		}
	}
	if p, ok := v.Addr().Interface().(*ProviderTable); ok {
		return l.setEnvSetting(p, path, rest, e)
	}
	return false
}

func (l *loader) setEnvKey(path string, f field, v reflect.Value, e envVariable) {
	if err := setText(v, e.value); err != nil {
		mend := ""
		if f.isTables() {
			mend = "number its tables: " + e.name + "_0_…"
		}
		l.envFault(e.name, err.Error(), mend)
		return
	}
	if f.secret != "" {
		l.onceInEnv(path, e)
		delete(l.secretFiles, path) // the environment wins over a file that was named in authd.toml
	}
	l.cfg.origins[path] = Origin{Env: e.name}
}

func (l *loader) setEnvFile(path string, v reflect.Value, e envVariable) {
	l.onceInEnv(path, e)
	v.SetZero()
	l.secretFiles[path] = splitList(e.value)
	l.cfg.origins[path] = Origin{Env: e.name}
	l.cfg.origins[path+fileSuffix] = Origin{Env: e.name}
}

func (l *loader) onceInEnv(path string, e envVariable) {
	if e.set[path] {
		l.envFault(strings.TrimSuffix(e.name, envFileSuffix), "and "+strings.TrimSuffix(e.name, envFileSuffix)+envFileSuffix+" are both set", "unset one of them")
	}
	e.set[path] = true
}

// setEnvElement follows "<n>_KEY" into the n-th of a list of tables, which it makes long enough.
func (l *loader) setEnvElement(path string, v reflect.Value, rest string, e envVariable) bool {
	number, key, ok := strings.Cut(rest, "_")
	n, err := strconv.Atoi(number)
	if !ok || err != nil || n < 0 || strconv.Itoa(n) != number {
		return false
	}
	if n >= maxTables {
		l.envFault(e.name, fmt.Sprintf("has a number above %d", maxTables-1), "count from 0 without gaps")
		return true
	}
	for v.Len() <= n {
		appendElement(v)
	}
	return l.setEnv(fmt.Sprintf("%s[%d]", path, n), v.Index(n), key, e)
}

// setEnvSetting takes what is no key of [[providers]] for a setting of the provider's type.
func (l *loader) setEnvSetting(p *ProviderTable, path, rest string, e envVariable) bool {
	key := strings.ToLower(rest)
	if !settingName.MatchString(key) {
		return false
	}
	if p.Settings == nil {
		p.Settings = map[string]string{}
	}
	// A secret and its file replace one another, whichever of them authd.toml holds.
	if base, isFile := strings.CutSuffix(key, fileSuffix); isFile {
		delete(p.Settings, base)
	} else {
		delete(p.Settings, key+fileSuffix)
	}
	p.Settings[key] = e.value
	l.cfg.origins[join(path, key)] = Origin{Env: e.name}
	return true
}

func (l *loader) unknownEnv(name string) {
	mend := didYouMean(name, envNames("AUTHD", reflect.TypeFor[Config]()))
	if mend == "" {
		mend = "unset it; `authd config schema` and the reference list the keys"
	}
	l.envFault(name, "is not a key of authd", mend)
}

func (l *loader) envFault(name, summary, mend string) {
	l.faults.List = append(l.faults.List, Fault{Key: name, Summary: summary, Mend: mend})
}

// envNames lists the names of all keys below t; those in lists of tables with the number 0.
func envNames(prefix string, t reflect.Type) []string {
	var names []string
	for _, f := range fieldsOf(t) {
		name := prefix + "_" + strings.ToUpper(f.key)
		switch {
		case f.isTable():
			names = append(names, envNames(name, f.typ)...)
		case f.isTables():
			names = append(names, envNames(name+"_0", f.typ.Elem())...)
		default:
			names = append(names, name)
			if f.secret != "" {
				names = append(names, name+envFileSuffix)
			}
		}
	}
	return names
}

// naturally compares names with the numbers in them as numbers, so that _10_ comes after _9_.
func naturally(a, b string) int {
	for a != "" && b != "" {
		da, db := digits(a), digits(b)
		if da > 0 && db > 0 && da != db {
			return da - db
		}
		if a[0] != b[0] {
			return int(a[0]) - int(b[0])
		}
		a, b = a[1:], b[1:]
	}
	return len(a) - len(b)
}

func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}
