// Package demo runs the whole of XenCRM on one machine: it brings up the servers, starts every role
// as a supervised child process of this binary, seeds customers and orders through the public API,
// launches a campaign and shows its progress until the books are closed.
//
// It reaches the engine through the public REST API only, as any user's program would.
package demo

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/config"
	"github.com/xencrm/xencrm/internal/errs"
)

// Demo is one run.
type Demo struct {
	cfg    config.Demo
	screen *screen
	system *System
	api    *client
}

// New makes a demo that prints to out.
func New(cfg config.Demo, out *os.File) *Demo { return &Demo{cfg: cfg, screen: newScreen(out)} }

// Run brings everything up, runs the campaign and, unless told to exit, stays up until ctx ends. It
// errs when the campaign is not COMPLETED or its books do not balance.
func (d *Demo) Run(ctx context.Context) error {
	limit, cancel := context.WithTimeout(ctx, d.cfg.Timeout)
	defer cancel()
	system, err := Up(limit, d.cfg, func(line string) { d.screen.say("%s", line) })
	if err != nil {
		return err
	}
	defer system.Down()
	d.system, d.api = system, newClient(system.API, system.Key)
	if err := d.campaign(limit); err != nil {
		return err
	}
	d.addresses()
	if d.cfg.Exit {
		return nil
	}
	d.screen.say("\nEverything stays up. Ctrl-C ends it.")
	<-ctx.Done()
	d.screen.say("\nStopping …")
	return nil
}

// campaign is the main job: customers and orders in, a segment, a campaign, closed books.
func (d *Demo) campaign(ctx context.Context) error {
	customers := population(d.cfg.Seed, d.cfg.Customers)
	d.screen.say("\nSeeding %d customers and %d orders through RabbitMQ", len(customers), len(customers)*ordersEach)
	if err := d.seed(ctx, customers, fmt.Sprintf("demo-%d", d.cfg.Seed)); err != nil {
		return err
	}
	if err := d.awaitProjection(ctx, customers); err != nil {
		return err
	}
	segmentID, size, err := d.segment(ctx)
	if err != nil {
		return err
	}
	d.screen.say("\nSegment \"Buyers who are active\": %d customers", size)
	id, err := d.launch(ctx, segmentID)
	if err != nil {
		return err
	}
	d.screen.say("Campaign \"Festival Sale\" launched: %s", d.workflowURL(id))
	if err := d.watch(ctx, id); err != nil {
		return err
	}
	return d.books(ctx, id)
}

// awaitProjection waits until every seeded order has reached the database that segments are read from.
func (d *Demo) awaitProjection(ctx context.Context, customers []seedCustomer) error {
	start := time.Now()
	for n, want := range byOrders(customers) {
		if err := d.awaitCount(ctx, n, want); err != nil {
			return err
		}
	}
	d.screen.say("  everything is in the projection after %s more", time.Since(start).Round(10*time.Millisecond)) //nolint:mnd // to hundredths
	return nil
}

// awaitCount waits for as many customers with n completed orders; an earlier run may have left more.
func (d *Demo) awaitCount(ctx context.Context, n, want int) error {
	for {
		var got struct {
			Count int `json:"count"`
		}
		err := d.api.call(ctx, request{
			method: http.MethodPost, path: "/api/segments/preview", body: map[string]any{"rules": d.withOrders(n)}, want: http.StatusOK,
		}, &got)
		if err != nil || got.Count >= want {
			return err
		}
		d.screen.show(fmt.Sprintf("  in the projection: %d of %d customers with %d orders", got.Count, want, n))
		select {
		case <-ctx.Done():
			return fmt.Errorf("only %d of %d customers with %d orders have reached the projection: %w", got.Count, want, n, ctx.Err())
		case <-time.After(busyPause):
		}
	}
}

// segment saves the demo's segment and gives its size.
func (d *Demo) segment(ctx context.Context) (id string, size int, err error) {
	var got struct {
		Data struct {
			SegmentID    string `json:"segment_id"`
			PreviewCount int    `json:"preview_count"`
		} `json:"data"`
	}
	err = d.api.call(ctx, request{method: http.MethodPost, path: "/api/segments", want: http.StatusCreated, body: map[string]any{
		"name": "Buyers who are active", "description": "At least one completed order", "rules": buyers(),
	}}, &got)
	return got.Data.SegmentID, got.Data.PreviewCount, err
}

