-- Locks: makes a table; nothing waits.
-- +goose Up

-- The addresses of erased customers: nobody must be written to there, and nobody must be able to read
-- them here. SHA-256 of the address in lower case, with no salt, so that a query can compare it: it
-- hides an address from who reads the table, and not from who already has the address to try.
CREATE TABLE erased_addresses (
    address_sha256 bytea PRIMARY KEY,
    created_at     timestamptz NOT NULL DEFAULT now()
);

-- +goose Down
DROP TABLE erased_addresses;
