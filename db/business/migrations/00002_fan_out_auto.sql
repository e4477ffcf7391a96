-- Locks: campaigns exclusively, for the scan of one row a campaign: milliseconds.
-- +goose Up

-- A campaign may leave its fan-out open until its audience is known. The transaction that stores the
-- audience writes which way was taken, so 'auto' stands only on campaigns that have not started.
ALTER TABLE campaigns DROP CONSTRAINT campaigns_fan_out_check;
ALTER TABLE campaigns ADD CONSTRAINT campaigns_fan_out_check CHECK (fan_out IN ('auto', 'per_customer', 'paged'));
ALTER TABLE campaigns ALTER COLUMN fan_out SET DEFAULT 'auto';

-- +goose Down
ALTER TABLE campaigns ALTER COLUMN fan_out SET DEFAULT 'per_customer';
UPDATE campaigns SET fan_out = 'per_customer' WHERE fan_out = 'auto';
ALTER TABLE campaigns DROP CONSTRAINT campaigns_fan_out_check;
ALTER TABLE campaigns ADD CONSTRAINT campaigns_fan_out_check CHECK (fan_out IN ('per_customer', 'paged'));