func (d *Demo) launch(ctx context.Context, segmentID string) (string, error) {
	var got struct {
		Data struct {
			CampaignID string `json:"campaign_id"`
		} `json:"data"`
	}
	body := map[string]any{
		"name": "Festival Sale", "segment_id": segmentID, "campaign_type": "PROMOTIONAL", "created_by": "demo",
		"message_template": "Hi {{ name }}, you have spent {{ total_spend }} with us over {{ total_orders }} orders. " +
			"{% if total_orders > 3 %}Here is 20% off{% else %}Here is 10% off{% endif %} on your next one!",
	}
	err := d.api.call(ctx, request{
		method: http.MethodPost, path: "/api/campaigns", key: randomKey(), body: body, want: http.StatusCreated,
	}, &got)
	return got.Data.CampaignID, err
}

// watch shows the progress until the campaign has ended.
func (d *Demo) watch(ctx context.Context, id string) error {
	start := time.Now()
	for {
		c, err := d.campaignNow(ctx, id)
		if err != nil {
			return err
		}
		d.screen.show(progressLine(campaign.Progress{Phase: c.Status, Totals: c.Stats.Totals}, time.Since(start)))
		if campaign.Status(c.Status).Ended() {
			d.screen.say("  %s after %s", c.Status, time.Since(start).Round(10*time.Millisecond)) //nolint:mnd // to hundredths
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the campaign has not ended in time: %w", ctx.Err())
		case <-time.After(busyPause):
		}
	}
}

// books prints the closed books and errs when they are not what they must be.
func (d *Demo) books(ctx context.Context, id string) error {
	c, err := d.campaignNow(ctx, id)
	if err != nil {
		return err
	}
	t := c.Stats.Totals
	d.screen.say("\nThe books of the campaign")
	for _, row := range []struct {
		what string
		n    int
	}{
		{"audience", t.Audience},
		{"delivered", t.Delivered},
		{"failed", t.Failed},
		{"skipped", t.Skipped},
		{"cancelled", t.Cancelled},
		{"in flight", t.InFlight},
		{"pending", t.Pending},
	} {
		d.screen.say("  %-10s %8d", row.what, row.n)
	}
	d.screen.say("  %-10s %8d   delivery rate %s %%", "sent", t.Sent, c.Stats.DeliveryRate)
	switch {
	case campaign.Status(c.Status) != campaign.Completed:
		return errs.Errorf(errs.Conflict, "the campaign ended %s: %s", c.Status, c.FailureReason)
	case !t.Balanced() || !t.Settled():
		return errs.Errorf(errs.Conflict, "the books do not balance: %+v", t)
	}
	d.screen.say("  %d = %d + %d + %d + %d: every recipient is accounted for", t.Audience, t.Delivered, t.Failed, t.Skipped, t.Cancelled)
	return nil
}

// campaignView is the part of GET /api/campaigns/{id} that the demo shows.
type campaignView struct {
	Status        string    `json:"status"`
	FailureReason string    `json:"failure_reason"`
	Stats         statsView `json:"campaign_stats"`
}

type statsView struct {
	Totals       campaign.Totals `json:"totals"`
	DeliveryRate string          `json:"delivery_rate"`
}

func (d *Demo) campaignNow(ctx context.Context, id string) (campaignView, error) {
	var got struct {
		Data campaignView `json:"data"`
	}
	err := d.api.get(ctx, "/api/campaigns/"+id, &got)
	return got.Data, err
}

func (d *Demo) workflowURL(id string) string {
	return d.system.Stack.TemporalUIURL + "/namespaces/default/workflows/campaign-" + id
}

// addresses says where to look.
func (d *Demo) addresses() {
	d.screen.say("\nWhere to look")
	for _, row := range [][2]string{
		{"API", d.system.API},
		{"API docs", d.system.API + "/docs"},
		{"MCP", d.system.API + "/mcp"},
		{"Temporal Web UI", d.system.Stack.TemporalUIURL},
		{"RabbitMQ", d.system.Stack.RabbitManagementURL},
		{"mock vendor", d.system.Vendor + "/admin/summary"},
		{"all of it", filepath.Join(d.cfg.Dir, "env")},
	} {
		d.screen.say("  %-16s %s", row[0], row[1])
	}
}

func buyers() []any {
	return []any{map[string]any{"id": "group_1", "operator": "AND", "rules": []any{
		map[string]any{"id": "rule_1", "field": "status", "operator": "=", "value": "ACTIVE"},
		map[string]any{"id": "rule_2", "field": "total_orders", "operator": ">", "value": 0},
	}}}
}

// withOrders match the customers of this seed who have n completed orders.
func (d *Demo) withOrders(n int) []any {
	return []any{map[string]any{"id": "group_1", "operator": "AND", "rules": []any{
		map[string]any{"id": "rule_1", "field": "total_orders", "operator": "=", "value": n},
		map[string]any{"id": "rule_2", "field": "email", "operator": "ends_with", "value": domain(d.cfg.Seed)},
	}}}
}
