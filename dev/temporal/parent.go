package main

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// parentPoll is how often the parent is looked for. A second is short enough for a developer who
// starts the stack again at once, and costs one system call.
const parentPoll = time.Second

// withParent returns a context that ends when the process pid is gone. It is the second line of
// defence behind the signal that the kernel sends, which a change of user can clear. Zero means
// that there is no parent to follow.
func withParent(ctx context.Context, pid int) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if pid <= 0 {
		return ctx, cancel
	}
	go func() {
		tick := time.NewTicker(parentPoll)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				// EPERM still means alive: the parent may be root and this process may not.
				if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
					cancel()
					return
				}
			}
		}
	}()
	return ctx, cancel
}
