// Package worker runs the campaign workflows and their activities against a Temporal server.
package worker

import (
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/xencrm/xencrm/activities"
	"github.com/xencrm/xencrm/workflows"
)

// Options tunes one worker process; ApplyDefaults gives what was measured to work on two cores.
type Options struct {
	// MaxSends is how many activities run at once in this process: twice the 16 lanes of 45 that one
	// campaign has in flight. A slot is free only when the server has heard of the end, and a send that
	// finds none is dispatched through matching, which costs Temporal a quarter more CPU: with 720 slots a
	// campaign of ten thousand sent 416 a second, with 1,440 653.
	MaxSends int
	// EagerSends is how many activities one workflow task may hand straight to this worker, without
	// a round trip through matching. The SDK's default of 3 halves the rate.
	EagerSends int
	// StickyCache is how many workflows are kept in memory between their tasks.
	StickyCache int
	// StopTimeout is how long a graceful stop waits for the sends under way: longer than the
	// vendor's 5 s and the ledger's 10 s together.
	StopTimeout time.Duration
	// VendorRate is how many sends a second Temporal hands out in all, to every worker and for every
	// campaign; 0 is no limit. Eager dispatch bypasses it, so it is off then. All workers must have the
	// same: the server goes by the one that asked last.
	VendorRate float64
	// Pages is how many pages run at once in this process. Their posts share MaxSends connections, so
	// this bounds memory: 64 pages of 500 messages of a kilobyte are 32 MB. It is four times what the
	// connections need, so that paced pages, which hardly post, do not keep fast ones waiting.
	Pages int
}

// ApplyDefaults fills in what is zero.
func (o *Options) ApplyDefaults() {
	if o.MaxSends == 0 {
		o.MaxSends = 2 * 16 * 45
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
	if o.Pages == 0 {
		o.Pages = 64
	}
}

// Worker serves the task queue of campaigns and that of their pages.
type Worker struct {
	workers []worker.Worker
	started int
}

// New makes a worker; it does nothing before Start.
func New(c client.Client, a *activities.Activities, o Options) *Worker {
	o.ApplyDefaults()
	worker.SetStickyWorkflowCacheSize(o.StickyCache)
	campaigns := worker.New(c, workflows.TaskQueue, o.SDK())
	workflows.Register(campaigns)
	pages := worker.New(c, workflows.PagesQueue(workflows.TaskQueue), o.pages())
	for _, w := range []worker.Worker{campaigns, pages} {
		w.RegisterActivity(a)
	}
	return &Worker{workers: []worker.Worker{campaigns, pages}}
}

// Start begins to take work. After an error it may be called again and goes on where it failed.
func (w *Worker) Start() error {
	for w.started < len(w.workers) {
		if err := w.workers[w.started].Start(); err != nil {
			return err
		}
		w.started++
	}
	return nil
}

// Stop takes no more work and waits, up to StopTimeout, for what is under way.
func (w *Worker) Stop() {
	var stopping sync.WaitGroup
	for _, one := range w.workers {
		stopping.Go(one.Stop)
	}
	stopping.Wait()
}

// SDK gives the options as the SDK takes them; the benchmarks dispatch their empty activities with them.
func (o Options) SDK() worker.Options {
	o.ApplyDefaults()
	return worker.Options{
		MaxConcurrentActivityExecutionSize:          o.MaxSends,
		MaxEagerActivityReservationsPerWorkflowTask: &o.EagerSends,
		WorkerStopTimeout:                           o.StopTimeout,
		// Eager dispatch carries the attempts; pollers serve what Temporal repeats, the activities of the books, and
		// every send under VendorRate. A task that finds none waiting goes through Temporal's database: two workers
		// sent 226 to 231 a second under a VendorRate of 250 with 16, and 200 to 214 with 4.
		MaxConcurrentActivityTaskPollers: 16,
		TaskQueueActivitiesPerSecond:     o.VendorRate,
		DisableEagerActivities:           o.VendorRate > 0,
		MaxConcurrentWorkflowTaskPollers: 8,
	}
}

// pages gives the options of the worker that runs nothing but pages.
func (o Options) pages() worker.Options {
	return worker.Options{
		DisableWorkflowWorker:              true,
		MaxConcurrentActivityExecutionSize: o.Pages,
		WorkerStopTimeout:                  o.StopTimeout,
		// A page learns that it is to stop from the answer to a heartbeat, so each must go out.
		MaxHeartbeatThrottleInterval: activities.PageBeat,
		// A page takes a tenth of a second at least: two pollers hand out more than can run.
		MaxConcurrentActivityTaskPollers: 2,
	}
}
