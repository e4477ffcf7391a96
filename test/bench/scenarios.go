package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	sdkworker "go.temporal.io/sdk/worker"

	"github.com/xencrm/xencrm/activities"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/demo"
	"github.com/xencrm/xencrm/worker"
	"github.com/xencrm/xencrm/workflows"
)

// bench is a running system and what the scenarios need of it.
type bench struct {
	system   *demo.System
	business *pgxpool.Pool
	temporal client.Client
	sizes
}

// Numbers of orders by which the segments of the scenarios tell their customers: everyone has at least
// those of its own scenario.
const (
	ordersAnybody = iota
	ordersPaged
	ordersEach
)

func connect(ctx context.Context, system *demo.System, n sizes) (*bench, error) {
	b := &bench{system: system, sizes: n}
	var err error
	if b.business, err = pgxpool.New(ctx, system.Stack.BusinessURL); err == nil {
		b.temporal, err = client.Dial(client.Options{
			HostPort:          system.Stack.TemporalAddress,
			Logger:            log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
			ConnectionOptions: client.ConnectionOptions{GrpcCompression: &client.GrpcCompressionNone{}},
		})
	}
	if err != nil {
		b.close()
		return nil, err
	}
	return b, b.customers(ctx)
}

func (b *bench) close() {
	if b.temporal != nil {
		b.temporal.Close()
	}
	if b.business != nil {
		b.business.Close()
	}
	b.system.Down()
}

// customers fills the projection directly: ingest is not what is measured here. The first ones are told
// from the rest by their number of orders, so that each scenario has a segment of its size.
func (b *bench) customers(ctx context.Context) error {
	_, err := b.business.Exec(ctx, `INSERT INTO customers_mv
		(customer_id, version, name, email, total_spend, total_visits, total_orders, status)
		SELECT md5(i::text)::uuid, 1, 'Customer ' || i, 'c' || i || '@example.com', i % 9999, i % 50,
			CASE WHEN i <= $1 THEN $2 WHEN i <= $3 THEN $4 ELSE 0 END, 'ACTIVE'
		FROM generate_series(1, $5::int) i`,
		b.recipients, ordersEach, b.paged, ordersPaged, max(b.audienceN, b.recipients, b.paged))
	return err
}

// emptyActivities runs the campaign workflow over activities that do nothing.
func (b *bench) emptyActivities(ctx context.Context) (map[string]float64, error) {
	queue := "bench-" + uuid.NewString()
	opts := worker.Options{}
	w := sdkworker.New(b.temporal, queue, opts.SDK())
	workflows.Register(w)
	w.RegisterActivity(&empty{n: b.recipients})
	if err := w.Start(); err != nil {
		return nil, err
	}
	defer w.Stop()
	in := workflows.CampaignInput{CampaignID: uuid.New(), ReceiptDeadline: time.Hour}
	begin := time.Now()
	run, err := b.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflows.CampaignWorkflowID(in.CampaignID, 0), TaskQueue: queue,
	}, workflows.CampaignWorkflowName, in)
	if err != nil {
		return nil, err
	}
	if err := run.Get(ctx, nil); err != nil {
		return nil, err
	}
	return map[string]float64{"per_s": float64(b.recipients) / time.Since(begin).Seconds()}, nil
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

// perCustomer is the full engine with an activity a customer.
func (b *bench) perCustomer(ctx context.Context) (map[string]float64, error) {
	return b.fullEngine(ctx, b.recipients, map[string]any{"fan_out": "per_customer"}, ordersEach)
}

// pages is the full engine with an activity a page.
func (b *bench) pages(ctx context.Context) (map[string]float64, error) {
	return b.fullEngine(ctx, max(b.paged, b.recipients), map[string]any{"fan_out": "paged"}, ordersPaged)
}

// fullEngine launches a campaign over REST and times it from the stored audience to the closed books.
func (b *bench) fullEngine(ctx context.Context, recipients int, fields map[string]any, orders int) (map[string]float64, error) {
	commits, err := b.commits(ctx)
	if err != nil {
		return nil, err
	}
	id, err := b.launch(ctx, orders, fields)
	if err != nil {
		return nil, err
	}
	took, err := b.await(ctx, id, "finished_at - audience_resolved_at", recipients)
	if err != nil {
		return nil, err
	}
	after, err := b.commits(ctx)
	if err != nil {
		return nil, err
	}
	events, largest, err := b.histories(ctx, id)
	if err != nil {
		return nil, err
	}
	n := float64(recipients)
	return map[string]float64{
		"per_s": n / took.Seconds(), "events_per_recipient": float64(events) / n, "largest_history_events": float64(largest),
		"commits_per_recipient": float64(after-commits) / n, "worker_peak_mb": b.peakMB("worker"),
	}, nil
}

