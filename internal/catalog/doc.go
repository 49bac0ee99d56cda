// Package catalog keeps the plugins: it finds them, decides which may be run, runs one process for each configured
// provider, replaces a process that dies or hangs, and is the face of the provider to the rest of authd.
//
// The way of a provider, with the file of each step:
//
//	discover.go   files named authd-provider-NAME in the plugins directories
//	trust.go      may it be run? owners, permissions, symbolic links
//	lock.go       is it what the lock file (lockfile.go) says? at every start
//	describe.go   what can it be configured as? -describe, in the jail; manifests.go remembers it by fileid.go
//	distrust.go   is the answer believable? for every answer of a plugin
//	watch.go      something in the directories has changed: look again
//	apply.go      these are the providers from now on; spec.go is one configuration of one of them
//	supervise.go  a process that serves, and another when it ends: back-off, quarantine; state.go has what others see
//	configure.go    what a process goes through before it may serve
//	swap.go         another takes over while it serves, or is rejected
//	process.go      go-plugin's client around a process of ours; health; stop
//	runner.go       go-plugin's hook: start, handshake.go
//	image.go        what is really executed: with a lock, a sealed copy (memfd_linux.go)
//	sandbox.go      off, basic, strict, run_as; landlock_linux.go and sandbox_linux.go are the walls
//	spawner.go      the thread that forks; jail_linux.go what a child may do; child.go pipes, reaping, killing
//	sockets.go      the private directory for sockets; dial.go who is at the other end?
//	env.go          the little environment that a plugin sees
//	log.go          what it prints becomes lines of authd's log; lines.go bounds, redact.go masks
//	  attach.go       or a process that somebody started by hand, for a debugger: connected to and left alone
//	provider.go   the facade; call.go deadline, places, waiting for a restart, meaning of errors (errors.go);
//	              breaker.go leaves alone what fails too often; timing.go has every span of time
//
// A provider has one supervisor (a goroutine) and is in one of these states:
//
//	stopped ──▶ starting ──▶ ready            configured: calls are answered (attached: by a debugged process)
//	               ▲           │
//	               ╰─ backoff ◀╯              it ended, or could not be started; quarantined after more than ten times
//
// A new plugin or configuration is brought about beside the process that serves (swap): a candidate is started,
// configured and looks whether it can do its work, and takes over. What fails on the way leaves everything as it was,
// and the reason in Status.CandidateProblem. In quarantine one attempt is made now and then; Restart, another plugin
// and another configuration end it.
//
// refused (no plugin that may be run) and misconfigured (settings that only the operator can mend) last until Apply
// brings something else. The first restart is immediate, the next wait up to 100 ms, 200 ms … 30 s; after a minute of
// service all is forgotten. A process that served and was killed by somebody else than authd was not at fault: it is
// replaced at once, however often that happens.
//
// go-plugin's wire protocol is used as it is, its supervision of processes is not: a plugin that hangs blocks its
// Kill for ever, a grandchild keeps a dead plugin alive, a long handshake line panics the host, and plugins outlive
// a host that is killed. TestTraps lists all that, with the tests of each.
//
// What a process can't do: see authd's environment, files or settings of other providers; gain privileges; dump
// core; outlive authd; send people to an origin that it did not declare; write a line of log that passes for
// another's; make authd read more than 1 MiB.
package catalog
