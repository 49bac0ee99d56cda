// Authd logs people in through any identity provider and tells applications who they are.
//
// This package is the command line alone: flags, signals, exit codes. One file holds one command; root.go joins them.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(process()) }

// process runs authd as this process. An interrupt asks it to stop; a second one ends it at once.
func process() int {
	if reaps(os.Args[1:]) {
		return reap()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	a := &app{out: os.Stdout, errOut: os.Stderr, environ: os.Environ()}
	return a.run(ctx, os.Args[1:])
}
