package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	sdkworker "go.temporal.io/sdk/worker"
	"golang.org/x/sync/errgroup"

	"github.com/xencrm/xencrm/activities"
	"github.com/xencrm/xencrm/db/business"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/vendor"
	"github.com/xencrm/xencrm/worker"
	"github.com/xencrm/xencrm/workflows"
)

type figures = map[string]float64

// perCustomer is the full engine with an activity a customer.
func (b *bench) perCustomer(ctx context.Context) (figures, error) {
	return b.fullEngine(ctx, b.recipients, map[string]any{"fan_out": "per_customer"}, ordersEach)
}

// pages is the full engine with an activity a page.
func (b *bench) pages(ctx context.Context) (figures, error) {
	return b.fullEngine(ctx, b.paged, map[string]any{"fan_out": "paged"}, ordersPaged)
}

// fullEngine launches a campaign over REST and times it from the stored audience to the closed books.
func (b *bench) fullEngine(ctx context.Context, recipients int, fields map[string]any, orders int) (figures, error) {
	id, err := b.launch(ctx, orders, fields)
	if err != nil {
		return nil, err
	}
	if _, err := b.await(ctx, id, "audience_resolved_at - created_at", recipients); err != nil {
		return nil, err
	}
	meter, err := b.startMeter(ctx)
	if err != nil {
		return nil, err
	}
	took, err := b.await(ctx, id, "finished_at - audience_resolved_at", recipients)
	if err != nil {
		return nil, err
	}
	out, err := meter.figures(ctx, recipients)
	if err != nil {
		return nil, err
	}
	work, err := b.histories(ctx, id)
	if err != nil {
		return nil, err
	}
	again, err := b.secondAttempts(ctx, id)
	n := float64(recipients)
	maps.Copy(out, again)
	maps.Copy(out, b.peaks())
	maps.Copy(out, figures{
		"per_s": n / took.Seconds(), "events_per_recipient": float64(work.events) / n,
		"largest_history_events": float64(work.largest), "history_bytes_per_recipient": float64(work.bytes) / n,
		"transitions_per_recipient": float64(work.transitions) / n,
	})
	return out, err
}

// secondAttempts tells how long after its first attempt a message was tried again: the engine waits for 0.25 to 0.5 s.
func (b *bench) secondAttempts(ctx context.Context, campaignID string) (figures, error) {
	var median, late float64
	err := b.business.QueryRow(ctx, `SELECT coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY s), 0),
		coalesce(percentile_cont(0.95) WITHIN GROUP (ORDER BY s), 0)
		FROM (SELECT extract(epoch FROM min(attempted_at) FILTER (WHERE attempt = 2) - min(attempted_at) FILTER (WHERE attempt = 1)) AS s
			FROM send_attempts JOIN communication_log USING (communication_id)
			WHERE campaign_id = $1 GROUP BY communication_id) AS tried
		WHERE s IS NOT NULL`, campaignID).Scan(&median, &late)
	return figures{"second_attempt_s_p50": median, "second_attempt_s_p95": late}, err
}

// nullVendor takes every message at once.
type nullVendor struct{ n atomic.Int64 }

func (v *nullVendor) Send(context.Context, vendor.Request) (vendor.Result, error) {
	return vendor.Result{VendorRef: fmt.Sprint("null-", v.n.Add(1)), Answer: 1}, nil
}

// engineAlone is the engine with its ledger, without a vendor or receipts: the campaign closes with every
// message in flight.
func (b *bench) engineAlone(ctx context.Context) (figures, error) {
	took, err := b.runInProcess(ctx, inProcess{
		vendor: &nullVendor{}, orders: ordersEach, recipients: b.recipients, workers: make([]worker.Options, 1),
	})
	return figures{"per_s": float64(b.recipients) / took.Seconds()}, err
}

// inProcess is a campaign that is run by workers of this process.
type inProcess struct {
	vendor vendor.Client
	// recipients are how many customers have at least so many orders.
	orders, recipients int
	rate               float64
	fanOut             campaign.FanOut
	workers            []worker.Options
}

