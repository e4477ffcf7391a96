// Package worker runs the campaign workflows and their activities against a Temporal server.
package worker

import (
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/xencrm/xencrm/activities"
	"github.com/xencrm/xencrm/workflows"
)

// Options tunes one worker process; ApplyDefaults gives what was measured to work on two cores.
type Options struct {
	// MaxSends is how many activities run at once in this process: 16 lanes of 45.
	MaxSends int
	// EagerSends is how many activities one workflow task may hand straight to this worker, without
	// a round trip through matching. The SDK's default of 3 halves the rate.
	EagerSends int
	// StickyCache is how many workflows are kept in memory between their tasks.
	StickyCache int
	// StopTimeout is how long a graceful stop waits for the sends under way: longer than the
	// vendor's 5 s and the ledger's 10 s together.
	StopTimeout time.Duration
}

// ApplyDefaults fills in what is zero.
func (o *Options) ApplyDefaults() {
	if o.MaxSends == 0 {
		o.MaxSends = 16 * 45
	}
	if o.EagerSends == 0 {
		o.EagerSends = 45
	}
	if o.StickyCache == 0 {
		o.StickyCache = 2000
	}
	if o.StopTimeout == 0 {
		o.StopTimeout = 30 * time.Second
	}
}

// New makes a worker for the campaign task queue; it does nothing before Start.
func New(c client.Client, a *activities.Activities, o Options) worker.Worker {
	o.ApplyDefaults()
	worker.SetStickyWorkflowCacheSize(o.StickyCache)
	w := worker.New(c, workflows.TaskQueue, o.SDK())
	workflows.Register(w)
	w.RegisterActivity(a)
	return w
}

// SDK gives the options as the SDK takes them; the benchmarks dispatch their empty activities with them.
func (o Options) SDK() worker.Options {
	o.ApplyDefaults()
	return worker.Options{
		MaxConcurrentActivityExecutionSize:          o.MaxSends,
		MaxEagerActivityReservationsPerWorkflowTask: &o.EagerSends,
		WorkerStopTimeout:                           o.StopTimeout,
		// Eager dispatch carries the first tries; pollers serve retries and the activities of the books.
		MaxConcurrentActivityTaskPollers: 4,
		MaxConcurrentWorkflowTaskPollers: 8,
	}
}
