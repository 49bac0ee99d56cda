package catalog

import "time"

// timing holds every span of time that this package waits for.
type timing struct {
	start         time.Duration // for the handshake
	describe      time.Duration // deadlines of calls
	configure     time.Duration
	authorize     time.Duration
	call          time.Duration
	check         time.Duration // of a candidate, before it takes over
	wait          time.Duration // a caller waits for a process that is starting
	drain         time.Duration // calls in flight may take to end when stopping
	retire        time.Duration // and when another process has taken over
	stop          time.Duration // a process may take to shut down
	quit          time.Duration // and to print its stacks
	healthTimeout time.Duration
	reset         time.Duration // ready for so long, earlier failures are forgotten
	settle        time.Duration // ready for so long, a process that is killed from outside was not at fault

	window time.Duration // exits within it count towards quarantine
	probe  time.Duration // between two attempts in quarantine, or with a candidate that failed
	rest   time.Duration // a breaker stays open
	recent time.Duration // failures within it count towards opening one

	writing time.Duration // a file that was changed less long ago may still be being written
	rewrite time.Duration // between two attempts with such a file
	digest  time.Duration // after a start, before its file is read: starts come first

	healthInterval, backoff, backoffMax time.Duration
}

// or fills in what is zero.
func (t timing) or(d timing) timing {
	for _, span := range []struct{ to, from *time.Duration }{
		{&t.start, &d.start},
		{&t.describe, &d.describe},
		{&t.configure, &d.configure},
		{&t.authorize, &d.authorize},
		{&t.call, &d.call},
		{&t.check, &d.check},
		{&t.wait, &d.wait},
		{&t.drain, &d.drain},
		{&t.retire, &d.retire},
		{&t.stop, &d.stop},
		{&t.quit, &d.quit},
		{&t.healthTimeout, &d.healthTimeout},
		{&t.reset, &d.reset},
		{&t.settle, &d.settle},
		{&t.window, &d.window},
		{&t.probe, &d.probe},
		{&t.rest, &d.rest},
		{&t.recent, &d.recent},
		{&t.writing, &d.writing},
		{&t.rewrite, &d.rewrite},
		{&t.digest, &d.digest},
		{&t.healthInterval, &d.healthInterval},
		{&t.backoff, &d.backoff},
		{&t.backoffMax, &d.backoffMax},
	} {
		if *span.to == 0 {
			*span.to = *span.from
		}
	}
	return t
}

func defaults() timing {
	return timing{
		start: 5 * time.Second, describe: 2 * time.Second, configure: 10 * time.Second, authorize: 2 * time.Second,
		call: 10 * time.Second, check: 3 * time.Second, wait: 2 * time.Second,
		drain: 2 * time.Second, retire: 30 * time.Second, stop: 2 * time.Second, quit: time.Second,
		healthTimeout: 2 * time.Second, reset: time.Minute, settle: 3 * time.Second,
		window: 10 * time.Minute, probe: 5 * time.Minute, rest: 15 * time.Second, recent: 30 * time.Second,
		writing: 5 * time.Second, rewrite: 500 * time.Millisecond, digest: time.Second,
		healthInterval: 10 * time.Second, backoff: 100 * time.Millisecond, backoffMax: 30 * time.Second,
	}
}
