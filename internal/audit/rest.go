package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// calmPolls is how many looks in a row must find the system at rest and unchanged.
const calmPolls = 3

// look is what one poll saw.
type look struct {
	// stuck says what still has to happen; nothing, when the system is at rest.
	stuck []string
	// pulse changes with every write of the engine: numbers of the broker may be seconds old.
	pulse string
}

// awaitRest polls until the system has been at rest for calmPolls looks, or the wait is over; then it
// gives what is stuck. A source that does not answer counts as not at rest, for it may be starting.
func awaitRest(ctx context.Context, o Options) ([]string, error) {
	deadline := time.NewTimer(o.Wait)
	defer deadline.Stop()
	ticker := time.NewTicker(o.Poll)
	defer ticker.Stop()
	calm := 0
	var last look
	for {
		now := lookAround(ctx, o)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case len(now.stuck) > 0:
			calm = 0
		case calm > 0 && now.pulse != last.pulse:
			calm = 1
		default:
			calm++
		}
		if calm == calmPolls {
			return nil, nil
		}
		last = now
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-deadline.C:
			if len(last.stuck) == 0 {
				last.stuck = []string{"the databases keep changing"}
			}
			return last.stuck, nil
		case <-ticker.C:
		}
	}
}

func lookAround(ctx context.Context, o Options) look {
	e, err := gather(ctx, o)
	if err != nil {
		return look{stuck: []string{err.Error()}}
	}
	defer e.close(ctx)
	var l look
	err = e.snapshots(ctx, func(master, business pgx.Tx) error {
		if err := l.databases(ctx, master, business); err != nil {
			return err
		}
		return e.workflowsAtRest(ctx, business, &l)
	})
	if err == nil {
		err = e.deliveriesAtRest(ctx, &l)
	}
	if err != nil {
		l.stuck = append(l.stuck, err.Error())
	}
	return l
}

// restQuery asks for one number of things that still have to happen.
type restQuery struct{ what, text string }

func masterRest() []restQuery {
	return []restQuery{
		{"outbox rows are not published", "SELECT count(*) FROM outbox_events WHERE published_at IS NULL AND parked_at IS NULL"},
		{"waiting orders have their customer and are not counted", `SELECT count(*) FROM orders_waiting w
			WHERE EXISTS (SELECT FROM customers c WHERE c.email = w.email)`},
		{"staged batches of imports are not applied", "SELECT count(*) FROM import_batches"},
	}
}

func businessRest() []restQuery {
	return []restQuery{
		{"campaigns are ACTIVE", "SELECT count(*) FROM campaigns WHERE status = 'ACTIVE'"},
		{"campaigns are SCHEDULED for a time that has passed", `SELECT count(*) FROM campaigns
			WHERE status = 'SCHEDULED' AND coalesce(scheduled_at, created_at) <= now()`},
	}
}

func (l *look) databases(ctx context.Context, master, business pgx.Tx) error {
	for _, side := range []struct {
		tx      pgx.Tx
		queries []restQuery
	}{{master, masterRest()}, {business, businessRest()}} {
		for _, q := range side.queries {
			n, err := count(ctx, side.tx, q.text)
			if err != nil {
				return fmt.Errorf("count what %s: %w", q.what, err)
			}
			if n > 0 {
				l.stuck = append(l.stuck, fmt.Sprintf("%d %s", n, q.what))
			}
		}
	}
	var in, out string
	err := master.QueryRow(ctx, `SELECT concat_ws('/', (SELECT max(id) FROM outbox_events),
		(SELECT max(received_at) FROM inbox), (SELECT count(*) FROM orders_waiting))`).Scan(&in)
	if err != nil {
		return fmt.Errorf("pulse of the master database: %w", err)
	}
	err = business.QueryRow(ctx, `SELECT concat_ws('/', (SELECT sum(revision) FROM campaign_stats),
		(SELECT max(synced_at) FROM customers_mv), (SELECT count(*) FROM quarantine))`).Scan(&out)
	l.pulse = in + "|" + out
	if err != nil {
		return fmt.Errorf("pulse of the business database: %w", err)
	}
	return nil
}

// deliveriesAtRest looks at what the vendor owes and at what the broker holds.
func (e *evidence) deliveriesAtRest(ctx context.Context, l *look) error {
	if e.ledger != nil {
		n, err := owedReceipts(ctx, e.ledger)
		if err != nil {
			return fmt.Errorf("receipts that the vendor owes: %w", err)
		}
		if n > 0 {
			l.stuck = append(l.stuck, fmt.Sprintf("%d receipts of the vendor are not confirmed", n))
		}
	}
	if e.broker != nil {
		queues, err := e.broker.queues(ctx)
		if err != nil {
			return err
		}
		l.stuck = append(l.stuck, busy(queues)...)
	}
	return nil
}

// workflowsAtRest finds workflows that still run although their campaign has ended: they are about to
// end too.
func (e *evidence) workflowsAtRest(ctx context.Context, business pgx.Tx, l *look) error {
	if e.temporal == nil {
		return nil
	}
	open, err := running(ctx, e.temporal, e.o.TemporalNamespace)
	if err != nil {
		return err
	}
	campaigns, err := launchedCampaigns(ctx, business)
	if err != nil {
		return err
	}
	status := map[string]launched{}
	for _, c := range campaigns {
		status[c.id] = c
	}
	for id := range open {
		if c, ours := status[campaignOf(id)]; ours && c.ended() {
			l.stuck = append(l.stuck, fmt.Sprintf("workflow %s runs although its campaign is %s", id, c.status))
		}
	}
	return nil
}
