-- Locks: campaigns exclusively, for an instant: columns with a constant default, or none, rewrite nothing.
-- +goose Up

-- Counts the edits of a draft, so that two editors notice each other, and a launch starts what its caller
-- has seen.
ALTER TABLE campaigns ADD COLUMN version integer NOT NULL DEFAULT 1;
-- The hours in which messages may be sent, as {"from":"09:00","to":"20:00","time_zone":"Asia/Kolkata"};
-- NULL is at any time.
ALTER TABLE campaigns ADD COLUMN send_window jsonb;

-- +goose Down
ALTER TABLE campaigns DROP COLUMN send_window, DROP COLUMN version;
