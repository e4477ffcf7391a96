package audit

// outboxKept is how long published outbox rows are sure to be there; older ones may be purged.
const outboxKept = "6 days"

// masterQueries judge the master database by itself.
func masterQueries() []query {
	return []query{
		{id: orderOnce, text: `
			SELECT format('order %s: its external id is stored %s times', min(order_id::text), count(*))
			FROM orders WHERE external_id IS NOT NULL
			GROUP BY source, external_id HAVING count(*) > 1`},
		{id: customerTotals, text: `
			WITH o AS (
				SELECT customer_id, sum(order_amount) AS spend, count(*) AS n, max(ordered_at) AS last
				FROM orders WHERE order_status = 'COMPLETED' GROUP BY customer_id
			), c AS (
				SELECT c.customer_id, concat_ws(', ',
					CASE WHEN c.total_spend IS DISTINCT FROM c.opening_spend + coalesce(o.spend, 0) THEN 'total_spend' END,
					CASE WHEN c.total_visits IS DISTINCT FROM c.opening_visits + coalesce(o.n, 0) THEN 'total_visits' END,
					CASE WHEN c.total_orders IS DISTINCT FROM coalesce(o.n, 0) THEN 'total_orders' END,
					CASE WHEN c.last_order_at IS DISTINCT FROM greatest(c.opening_last_order_at, o.last)
						THEN 'last_order_at' END) AS wrong
				FROM customers c LEFT JOIN o USING (customer_id)
			)
			SELECT format('customer %s: wrong %s', customer_id, wrong) FROM c WHERE wrong <> ''`},
		{id: outboxComplete, args: []any{outboxKept}, text: `
			WITH e AS (
				SELECT entity_id, min(entity_version) AS low, max(entity_version) AS high, count(*) AS n,
				       count(DISTINCT entity_version) AS versions
				FROM outbox_events GROUP BY entity_id
			)
			SELECT format('customer %s: version %s, outbox has %s rows for versions %s to %s',
			              coalesce(c.customer_id, e.entity_id), c.version, coalesce(e.n, 0), e.low, e.high)
			FROM customers c FULL JOIN e ON e.entity_id = c.customer_id
			WHERE c.customer_id IS NULL
			   OR (e.entity_id IS NULL AND c.updated_at > now() - $1::text::interval)
			   OR e.high <> c.version OR e.versions <> e.n OR e.n <> e.high - e.low + 1
			   OR (e.low <> 1 AND c.created_at > now() - $1::text::interval)`},
		{id: outboxDrained, text: `
			SELECT format('outbox row %s of customer %s: %s', id, entity_id,
			              CASE WHEN parked_at IS NULL THEN 'not published' ELSE 'parked' END)
			FROM outbox_events WHERE published_at IS NULL`},
		{id: quarantineKnown, text: quarantined("master")},
		{id: erasedWholly, text: erasedByHalf("customers")},
		{id: erasedWholly, text: `
			SELECT format('outbox row %s still tells of erased customer %s', o.id, c.customer_id)
			FROM customers c JOIN outbox_events o ON o.entity_id = c.customer_id
			WHERE c.email LIKE '%@erased.invalid' AND o.payload -> 'data' ->> 'email' <> c.email`},
	}
}

// erasedByHalf lists customers who have the address of an erased one and are not erased otherwise.
func erasedByHalf(table string) string {
	return `SELECT format('customer %s is erased by half in ` + table + `', customer_id) FROM ` + table + `
		WHERE email LIKE '%@erased.invalid' AND (email <> 'erased-' || customer_id || '@erased.invalid'
		      OR name <> '[erased]' OR phone IS NOT NULL OR status <> 'INACTIVE')`
}

// quarantined lists what is in a quarantine and was not replayed.
func quarantined(where string) string {
	return `SELECT format('` + where + ` quarantine %s from %s', quarantine_id, queue)
		FROM quarantine WHERE replayed_at IS NULL ORDER BY created_at`
}
