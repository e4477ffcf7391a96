-- Locks: SHARE UPDATE EXCLUSIVE on communication_log for a moment; readers and writers go on.
-- +goose Up

-- A group commit changes all rows of a page at once, and only what has room in the page itself leaves the
-- indexes alone. With a quarter of it free that were 61 % of the changes; with half of it, there is room for
-- a second version of each. Pages that are there already keep what they have.
ALTER TABLE communication_log SET (fillfactor = 50);

-- +goose Down
ALTER TABLE communication_log SET (fillfactor = 75);
