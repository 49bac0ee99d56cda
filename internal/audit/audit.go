// Package audit writes one line per security event, so that "who came in, when and from where" has an answer.
package audit

import (
	"github.com/hashicorp/go-hclog"
)

// Kind names a security event.
type Kind string

// The events.
const (
	Login             Kind = "login"
	LoginFailed       Kind = "login_failed"
	Denied            Kind = "denied"
	Logout            Kind = "logout"
	Revoked           Kind = "session_revoked"
	RefreshRefused    Kind = "refresh_refused"
	PluginStarted     Kind = "plugin_started"
	PluginStopped     Kind = "plugin_stopped"
	PluginCrashed     Kind = "plugin_crashed"
	PluginQuarantined Kind = "plugin_quarantined" // it has crashed so often that it is only tried now and then
	PluginRestart     Kind = "plugin_restart"     // an operator asked for another process
	PluginRefused     Kind = "plugin_refused"
	PluginSwapped     Kind = "plugin_swapped"
	PluginKept        Kind = "plugin_kept" // a new plugin or configuration could not take over
	Reloaded          Kind = "config_reloaded"
	ReloadRefused     Kind = "config_refused"
	KeysChanged       Kind = "keys_changed" // those that sign what apps are told were made, rotated or revoked
)

// Event is what happened. Empty fields are left out of the line. No field may hold a token, code, secret, cookie or
// e-mail address.
type Event struct {
	Kind Kind
	// Incident is the id that the person saw.
	Incident string
	// Provider id, authd's Subject, the session's Handle, the client's Address.
	Provider, Subject, Session, Address string
	// Cause says why, for the operator.
	Cause string
}

// Log writes events.
type Log struct {
	log hclog.Logger
}

// New makes a Log on top of the process's logger.
func New(log hclog.Logger) *Log { return &Log{log: log.Named("audit")} }

// Write writes one line at info level.
func (l *Log) Write(e Event) {
	args := make([]any, 0, 12)
	add := func(name, value string) {
		if value != "" {
			args = append(args, name, value)
		}
	}
	add("incident", e.Incident)
	add("provider", e.Provider)
	add("subject", e.Subject)
	add("session", short(e.Session))
	add("address", e.Address)
	add("cause", e.Cause)
	l.log.Info(string(e.Kind), args...)
}

// short keeps enough of a handle to tell sessions apart in a log.
func short(handle string) string {
	const enough = 10
	return handle[:min(len(handle), enough)]
}