// runInProcess gives how long the campaign took from the stored audience to the closed books.
func (b *bench) runInProcess(ctx context.Context, in inProcess) (time.Duration, error) {
	store := business.New(b.business)
	answers := business.NewRecorder(store)
	defer answers.Close()
	messages := business.NewReader(store)
	defer messages.Close()
	queue := "bench-" + uuid.NewString()
	for _, o := range in.workers {
		deps := activities.Deps{
			Audience: store, Messages: messages, Answers: answers, Books: store, Vendor: in.vendor, Now: time.Now,
			Log: slog.New(slog.DiscardHandler),
		}
		if o.VendorRate > 0 {
			turns := business.NewTurns(store, o.VendorRate)
			defer turns.Close()
			deps.Turns = turns
		}
		acts := activities.New(deps)
		sends := sdkworker.New(b.temporal, queue, o.SDK())
		workflows.Register(sends)
		pages := sdkworker.New(b.temporal, workflows.PagesQueue(queue), sdkworker.Options{DisableWorkflowWorker: true})
		for _, w := range []sdkworker.Worker{sends, pages} {
			w.RegisterActivity(acts)
			if err := w.Start(); err != nil {
				return 0, err
			}
			defer w.Stop()
		}
	}
	id, err := b.insertCampaign(ctx, store, in)
	if err != nil {
		return 0, err
	}
	input := workflows.CampaignInput{CampaignID: id, ReceiptDeadline: time.Millisecond, Rate: in.rate}
	if err := b.campaignWorkflow(ctx, input, queue); err != nil {
		return 0, err
	}
	return b.await(ctx, id.String(), "finished_at - audience_resolved_at", in.recipients)
}

// insertCampaign stores a campaign that the product's own workers do not take: its workflow runs already
// when they look for forgotten ones.
func (b *bench) insertCampaign(ctx context.Context, store *business.Store, in inProcess) (uuid.UUID, error) {
	rules, err := json.Marshal([]any{map[string]any{"id": "g", "operator": "AND", "rules": []any{rule("total_orders", ">=", in.orders)}}})
	if err != nil {
		return uuid.Nil, err
	}
	seg, err := store.InsertSegment(ctx, campaign.Segment{ID: uuid.New(), Name: "bench", Rules: rules, CreatedBy: "bench", UpdatedBy: "bench"})
	if err != nil {
		return uuid.Nil, err
	}
	c, _, err := store.InsertCampaign(ctx, campaign.Campaign{
		ID: uuid.New(), SegmentID: seg.ID, SegmentName: seg.Name, Rules: seg.Rules, Name: "bench",
		MessageTemplate: "Hi {{ name }}, you have spent {{ total_spend }} with us", Type: campaign.Promotional,
		Status: campaign.Active, FanOut: cmp.Or(in.fanOut, campaign.PerCustomer), Rate: in.rate, MaxAttempts: 3, SendDeadline: time.Hour,
		ReceiptDeadline: time.Millisecond, CreatedBy: "bench",
	}, []byte("bench"))
	return c.ID, err
}

// audience times ResolveAudience alone: the campaign is cancelled before it has sent much.
func (b *bench) audience(ctx context.Context) (figures, error) {
	// Hardly anything is sent before it is cancelled.
	id, err := b.launch(ctx, ordersAnybody, map[string]any{"rate": 1})
	if err != nil {
		return nil, err
	}
	took, err := b.await(ctx, id, "audience_resolved_at - created_at", b.audienceN)
	if err != nil {
		return nil, err
	}
	if err := b.send(ctx, "POST", b.system.API+"/api/campaigns/"+id+"/cancel", map[string]any{}, nil); err != nil {
		return nil, err
	}
	if _, err := b.await(ctx, id, "finished_at - created_at", b.audienceN); err != nil {
		return nil, err
	}
	return figures{"per_s": float64(b.audienceN) / took.Seconds(), "worker_peak_mb": peakMB(b.system.Pid("worker"))}, nil
}

