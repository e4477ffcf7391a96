package main

import (
	"context"
	"fmt"
)

// phase is a moment in the life of a round at which a fault strikes.
type phase string

const (
	idle     phase = "idle"
	ingest   phase = "ingest"
	launched phase = "launched"
	audience phase = "audience"
	send10   phase = "send-10"
	send50   phase = "send-50"
	send99   phase = "send-99"
	receipts phase = "receipts"
	closing  phase = "finalising"
	after    phase = "after"
)

// phases are those in which every infrastructure fault strikes.
func phases() []phase {
	return []phase{idle, ingest, audience, send50, receipts, closing}
}

// gates are crash points that hold the engine in a phase that would pass too fast to be met.
func (p phase) gate() string {
	switch p {
	case audience:
		return "audience.after_page"
	case closing:
		return "final.after_read"
	case idle, ingest, launched, send10, send50, send99, receipts, after:
	}
	return ""
}

// await returns when the round is in the phase.
func (r *round) await(ctx context.Context, p phase) error {
	switch p {
	case idle:
		return nil
	case ingest:
		return poll(ctx, func() (bool, error) { return r.answered() >= orders/4, nil })
	case launched:
		return poll(ctx, func() (bool, error) { return r.campaignID() != "", nil })
	case audience, closing:
		return poll(ctx, func() (bool, error) { return r.w.gateReached(p.gate(), r.key), nil })
	case send10:
		return r.sent(ctx, 0.1)
	case send50:
		return r.sent(ctx, 0.5)
	case send99:
		return r.sent(ctx, 0.99)
	case receipts:
		return r.books(ctx, "pending_count = 0 AND total_messages > 0")
	case after:
		return r.ended(ctx, 0)
	}
	return nil
}

// answered is how many orders of the round were answered.
func (r *round) answered() int {
	n := 0
	for _, o := range r.w.client.history() {
		if o.Kind == "order" && o.Round == r.key {
			n++
		}
	}
	return n
}

// sent returns when a part of the audience has been handed to the vendor.
func (r *round) sent(ctx context.Context, part float64) error {
	return r.books(ctx, "total_messages > 0 AND total_sent >= total_messages * $2::float8", part)
}

// books returns when the books of the campaign are as the condition says.
func (r *round) books(ctx context.Context, condition string, args ...any) error {
	return poll(ctx, func() (bool, error) {
		id := r.campaignID()
		if id == "" {
			return false, nil
		}
		var holds bool
		err := r.w.businessDB.QueryRow(ctx, "SELECT EXISTS (SELECT FROM campaign_stats WHERE campaign_id = $1 AND "+condition+")",
			append([]any{id}, args...)...).Scan(&holds)
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		return err == nil && holds, nil // the database may be what is down
	})
}

// ended returns when the campaign's given round has ended.
func (r *round) ended(ctx context.Context, number int) error {
	var status, books string
	err := poll(ctx, func() (bool, error) {
		var over bool
		err := r.w.businessDB.QueryRow(ctx, `SELECT c.status IN ('COMPLETED', 'CANCELLED', 'FAILED') AND c.round >= $2,
				c.status, to_json(s)::text
			FROM campaigns c JOIN campaign_stats s USING (campaign_id) WHERE c.campaign_id = $1`,
			r.campaignID(), number).Scan(&over, &status, &books)
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		return err == nil && over, nil // the database may be what is down
	})
	if err != nil {
		return fmt.Errorf("the campaign does not end, it is %s with the books %s: %w", status, books, err)
	}
	return nil
}
