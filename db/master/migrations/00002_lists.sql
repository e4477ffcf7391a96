-- Locks: writes to customers and to orders wait while their indexes are built, some seconds for each
-- million rows. Nothing that they name is changed by an order, so updates of the totals stay
-- heap-only.
-- +goose Up

-- The lists of the API: by address and by name, and who begins with a prefix. In byte order, which
-- makes the same page on every server whatever its locale, and lets a prefix be a range. The newest
-- customers are those with the greatest ids.
CREATE INDEX customers_email_bytes_idx ON customers (email COLLATE "C");
CREATE INDEX customers_name_bytes_idx ON customers (lower(name) COLLATE "C", customer_id);
-- The few who are INACTIVE, among the many who are not.
CREATE INDEX customers_inactive_idx ON customers (customer_id) WHERE status = 'INACTIVE';
CREATE INDEX orders_ordered_at_idx ON orders (ordered_at, order_id);

-- +goose Down
DROP INDEX customers_email_bytes_idx, customers_name_bytes_idx, customers_inactive_idx, orders_ordered_at_idx;
