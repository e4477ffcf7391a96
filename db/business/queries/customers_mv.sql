-- name: UpsertCustomersMV :execrows
-- Newer versions only: an event that comes late, or twice, changes nothing. In order of id, so that
-- two consumers with overlapping batches cannot deadlock.
INSERT INTO customers_mv AS mv (customer_id, version, name, email, phone, total_spend, total_visits, total_orders,
                                last_order_at, status, synced_at)
SELECT e.customer_id, e.version, e.name, e.email, CASE WHEN e.has_phone THEN e.phone END, e.total_spend, e.total_visits,
       e.total_orders, CASE WHEN e.has_last_order THEN e.last_order_at END, e.status, now()
FROM (
    SELECT unnest(@customer_ids::uuid[]) AS customer_id,
           unnest(@versions::bigint[]) AS version,
           unnest(@names::text[]) AS name,
           unnest(@emails::text[]) AS email,
           unnest(@has_phones::boolean[]) AS has_phone,
           unnest(@phones::text[]) AS phone,
           unnest(@total_spends::numeric[]) AS total_spend,
           unnest(@total_visits::integer[]) AS total_visits,
           unnest(@total_orders::integer[]) AS total_orders,
           unnest(@has_last_orders::boolean[]) AS has_last_order,
           unnest(@last_orders_at::timestamptz[]) AS last_order_at,
           unnest(@statuses::text[]) AS status
) AS e
ORDER BY e.customer_id
ON CONFLICT (customer_id) DO UPDATE
SET version = excluded.version, name = excluded.name, email = excluded.email, phone = excluded.phone,
    total_spend = excluded.total_spend, total_visits = excluded.total_visits, total_orders = excluded.total_orders,
    last_order_at = excluded.last_order_at, status = excluded.status, synced_at = excluded.synced_at
WHERE mv.version < excluded.version;
