package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/xencrm/xencrm/activities"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/worker"
	"github.com/xencrm/xencrm/workflows"
)

const (
	// plainLanes and plainWindow are those of the ceilings that are not our workflow: as many at once as
	// our own lanes have, so that the difference is in what is run and not in how much of it at once.
	plainLanes, plainWindow = 8, 45
	// plainTimeout is that of our sends. Each activity leaves a timer behind that fires for nothing, and with a minute
	// the scenarios that come next would pay for it.
	plainTimeout = 15 * time.Second
	// plainRun is how many activities one run makes before it continues as new: about 5,000 events.
	plainRun = 1500
)

// sdkDefaults runs empty activities in windows with a worker as the SDK makes it.
func (b *bench) sdkDefaults(ctx context.Context) (figures, error) {
	return b.plainWorkflows(ctx, sdkworker.Options{}, "activities")
}

// localActivities runs empty local activities: nothing but the workflow's own tasks reach the server.
func (b *bench) localActivities(ctx context.Context) (figures, error) {
	return b.plainWorkflows(ctx, worker.Options{}.SDK(), "local")
}

func (b *bench) plainWorkflows(ctx context.Context, opts sdkworker.Options, kind string) (figures, error) {
	queue := "bench-" + uuid.NewString()
	w := sdkworker.New(b.temporal, queue, opts)
	w.RegisterWorkflow(manyActivities)
	w.RegisterActivity(doNothing)
	if err := w.Start(); err != nil {
		return nil, err
	}
	defer w.Stop()
	return b.metered(ctx, b.recipients, func() error {
		var runs []client.WorkflowRun
		for lane := range plainLanes {
			run, err := b.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
				ID: fmt.Sprintf("%s-%d", queue, lane), TaskQueue: queue,
			}, manyActivities, kind, b.recipients/plainLanes)
			if err != nil {
				return err
			}
			runs = append(runs, run)
		}
		for _, run := range runs {
			if err := run.Get(ctx, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// doNothing is the empty activity.
func doNothing(context.Context) error { return nil }

// manyActivities runs n activities of a kind, plainWindow at a time.
func manyActivities(ctx workflow.Context, kind string, n int) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: plainTimeout})
	ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: plainTimeout})
	window := workflow.NewSemaphore(ctx, plainWindow)
	here := min(n, plainRun)
	done := workflow.NewWaitGroup(ctx)
	var failed error
	for range here {
		if err := window.Acquire(ctx, 1); err != nil {
			return err
		}
		done.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer done.Done()
			defer window.Release(1)
			f := startOne(ctx, kind)
			if err := f.Get(ctx, nil); err != nil {
				failed = err
			}
		})
	}
	done.Wait(ctx)
	if failed != nil || n == here {
		return failed
	}
	return workflow.NewContinueAsNewError(ctx, manyActivities, kind, n-here)
}

func startOne(ctx workflow.Context, kind string) workflow.Future {
	if kind == "local" {
		return workflow.ExecuteLocalActivity(ctx, doNothing)
	}
	return workflow.ExecuteActivity(ctx, doNothing)
}

// emptyActivities runs the campaign workflow over activities that do nothing.
func (b *bench) emptyActivities(ctx context.Context) (figures, error) {
	queue := "bench-" + uuid.NewString()
	w := sdkworker.New(b.temporal, queue, worker.Options{}.SDK())
	workflows.Register(w)
	w.RegisterActivity(&empty{n: b.recipients})
	if err := w.Start(); err != nil {
		return nil, err
	}
	defer w.Stop()
	in := workflows.CampaignInput{CampaignID: uuid.New(), ReceiptDeadline: time.Hour}
	return b.metered(ctx, b.recipients, func() error { return b.campaignWorkflow(ctx, in, queue) })
}

// metered times work over so many recipients and measures what it costs.
func (b *bench) metered(ctx context.Context, recipients int, work func() error) (figures, error) {
	meter, err := b.startMeter(ctx)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := work(); err != nil {
		return nil, err
	}
	took := time.Since(begin)
	out, err := meter.figures(ctx, recipients)
	if err != nil {
		return nil, err
	}
	out["per_s"] = float64(recipients) / took.Seconds()
	return out, nil
}

// campaignWorkflow runs the campaign's workflow on a task queue of the scenario's own.
func (b *bench) campaignWorkflow(ctx context.Context, in workflows.CampaignInput, queue string) error {
	run, err := b.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflows.CampaignWorkflowID(in.CampaignID, 0), TaskQueue: queue,
	}, workflows.CampaignWorkflowName, in)
	if err != nil {
		return err
	}
	return run.Get(ctx, nil)
}

// empty answers at once, under the names and with the results of the real activities.
type empty struct{ n int }

//nolint:unparam // an activity gives an error
func (e *empty) ResolveAudience(context.Context, activities.AudienceInput) (activities.AudienceResult, error) {
	return activities.AudienceResult{Sendable: e.n, Totals: campaign.Totals{Audience: e.n, Pending: e.n, Revision: 1}}, nil
}

//nolint:unparam // an activity gives an error
func (e *empty) SendMessage(context.Context, activities.SendInput) (activities.SendResult, error) {
	return activities.SendResult{Status: campaign.MessageSent, Attempts: 1}, nil
}

func (e *empty) ReadTotals(context.Context, activities.CampaignRef) (campaign.Totals, error) {
	return campaign.Totals{Audience: e.n, Delivered: e.n, Sent: e.n, Revision: 2}, nil
}

func (e *empty) FinalizeCampaign(ctx context.Context, in activities.FinalizeInput) (campaign.Totals, error) {
	return e.ReadTotals(ctx, activities.CampaignRef{CampaignID: in.CampaignID})
}
