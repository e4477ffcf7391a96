-- Locks: none but those of a new table.
-- +goose Up

-- When the next message may go to a vendor that has a limit (VENDOR_RATE). It is one row, so that all workers
-- share one pace. An update of it touches no index: it stays within its page.
CREATE TABLE vendor_turns (
    single  boolean PRIMARY KEY DEFAULT true CHECK (single),
    next_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 10);
INSERT INTO vendor_turns DEFAULT VALUES;

-- +goose Down
DROP TABLE vendor_turns;
