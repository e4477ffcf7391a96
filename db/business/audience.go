package business

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/internal/businesssql"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/failpoint"
	"github.com/xencrm/xencrm/internal/message"
	"github.com/xencrm/xencrm/internal/segment"
)

// This file alone runs SQL that is not sqlc's: the where clause that segment.Compile makes of rules.
// Its text holds only columns of an allow-list and placeholders; every value is an argument.

// audiencePage is how many customers are fetched, rendered and copied at a time: a few MB in memory,
// and a heartbeat several times a second.
const audiencePage = 2000

// previewTimeout ends a count that would hold up a marketer; the audience itself may take longer.
const previewTimeout = "15s"

// unreachable is true for customers who are never written to. It is the first sort key, so that the
// messages to be sent have the sequence numbers 1..n without a gap.
const unreachable = `(coalesce(c.email, '') = '' OR ` + suppressed + `)`

// suppressed is true for customers who are not to be written to: by their address, because they were
// erased, or because an erased customer had their address.
const suppressed = `(s.email IS NOT NULL OR e.address_sha256 IS NOT NULL OR coalesce(c.email, '') LIKE '%` + customer.ErasedDomain + `')`

// CountAudience gives how many customers match the rules now.
func (s *Store) CountAudience(ctx context.Context, rules segment.Rules) (int, error) {
	where, args, err := segment.Compile(rules, 1, time.Now())
	if err != nil {
		return 0, err
	}
	var n int
	err = db.InTxOptions(ctx, s.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = '"+previewTimeout+"'"); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "SELECT count(*) FROM customers_mv c WHERE "+where, args...).Scan(&n)
	})
	return n, err
}

// SampleAudience gives up to limit matching customers, the highest spenders first.
func (s *Store) SampleAudience(ctx context.Context, rules segment.Rules, limit int) ([]campaign.SampleCustomer, error) {
	now := time.Now()
	where, args, err := segment.Compile(rules, 1, now)
	if err != nil {
		return nil, err
	}
	query := fmt.Sprintf(`SELECT c.customer_id, c.name, c.email, c.total_spend, c.total_visits, c.total_orders, c.status, c.last_order_at
		FROM customers_mv c WHERE %s ORDER BY c.total_spend DESC, c.customer_id LIMIT %d`, where, limit)
	var out []campaign.SampleCustomer
	err = db.InTxOptions(ctx, s.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (campaign.SampleCustomer, error) {
			var c campaign.SampleCustomer
			var last *time.Time
			err := row.Scan(&c.ID, &c.Name, &c.Email, &c.TotalSpend, &c.TotalVisits, &c.TotalOrders, &c.Status, &last)
			c.DaysSinceLastOrder = segment.DaysSince(last, now)
			return c, err
		})
		return err
	})
	return out, err
}

// ResolveAudience evaluates the rules in one snapshot and stores one rendered message per customer,
// with the books, in one transaction: the audience is there entirely or not at all. Repeating it
// gives the stored audience; two at once wait for each other on the campaign's row.
//
// It gives errs.Conflict when the campaign may not start (a draft, or ended).
func (s *Store) ResolveAudience(ctx context.Context, r campaign.AudienceRequest) (campaign.Audience, error) {
	var out campaign.Audience
	// One snapshot for the whole audience: a customer that changes meanwhile is in it as it was.
	err := db.InTxOptions(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = '10min'"); err != nil {
			return err
		}
		q := s.q.WithTx(tx)
		// Before the snapshot: an erasure either is in it, or waits and finds our rows.
		if _, err := tx.Exec(ctx, "LOCK TABLE erased_addresses IN ROW SHARE MODE"); err != nil {
			return err
		}
		c, err := q.LockCampaign(ctx, r.CampaignID)
		if err != nil {
			return err
		}
		if c.AudienceResolvedAt != nil {
			out, err = storedAudience(ctx, q, c)
			return err
		}
		if st := campaign.Status(c.Status); st.Ended() || st == campaign.Draft {
			return errs.Errorf(errs.Conflict, "the campaign is %s", st)
		}
		out, err = fillLedger(ctx, tx, r, int(c.MaxAttempts))
		if err != nil {
			return err
		}
		if out.Totals, err = applyStats(ctx, q, r.CampaignID, out.Totals); err != nil {
			return err
		}
		out.FanOut = campaign.FanOut(c.FanOut).Resolve(out.Sendable, r.PagedAbove)
		err = q.MarkAudienceResolved(ctx, businesssql.MarkAudienceResolvedParams{
			CampaignID: r.CampaignID, FanOut: string(out.FanOut), Audience: int32(out.Totals.Audience), //nolint:gosec // count of rows
		})
		if err != nil {
			return err
		}
		failpoint.Hit(failpoint.AudienceBeforeCommit)
		return nil
	})
	if err != nil {
		return out, err
	}
	return out, failpoint.Err(failpoint.AudienceAfterCommit)
}

