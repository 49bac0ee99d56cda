package main

import (
	"context"
	"runtime/debug"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/authd/authd/internal/host"
)

// settle gives back the memory that only the start needed, once the providers are ready. The function that it returns
// ends that.
func settle(ctx context.Context, server *host.Server, log hclog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() {
		_ = server.WaitReady(ctx) // who is not ready by then has said so in the log
		if ctx.Err() != nil {
			return
		}
		debug.FreeOSMemory()
		if err := forgetProgram(); err != nil {
			log.Debug("the program's own pages stay in memory", "cause", err.Error())
		}
	})
	return func() {
		cancel()
		work.Wait()
	}
}
