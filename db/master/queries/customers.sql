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
SET name = @name, email = @email, phone = @phone, total_spend = @total_spend, total_visits = @total_visits,
    total_orders = @total_orders, last_order_at = @last_order_at, opening_spend = @opening_spend,
    opening_visits = @opening_visits, opening_last_order_at = @opening_last_order_at,
    status = @status, version = @version, updated_at = now()
WHERE customer_id = @customer_id;

-- name: CustomerExists :one
SELECT EXISTS (SELECT FROM customers WHERE email = @email);

-- name: GetCustomer :one
SELECT * FROM customers WHERE customer_id = @customer_id;

-- name: LockCustomer :one
SELECT * FROM customers WHERE customer_id = @customer_id FOR UPDATE;

-- name: PlanEachTime :exec
-- For lists: a plan made once for all filters would read the whole table for the rare ones.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true);

-- name: ListCustomersNewest :many
-- Ids are made in the order of time. chr(1114111) is the last character there is: a prefix is a range.
SELECT * FROM customers
WHERE customer_id < @after_id
  AND (@status::text = '' OR status = @status)
  AND (@prefix::text = ''
       OR (email COLLATE "C" >= lower(@prefix) AND email COLLATE "C" < lower(@prefix) || chr(1114111))
       OR (lower(name) COLLATE "C" >= lower(@prefix) AND lower(name) COLLATE "C" < lower(@prefix) || chr(1114111)))
ORDER BY customer_id DESC
LIMIT sqlc.arg(n)::int;

-- name: ListCustomersOldest :many
SELECT * FROM customers
WHERE customer_id > @after_id
  AND (@status::text = '' OR status = @status)
  AND (@prefix::text = ''
       OR (email COLLATE "C" >= lower(@prefix) AND email COLLATE "C" < lower(@prefix) || chr(1114111))
       OR (lower(name) COLLATE "C" >= lower(@prefix) AND lower(name) COLLATE "C" < lower(@prefix) || chr(1114111)))
ORDER BY customer_id
LIMIT sqlc.arg(n)::int;

-- name: ListCustomersByEmail :many
SELECT * FROM customers
WHERE email COLLATE "C" > @after_key::text
  AND (@status::text = '' OR status = @status)
  AND (@prefix::text = ''
       OR (email COLLATE "C" >= lower(@prefix) AND email COLLATE "C" < lower(@prefix) || chr(1114111))
       OR (lower(name) COLLATE "C" >= lower(@prefix) AND lower(name) COLLATE "C" < lower(@prefix) || chr(1114111)))
ORDER BY email COLLATE "C"
LIMIT sqlc.arg(n)::int;

-- name: ListCustomersByName :many
SELECT * FROM customers
WHERE (lower(name) COLLATE "C", customer_id) > (lower(@after_key::text), @after_id::uuid)
  AND (@status::text = '' OR status = @status)
  AND (@prefix::text = ''
       OR (email COLLATE "C" >= lower(@prefix) AND email COLLATE "C" < lower(@prefix) || chr(1114111))
       OR (lower(name) COLLATE "C" >= lower(@prefix) AND lower(name) COLLATE "C" < lower(@prefix) || chr(1114111)))
ORDER BY lower(name) COLLATE "C", customer_id
LIMIT sqlc.arg(n)::int;
