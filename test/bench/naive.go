package main

import (
	"context"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/xencrm/xencrm/internal/vendor"
	"github.com/xencrm/xencrm/internal/vendors/httpvendor"
)

const (
	// naiveRecipients is as many as it bears: Temporal refuses more than 2,000 pending activities of one
	// workflow, and then the workflow stands still.
	naiveRecipients = 1500
	// naiveCampaigns run one after another: one alone is over before its own timers begin to fire, half a minute in
	// all shows what it does for longer.
	naiveCampaigns = 6
)

// naive is what people would write first: one workflow for the campaign, an activity and one UPDATE a
// send, and for each receipt another UPDATE and a signal. Its receipts do not even cross a broker.
type naive struct {
	b      *bench
	vendor vendor.Client
	id     uuid.UUID
}

func (b *bench) baseline(ctx context.Context) (figures, error) {
	url, stop, err := b.aloofVendor(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	sender, err := httpvendor.New(httpvendor.Config{BaseURL: url, MaxIdleConns: plainConnections})
	if err != nil {
		return nil, err
	}
	if _, err := b.business.Exec(ctx, `CREATE TABLE IF NOT EXISTS bench_naive (
		campaign_id uuid, n int, status text NOT NULL DEFAULT 'PENDING', PRIMARY KEY (campaign_id, n))`); err != nil {
		return nil, err
	}
	return b.metered(ctx, naiveCampaigns*naiveRecipients, func() error {
		for range naiveCampaigns {
			n := &naive{b: b, vendor: sender, id: uuid.New()}
			if err := n.run(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

func (n *naive) run(ctx context.Context) error {
	const messages = "INSERT INTO bench_naive SELECT $1, i FROM generate_series(1, $2::int) i"
	if _, err := n.b.business.Exec(ctx, messages, n.id, naiveRecipients); err != nil {
		return err
	}
	queue := "bench-" + n.id.String()
	w := sdkworker.New(n.b.temporal, queue, sdkworker.Options{})
	w.RegisterWorkflow(n.Campaign)
	w.RegisterActivity(n.Send)
	if err := w.Start(); err != nil {
		return err
	}
	defer w.Stop()
	run, err := n.b.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: queue, TaskQueue: queue}, n.Campaign, naiveRecipients)
	if err != nil {
		return err
	}
	return run.Get(ctx, nil)
}

// Campaign sends to everyone at once, as the SDK's samples do, and counts signals.
func (n *naive) Campaign(ctx workflow.Context, recipients int) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: plainTimeout})
	for i := range recipients {
		workflow.ExecuteActivity(ctx, n.Send, i+1)
	}
	receipts := workflow.GetSignalChannel(ctx, "receipt")
	for range recipients {
		receipts.Receive(ctx, nil)
	}
	return nil
}

// Send posts one message, updates its row, and, as the vendor's receipt would, updates it again and
// signals the campaign.
func (n *naive) Send(ctx context.Context, i int) error {
	message := plainMessage(n.id.String(), int64(i))
	message.MaxAttempts = 1
	_, _ = n.vendor.Send(ctx, message) // whatever it answers, a receipt follows
	for _, status := range []string{"SENT", "DELIVERED"} {
		if _, err := n.b.business.Exec(ctx, "UPDATE bench_naive SET status = $3 WHERE campaign_id = $1 AND n = $2", n.id, i, status); err != nil {
			return err
		}
	}
	return n.b.temporal.SignalWorkflow(ctx, "bench-"+n.id.String(), "", "receipt", i)
}