// manyAtOnce launches 20 campaigns of a thousand together: none is to starve.
func (b *bench) manyAtOnce(ctx context.Context) (figures, error) {
	const campaigns, each = 20, 1000
	begin := time.Now()
	took := make([]float64, campaigns)
	var all errgroup.Group
	for i := range campaigns {
		all.Go(func() error {
			id, err := b.launch(ctx, ordersThousand, nil)
			if err != nil {
				return err
			}
			_, err = b.await(ctx, id, "finished_at - created_at", each)
			took[i] = time.Since(begin).Seconds()
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return nil, err
	}
	slices.Sort(took)
	return figures{
		"per_s": campaigns * each / took[campaigns-1], "last_over_median": took[campaigns-1] / took[campaigns/2],
	}, nil
}

// smallBesideBig launches a campaign of a hundred while a paged one is under way; per_s is of the small
// one alone, as a customer who waits for it sees it.
func (b *bench) smallBesideBig(ctx context.Context) (figures, error) {
	const small = 100
	alone, err := b.small(ctx, small)
	if err != nil {
		return nil, err
	}
	big, err := b.launch(ctx, ordersPaged, map[string]any{"fan_out": "paged"})
	if err != nil {
		return nil, err
	}
	if _, err := b.await(ctx, big, "audience_resolved_at - created_at", b.paged); err != nil {
		return nil, err
	}
	beside, err := b.small(ctx, small)
	if err != nil {
		return nil, err
	}
	var over bool
	if err := b.business.QueryRow(ctx, "SELECT finished_at IS NOT NULL FROM campaigns WHERE campaign_id = $1", big).Scan(&over); err != nil {
		return nil, err
	}
	if over {
		return nil, fmt.Errorf("the big campaign ended before the small one: make it bigger with -paged")
	}
	_, err = b.await(ctx, big, "finished_at - created_at", b.paged)
	return figures{"per_s": small / beside.Seconds(), "alone_s": alone.Seconds(), "beside_s": beside.Seconds()}, err
}

func (b *bench) small(ctx context.Context, n int) (time.Duration, error) {
	id, err := b.launch(ctx, ordersHundred, map[string]any{"campaign_type": "TRANSACTIONAL"})
	if err != nil {
		return 0, err
	}
	return b.await(ctx, id, "finished_at - created_at", n)
}

// receipts holds the receipts of a paged campaign back until all of it is sent, and times how long they
// take from the vendor into the closed books, three copies of each, shuffled.
func (b *bench) receipts(ctx context.Context) (figures, error) {
	const copies = 3
	if err := b.vendor(ctx, map[string]any{"hold_receipts": true, "receipt_copies": copies, "shuffle_receipts": true}); err != nil {
		return nil, err
	}
	n := b.paged
	id, err := b.launch(ctx, ordersPaged, map[string]any{"fan_out": "paged"})
	if err != nil {
		return nil, err
	}
	sent := 0
	if err := b.until(ctx, often, func() (bool, error) {
		var done bool
		err := b.business.QueryRow(ctx, `SELECT pending_count = 0 AND total_messages = $2, in_flight_count FROM campaign_stats
			WHERE campaign_id = $1 UNION ALL SELECT false, 0 LIMIT 1`, id, n).Scan(&done, &sent)
		return done, err
	}); err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := b.vendor(ctx, map[string]any{"hold_receipts": false}); err != nil {
		return nil, err
	}
	if _, err := b.await(ctx, id, "finished_at - created_at", n); err != nil {
		return nil, err
	}
	took := time.Since(begin)
	err = b.vendor(ctx, map[string]any{"receipt_copies": 1, "shuffle_receipts": false})
	return figures{"per_s": copies * float64(sent) / took.Seconds(), "distinct_per_s": float64(sent) / took.Seconds()}, err
}
