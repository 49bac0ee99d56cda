// Package catalog keeps the plugins: it finds them, decides which may be run, runs one process for each configured
// provider, replaces a process that dies or hangs, and is the face of the provider to the rest of authd.
//
// The way of a provider, with the file of each step:
//
//	discover.go   files named authd-provider-NAME in the plugins directories
//	trust.go      may it be run? owners, permissions, symbolic links
//	describe.go   what can it be configured as? -describe, in the jail
//	distrust.go   is the answer believable? for every answer of a plugin
//	supervise.go  start, configure, restart with back-off; state.go has what others see of that
//	process.go      go-plugin's client around a process of ours; health; stop
//	runner.go       go-plugin's hook: start, handshake.go
//	spawner.go      the one thread that forks; jail_linux.go what a child may do; child.go pipes, reaping, killing
//	sockets.go      the private directory for sockets; dial.go who is at the other end?
//	env.go          the little environment that a plugin sees
//	log.go          what it prints becomes lines of authd's log; lines.go bounds, redact.go masks
//	provider.go   the facade; call.go deadline, places, waiting for a restart, meaning of errors (errors.go)
//
// go-plugin's wire protocol is used as it is, its supervision of processes is not: a plugin that hangs blocks its
// Kill for ever, a grandchild keeps a dead plugin alive, a long handshake line panics the host, and plugins outlive
// a host that is killed.
//
// What a process can't do: see authd's environment, files or settings of other providers; gain privileges; dump
// core; outlive authd; send people to an origin that it did not declare; write a line of log that passes for
// another's; make authd read more than 1 MiB.
package catalog
