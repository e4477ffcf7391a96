-- name: ListDashboard :many
-- customer_id breaks ties, so that two pages never show one row twice.
SELECT name, email, total_spend, total_orders, total_visits, status
FROM customers_mv ORDER BY synced_at DESC, customer_id LIMIT @max_rows OFFSET @skip_rows;

-- name: CountCustomers :one
SELECT count(*) FROM customers_mv;
