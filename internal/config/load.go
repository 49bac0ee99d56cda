package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"reflect"
	"strings"
)

// DefaultPath is read from the working directory when no path is given and it exists.
const DefaultPath = "authd.toml"

// maxFile bounds the configuration file.
const maxFile = 4 << 20

// Default returns the configuration of an authd of which nothing has been set. It is not complete: see
// Server.PublicURL.
func Default() *Config {
	c := &Config{origins: map[string]Origin{}}
	setDefaults(reflect.ValueOf(c).Elem())
	return c
}

// Load reads the configuration: the defaults, the file at path over them, environ (as from os.Environ) over that.
// With an empty path [DefaultPath] is read if it exists, else the environment alone counts. The error is a [*Faults]
// with everything that is wrong.
func Load(path string, environ []string) (*Config, error) {
	l := newLoader()
	l.readFile(path)
	return l.finish(environ)
}

func newLoader() *loader { return &loader{cfg: Default(), secretFiles: map[string][]string{}} }

// finish puts the environment over what the file said and looks at the whole.
func (l *loader) finish(environ []string) (*Config, error) {
	l.decodeEnviron(environment(environ))
	l.readSecretFiles()
	l.derivePublicURL()
	l.warnOfIgnored()
	l.cfg.check(&l.faults)
	if err := l.faults.err(); err != nil {
		l.faults.Config = l.cfg
		return nil, err
	}
	return l.cfg, nil
}

// Validate checks a configuration that was put together in code. The error is a [*Faults].
func (c *Config) Validate() error {
	var faults Faults
	c.check(&faults)
	return faults.err()
}

// Origin tells where the key at path ("server.listen", "providers[0].client_id") was set; ok is false for a default.
func (c *Config) Origin(path string) (origin Origin, ok bool) {
	origin, ok = c.origins[path]
	return origin, ok
}

func (l *loader) readFile(path string) {
	name, mend := path, "create it, or leave out --config to run from the environment alone"
	if name == "" {
		name = DefaultPath
	}
	info, err := os.Stat(name)
	if path == "" && errors.Is(err, fs.ErrNotExist) {
		return
	}
	var content []byte
	switch {
	case err != nil:
	case info.Mode().IsRegular() && info.Size() > maxFile:
		err, mend = fmt.Errorf("is larger than %d MiB", maxFile>>20), "is this the right file?"
	default:
		content, err = os.ReadFile(name)
	}
	if err != nil {
		l.faults.List = append(l.faults.List, Fault{File: name, Summary: "can't be read: " + reason(err).Error(), Mend: mend})
		return
	}
	l.cfg.Path = name
	l.decodeFile(name, content)
	if info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0 && l.holdsSecret() {
		l.warn(fmt.Sprintf("%s holds secrets and can be read by everybody on this machine; chmod o-r it", name))
	}
}

// holdsSecret reports whether the file that was just read has a secret in clear. A provider's settings count when
// their name says so: which of them are secret is known only to its plugin.
func (l *loader) holdsSecret() bool {
	if holdsSecret(reflect.ValueOf(l.cfg).Elem()) {
		return true
	}
	for _, p := range l.cfg.Providers {
		for name := range p.Settings {
			if strings.HasSuffix(name, "secret") || strings.HasSuffix(name, "password") {
				return true
			}
		}
	}
	return false
}

func holdsSecret(v reflect.Value) bool {
	for _, f := range fieldsOf(v.Type()) {
		target := v.Field(f.index)
		switch {
		case f.isTable() && holdsSecret(target), f.secret == "yes" && target.Len() > 0:
			return true
		case f.isTables():
			for i := range target.Len() {
				if holdsSecret(target.Index(i)) {
					return true
				}
			}
		}
	}
	return false
}

// derivePublicURL fills in where authd is reached when that is plain: it listens on loopback and nobody said more.
func (l *loader) derivePublicURL() {
	s := &l.cfg.Server
	if s.PublicURL != "" {
		return
	}
	host, port, err := net.SplitHostPort(s.Listen)
	if err != nil || !loopbackHost(host) || port == "0" {
		return
	}
	s.PublicURL = "http://" + net.JoinHostPort(host, port)
	if port == "80" {
		s.PublicURL = "http://" + strings.TrimSuffix(net.JoinHostPort(host, ""), ":")
	}
	l.warn("server.public_url is not set: using " + s.PublicURL + ", which only this machine can reach")
}

// warnOfIgnored names what this authd reads but does not act on yet.
func (l *loader) warnOfIgnored() {
	if len(l.cfg.Clients) > 0 {
		l.warn("[[clients]] has no effect in this version: authd is no OpenID Provider yet")
	}
}
