package audit

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// statsQuery compares the stats of campaigns with the sums of their logs. $1 limits it to some
// campaigns, NULL is all. Both sides stand in one statement and so in one snapshot.
const statsQuery = `
	WITH l AS (
		SELECT campaign_id, count(*) AS total,
		       count(*) FILTER (WHERE status = 'PENDING') AS pending,
		       count(*) FILTER (WHERE status = 'SENT') AS in_flight,
		       count(*) FILTER (WHERE status = 'DELIVERED') AS delivered,
		       count(*) FILTER (WHERE status = 'FAILED') AS failed,
		       count(*) FILTER (WHERE status = 'SKIPPED') AS skipped,
		       count(*) FILTER (WHERE status = 'CANCELLED') AS cancelled,
		       count(*) FILTER (WHERE sent_at IS NOT NULL) AS sent
		FROM communication_log WHERE $1::text[] IS NULL OR campaign_id = ANY ($1::text[]::uuid[])
		GROUP BY campaign_id
	), s AS (
		SELECT c.campaign_id, s.campaign_id IS NOT NULL AS has_books, s.total_messages, s.pending_count,
		       s.in_flight_count, s.total_delivered, s.total_failed, s.skipped_count, s.cancelled_count, s.total_sent,
		       s.delivery_rate, s.last_updated
		FROM campaigns c LEFT JOIN campaign_stats s USING (campaign_id)
		WHERE $1::text[] IS NULL OR c.campaign_id = ANY ($1::text[]::uuid[])
	), judged AS (
		SELECT s.campaign_id, concat_ws(', ',
			CASE WHEN NOT s.has_books THEN 'no books' END,
			CASE WHEN s.total_messages <> coalesce(l.total, 0) THEN 'total_messages' END,
			CASE WHEN s.pending_count <> coalesce(l.pending, 0) THEN 'pending_count' END,
			CASE WHEN s.in_flight_count <> coalesce(l.in_flight, 0) THEN 'in_flight_count' END,
			CASE WHEN s.total_delivered <> coalesce(l.delivered, 0) THEN 'total_delivered' END,
			CASE WHEN s.total_failed <> coalesce(l.failed, 0) THEN 'total_failed' END,
			CASE WHEN s.skipped_count <> coalesce(l.skipped, 0) THEN 'skipped_count' END,
			CASE WHEN s.cancelled_count <> coalesce(l.cancelled, 0) THEN 'cancelled_count' END,
			CASE WHEN s.total_sent <> coalesce(l.sent, 0) THEN 'total_sent' END,
			CASE WHEN s.delivery_rate <> CASE WHEN s.total_sent = 0 THEN 0
				ELSE round(100 * s.total_delivered::numeric / s.total_sent, 2) END THEN 'delivery_rate' END,
			CASE WHEN least(s.pending_count, s.in_flight_count, s.total_delivered, s.total_failed, s.skipped_count,
				s.cancelled_count, s.total_sent) < 0 THEN 'a negative count' END,
			CASE WHEN s.total_messages <> s.pending_count + s.in_flight_count + s.total_delivered + s.total_failed
				+ s.skipped_count + s.cancelled_count THEN 'the balance' END,
			CASE WHEN s.has_books AND (v.total_messages, v.pending_count, v.sent_count, v.delivered_count, v.failed_count,
				v.last_updated) IS DISTINCT FROM (s.total_messages, s.pending_count, s.total_sent, s.total_delivered,
				s.total_failed, s.last_updated) THEN 'campaign_delivery_summary' END) AS wrong
		FROM s LEFT JOIN l USING (campaign_id) LEFT JOIN campaign_delivery_summary v USING (campaign_id)
	)
	SELECT format('campaign %s: wrong %s', campaign_id, wrong) FROM judged WHERE wrong <> ''`