// storedAudience gives what an earlier execution stored.
func storedAudience(ctx context.Context, q *businesssql.Queries, c businesssql.Campaign) (campaign.Audience, error) {
	sendable, err := q.LastSendableSeq(ctx, c.CampaignID)
	if err != nil {
		return campaign.Audience{}, err
	}
	stats, err := q.GetStats(ctx, c.CampaignID)
	return campaign.Audience{Sendable: int(sendable), FanOut: campaign.FanOut(c.FanOut), Totals: totalsOf(stats)}, err
}

func fillLedger(ctx context.Context, tx pgx.Tx, r campaign.AudienceRequest, maxAttempts int) (campaign.Audience, error) {
	var out campaign.Audience
	err := walkAudience(ctx, tx, r.Rules, func(customers []audienceCustomer) error {
		page := ledgerPage{request: r, maxAttempts: maxAttempts, first: out.Totals.Audience + 1}
		for _, c := range customers {
			page.add(c)
			out.Totals.Add(page.lastStatus)
			if page.lastReachable {
				out.Sendable = out.Totals.Audience
			}
		}
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"communication_log"}, ledgerColumns(), pgx.CopyFromRows(page.rows)); err != nil {
			return err
		}
		failpoint.Hit(failpoint.AudienceAfterPage)
		r.OnPage(out.Totals.Audience)
		return nil
	})
	return out, err
}

// walkAudience evaluates the rules in the transaction's snapshot and hands on the customers page by
// page, those who are never written to last. A launch and a dry run both come from here.
func walkAudience(
	ctx context.Context, tx pgx.Tx, rules segment.Rules, visit func([]audienceCustomer) error,
) error {
	where, args, err := segment.Compile(rules, 1, time.Now())
	if err != nil {
		return err
	}
	declare := `DECLARE audience NO SCROLL CURSOR FOR
		SELECT c.customer_id, c.name, c.email, c.total_spend, c.total_orders, c.total_visits, ` + suppressed + `
		FROM customers_mv c LEFT JOIN suppressions s ON s.email = lower(c.email)
		LEFT JOIN erased_addresses e ON e.address_sha256 = sha256(convert_to(lower(c.email), 'UTF8'))
		WHERE ` + where + ` ORDER BY ` + unreachable + `, c.customer_id`
	if _, err := tx.Exec(ctx, declare, args...); err != nil {
		return err
	}
	for {
		customers, err := fetchPage(ctx, tx)
		if err != nil || len(customers) == 0 {
			return err
		}
		if err := visit(customers); err != nil {
			return err
		}
	}
}

type audienceCustomer struct {
	id          uuid.UUID
	name, email *string
	spend       decimal.Decimal
	orders      int32
	visits      int32
	suppressed  bool
}

func fetchPage(ctx context.Context, tx pgx.Tx) ([]audienceCustomer, error) {
	rows, err := tx.Query(ctx, fmt.Sprintf("FETCH %d FROM audience", audiencePage))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (audienceCustomer, error) {
		var c audienceCustomer
		err := row.Scan(&c.id, &c.name, &c.email, &c.spend, &c.orders, &c.visits, &c.suppressed)
		return c, err
	})
}

func ledgerColumns() []string {
	return []string{
		"communication_id", "campaign_id", "customer_id", "seq", "customer_email", "customer_name",
		"message_text", "status", "max_attempts", "skip_reason",
	}
}

// ledgerPage turns customers into rows of the ledger, in the order of ledgerColumns.
type ledgerPage struct {
	request       campaign.AudienceRequest
	maxAttempts   int
	first         int
	rows          [][]any
	lastStatus    campaign.MessageStatus
	lastReachable bool
}

func (p *ledgerPage) add(c audienceCustomer) {
	name := deref(c.name)
	if name == "" {
		name = "Unknown" // as the reference stores it; the message itself says "Customer"
	}
	text, skip := render(p.request, c)
	p.lastStatus = campaign.MessagePending
	if skip != "" {
		p.lastStatus = campaign.MessageSkipped
	}
	p.lastReachable = skip == "" || skip == campaign.SkipRender
	p.rows = append(p.rows, []any{
		campaign.CommunicationID(p.request.CampaignID, c.id), p.request.CampaignID, c.id, p.first + len(p.rows),
		deref(c.email), name, text, string(p.lastStatus), p.maxAttempts, optional(string(skip)),
	})
}

// unreachable says why a customer is never written to, "" for everyone else; it agrees with the sort key
// of that name.
func (c audienceCustomer) unreachable() campaign.SkipReason {
	switch {
	case deref(c.email) == "":
		return campaign.SkipNoEmail
	case c.suppressed:
		return campaign.SkipSuppressed
	}
	return ""
}

// render gives the text of one customer's message, or why there is none.
func render(r campaign.AudienceRequest, c audienceCustomer) (string, campaign.SkipReason) {
	if skip := c.unreachable(); skip != "" {
		return "", skip
	}
	recipient := message.Recipient{
		Name: c.name, Email: c.email, TotalSpend: &c.spend, TotalOrders: &c.orders, TotalVisits: &c.visits,
	}
	if link := r.UnsubscribeURL; link != nil {
		recipient.UnsubscribeURL = func() string { return link(c.id) }
	}
	text, err := r.Render(recipient)
	if err != nil {
		return "", campaign.SkipRender
	}
	return text, ""
}
