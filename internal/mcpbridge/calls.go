package mcpbridge

import (
	"context"
	"errors"
	"sync"
	"time"
)

// maxInFlight bounds the requests that wait for an answer; a model asks for a handful at a time.
const maxInFlight = 64

// Why a request ends before its answer.
var (
	errCancelled = errors.New("the client does not want the answer any more")
	errStopped   = away("xencrm mcp was stopped before the answer came: %s", lookFirst)
)

// calls are the requests in flight.
type calls struct {
	mu      sync.Mutex
	open    map[*call]struct{}
	stopped bool
	running sync.WaitGroup
}

// call is one request in flight.
type call struct {
	id     string
	cancel context.CancelCauseFunc
}

func newCalls() *calls { return &calls{open: map[*call]struct{}{}} }

// begin notes a request, whose context it gives, and end must be called. It errs when there are too many.
func (c *calls) begin(ctx context.Context, id string) (work context.Context, end func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.stopped:
		return nil, nil, errStopped
	case len(c.open) >= maxInFlight:
		return nil, nil, away("%d requests wait for their answers already: wait for some of them", maxInFlight)
	}
	work, cancel := context.WithCancelCause(ctx)
	one := &call{id, cancel}
	c.open[one] = struct{}{}
	c.running.Add(1)
	return work, func() {
		defer c.running.Done()
		cancel(nil)
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.open, one)
	}, nil
}

// cancel ends the requests with that id, of which there is one unless the client repeats itself.
func (c *calls) cancel(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for one := range c.open {
		if one.id == id {
			one.cancel(errCancelled)
		}
	}
}

// stop refuses further requests, and tells whether those in flight have ended within the time.
func (c *calls) stop(within time.Duration) bool {
	c.mu.Lock()
	c.stopped = true
	c.mu.Unlock()
	done := make(chan struct{})
	go func() {
		c.running.Wait()
		close(done)
	}()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}