// businessQueries judge the business database by itself.
func businessQueries() []query {
	return []query{
		{id: audienceExact, text: `
			WITH l AS (
				SELECT campaign_id, count(*) AS n, min(seq) AS low, max(seq) AS high, count(DISTINCT seq) AS seqs
				FROM communication_log GROUP BY campaign_id
			)
			SELECT format('campaign %s: audience %s, %s rows numbered %s to %s', c.campaign_id, c.target_audience_count,
			              coalesce(l.n, 0), l.low, l.high)
			FROM campaigns c LEFT JOIN l USING (campaign_id)
			WHERE CASE WHEN c.audience_resolved_at IS NULL THEN l.n > 0
			           ELSE coalesce(l.n, 0) <> c.target_audience_count
			                OR (l.n > 0 AND (l.low <> 1 OR l.high <> l.n OR l.seqs <> l.n)) END`},
		{id: oneRowEach, text: `
			SELECT format('campaign %s has %s rows for customer %s', campaign_id, count(*), customer_id)
			FROM communication_log GROUP BY campaign_id, customer_id HAVING count(*) > 1`},
		{id: oneRowEach, text: `
			SELECT format('campaign %s has %s rows for the address of message %s', campaign_id, count(*),
			              min(communication_id::text))
			FROM communication_log WHERE customer_email <> ''
			GROUP BY campaign_id, lower(customer_email) HAVING count(DISTINCT customer_id) > 1`},
		{id: statsAtRest, text: statsQuery, args: []any{nil}},
		{id: closedRight, text: `
			WITH p AS (
				SELECT campaign_id, count(*) AS n FROM communication_log WHERE status = 'PENDING' GROUP BY campaign_id
			), judged AS (
				SELECT c.campaign_id, c.status, concat_ws(', ',
					CASE WHEN c.status IN ('COMPLETED', 'CANCELLED') AND p.n > 0 THEN format('%s messages pending', p.n) END,
					CASE WHEN c.status IN ('COMPLETED', 'CANCELLED', 'FAILED') AND c.finished_at IS NULL
						THEN 'no closing time' END,
					CASE WHEN c.status NOT IN ('COMPLETED', 'CANCELLED', 'FAILED') AND c.finished_at IS NOT NULL
						THEN 'a closing time' END,
					CASE WHEN c.status = 'COMPLETED' AND c.audience_resolved_at IS NULL THEN 'no audience' END) AS wrong
				FROM campaigns c LEFT JOIN p USING (campaign_id)
			)
			SELECT format('campaign %s is %s with %s', campaign_id, status, wrong) FROM judged WHERE wrong <> ''`},
		{id: quarantineKnown, text: quarantined("business")},
		{id: erasedWholly, text: erasedByHalf("customers_mv")},
		// A message of after the erasure was skipped and has no text.
		{id: erasedWholly, text: `
			WITH j AS (
				SELECT l.communication_id, l.customer_id, mv.email LIKE '%@erased.invalid' AS gone,
				       l.customer_email = 'erased-' || l.customer_id || '@erased.invalid' AND l.customer_name = '[erased]'
				       AND l.message_text IN ('[erased]', '') AS unreadable
				FROM communication_log l JOIN customers_mv mv USING (customer_id)
			)
			SELECT CASE WHEN gone THEN format('message %s still tells of erased customer %s', communication_id, customer_id)
			            ELSE format('message %s is erased, customer %s is not', communication_id, customer_id) END
			FROM j WHERE gone <> unreadable`},
	}
}

// conservation counts, per campaign, where the recipients have gone: from the log, not from the stats.
func conservation(ctx context.Context, tx pgx.Tx) ([]Conservation, error) {
	rows, err := tx.Query(ctx, `
		WITH l AS (
			SELECT campaign_id, count(*) AS total,
			       count(*) FILTER (WHERE status = 'DELIVERED') AS delivered,
			       count(*) FILTER (WHERE status = 'FAILED') AS failed,
			       count(*) FILTER (WHERE status = 'SKIPPED') AS skipped,
			       count(*) FILTER (WHERE status = 'CANCELLED') AS cancelled,
			       count(*) FILTER (WHERE status = 'SENT') AS in_flight,
			       count(*) FILTER (WHERE status = 'PENDING') AS pending
			FROM communication_log GROUP BY campaign_id
		), r AS (
			SELECT l.campaign_id, count(*) AS n
			FROM delivery_receipts r JOIN communication_log l USING (communication_id) GROUP BY l.campaign_id
		)
		SELECT c.campaign_id::text, c.status, coalesce(l.total, 0), coalesce(l.delivered, 0), coalesce(l.failed, 0),
		       coalesce(l.skipped, 0), coalesce(l.cancelled, 0), coalesce(l.in_flight, 0), coalesce(l.pending, 0),
		       coalesce(r.n, 0)
		FROM campaigns c LEFT JOIN l USING (campaign_id) LEFT JOIN r USING (campaign_id)
		ORDER BY c.created_at, c.campaign_id`)
	if err != nil {
		return nil, fmt.Errorf("count the campaigns: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Conservation, error) {
		var c Conservation
		err := row.Scan(&c.CampaignID, &c.Status, &c.Audience, &c.Delivered, &c.Failed, &c.Skipped, &c.Cancelled,
			&c.InFlight, &c.Pending, &c.ReceiptsStored)
		return c, err
	})
}
