-- Locks: campaigns exclusively, for an instant: a column with a constant default rewrites nothing.
-- +goose Up

-- Counts the edits of a draft, so that two editors notice each other, and a launch starts what its caller
-- has seen.
ALTER TABLE campaigns ADD COLUMN version integer NOT NULL DEFAULT 1;

-- +goose Down
ALTER TABLE campaigns DROP COLUMN version;
