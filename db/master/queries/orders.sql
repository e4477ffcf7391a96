-- name: FindOrders :many
-- The orders that clients have named before. Their customers are locked, so they cannot change; an
-- order that names another customer than before is refused by the caller.
SELECT order_id, customer_id, order_amount, order_status, external_id, source, ordered_at
FROM orders
WHERE (source, external_id) IN (
    SELECT w.source, w.external_id
    FROM (SELECT unnest(@sources::text[]) AS source, unnest(@external_ids::text[]) AS external_id) AS w
);

-- name: InsertOrder :batchexec
INSERT INTO orders (order_id, customer_id, order_amount, order_status, external_id, source, ordered_at)
VALUES (@order_id, @customer_id, @order_amount, @order_status, @external_id, @source, @ordered_at);

-- name: UpdateOrderStatus :batchexec
UPDATE orders SET order_status = @order_status, updated_at = now() WHERE order_id = @order_id;

-- name: LastCompletedOrders :many
-- For customers who lost a completed order.
SELECT customer_id, max(ordered_at)::timestamptz AS last_order_at
FROM orders
WHERE customer_id = ANY (@customer_ids::uuid[]) AND order_status = 'COMPLETED'
GROUP BY customer_id;

-- name: InsertWaitingOrder :batchexec
INSERT INTO orders_waiting (message_id, email, order_id, order_amount, order_status, external_id, source,
                            ordered_at, traceparent, body)
VALUES (@message_id, @email, @order_id, @order_amount, @order_status, @external_id, @source,
        @ordered_at, @traceparent, @body)
ON CONFLICT DO NOTHING;

-- name: ClaimWaitingOrders :many
-- Those whose customer is there by now, oldest first; other sweepers skip them.
SELECT w.* FROM orders_waiting w
WHERE EXISTS (SELECT FROM customers c WHERE c.email = w.email)
ORDER BY w.created_at, w.message_id
LIMIT sqlc.arg(n)::int
FOR UPDATE SKIP LOCKED;

-- name: ClaimWaitingOrder :many
SELECT w.* FROM orders_waiting w WHERE w.message_id = @message_id FOR UPDATE SKIP LOCKED;

-- name: ClaimExpiredOrders :many
SELECT w.* FROM orders_waiting w
WHERE w.created_at < @before
ORDER BY w.created_at, w.message_id
LIMIT sqlc.arg(n)::int
FOR UPDATE SKIP LOCKED;

-- name: DeleteWaitingOrders :exec
DELETE FROM orders_waiting WHERE message_id = ANY (@message_ids::text[]);

-- name: GetOrder :one
SELECT * FROM orders WHERE order_id = @order_id;

-- name: ListOrders :many
-- Newest first. The zero id is any customer, an empty status any status.
SELECT * FROM orders
WHERE (ordered_at, order_id) < (@after_time::timestamptz, @after_id::uuid)
  AND (@customer_id::uuid = '00000000-0000-0000-0000-000000000000' OR customer_id = @customer_id)
  AND (@status::text = '' OR order_status = @status)
ORDER BY ordered_at DESC, order_id DESC
LIMIT sqlc.arg(n)::int;
