-- name: LockCustomers :many
-- In order of e-mail, as every writer locks them.
SELECT customer_id, name, email, phone, total_spend, total_visits, total_orders, last_order_at,
       opening_spend, opening_visits, opening_last_order_at, status, version
FROM customers
WHERE email = ANY (@emails::text[])
ORDER BY email
FOR UPDATE;

-- name: InsertCustomer :batchone
-- Gives no row when someone else has just made a customer of that address.
INSERT INTO customers (customer_id, name, email, phone, total_spend, total_visits, total_orders, last_order_at,
                       opening_spend, opening_visits, opening_last_order_at, status, version)
VALUES (@customer_id, @name, @email, @phone, @total_spend, @total_visits, @total_orders, @last_order_at,
        @opening_spend, @opening_visits, @opening_last_order_at, @status, @version)
ON CONFLICT (email) DO NOTHING
RETURNING version;

-- name: UpdateCustomer :batchexec
UPDATE customers
SET name = @name, phone = @phone, total_spend = @total_spend, total_visits = @total_visits,
    total_orders = @total_orders, last_order_at = @last_order_at, opening_spend = @opening_spend,
    opening_visits = @opening_visits, opening_last_order_at = @opening_last_order_at,
    status = @status, version = @version, updated_at = now()
WHERE customer_id = @customer_id;

-- name: CustomerExists :one
SELECT EXISTS (SELECT FROM customers WHERE email = @email);