// audience times ResolveAudience alone: the campaign is cancelled before it has sent much.
func (b *bench) audience(ctx context.Context) (map[string]float64, error) {
	// Hardly anything is sent before it is cancelled.
	id, err := b.launch(ctx, ordersAnybody, map[string]any{"rate": 1})
	if err != nil {
		return nil, err
	}
	took, err := b.await(ctx, id, "audience_resolved_at - created_at", b.audienceN)
	if err != nil {
		return nil, err
	}
	if err := b.post(ctx, "/api/campaigns/"+id+"/cancel", map[string]any{}, nil); err != nil {
		return nil, err
	}
	if _, err := b.await(ctx, id, "finished_at - created_at", b.audienceN); err != nil {
		return nil, err
	}
	return map[string]float64{"per_s": float64(b.audienceN) / took.Seconds(), "worker_peak_mb": b.peakMB("worker")}, nil
}

// launch launches a campaign over everyone with at least so many orders.
func (b *bench) launch(ctx context.Context, orders int, fields map[string]any) (string, error) {
	var segment struct {
		Data struct {
			SegmentID string `json:"segment_id"`
		} `json:"data"`
	}
	if err := b.post(ctx, "/api/segments", map[string]any{"name": "bench", "rules": []any{map[string]any{
		"id": "g", "operator": "AND", "rules": []any{map[string]any{"id": "r", "field": "total_orders", "operator": ">=", "value": orders}},
	}}}, &segment); err != nil {
		return "", err
	}
	var made struct {
		Data struct {
			CampaignID string `json:"campaign_id"`
		} `json:"data"`
	}
	body := map[string]any{
		"name": "bench", "segment_id": segment.Data.SegmentID, "created_by": "bench",
		"message_template": "Hi {{ name }}, you have spent {{ total_spend }} with us",
	}
	maps.Copy(body, fields)
	err := b.post(ctx, "/api/campaigns", body, &made)
	return made.Data.CampaignID, err
}

// await polls until the interval is known and gives it.
func (b *bench) await(ctx context.Context, id, interval string, want int) (time.Duration, error) {
	for {
		var seconds *float64
		var audience int
		query := "SELECT extract(epoch FROM " + interval + ")::float8, target_audience_count FROM campaigns WHERE campaign_id = $1"
		err := b.business.QueryRow(ctx, query, id).Scan(&seconds, &audience)
		if err != nil {
			return 0, err
		}
		if seconds != nil {
			if audience != want {
				return 0, fmt.Errorf("audience of %d, want %d", audience, want)
			}
			return time.Duration(*seconds * float64(time.Second)), nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(50 * time.Millisecond): // fine against runs of seconds
		}
	}
}

func (b *bench) commits(ctx context.Context) (int64, error) {
	var n int64
	// The counters of a database are published with a delay of up to a second by each session.
	err := b.business.QueryRow(ctx, "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()").Scan(&n)
	return n, err
}

// histories counts the events of the campaign's workflow and its lanes, over all their runs.
func (b *bench) histories(ctx context.Context, id string) (all, largest int64, err error) {
	query := fmt.Sprintf("WorkflowId BETWEEN %q AND %q", "campaign-"+id, "campaign-"+id+"~")
	var token []byte
	for {
		page, err := b.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, NextPageToken: token})
		if err != nil {
			return 0, 0, err
		}
		for _, w := range page.GetExecutions() {
			all += w.GetHistoryLength()
			largest = max(largest, w.GetHistoryLength())
		}
		if token = page.GetNextPageToken(); len(token) == 0 {
			return all, largest, nil
		}
	}
}

// peakMB is the most memory that a role has used since it started.
func (b *bench) peakMB(role string) float64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.system.Pid(role)))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		var kb float64
		if n, err := fmt.Sscanf(line, "VmHWM: %f kB", &kb); err == nil && n == 1 {
			return kb / 1024
		}
	}
	return 0
}

func (b *bench) post(ctx context.Context, path string, body, out any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.system.API+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: time.Minute}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s: status %d: %s", path, res.StatusCode, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}
