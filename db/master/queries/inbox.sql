-- name: InsertInbox :many
-- Gives the messages that are new; a concurrent transaction with the same message is waited for.
-- In order of id, so that two consumers with overlapping batches cannot deadlock.
INSERT INTO inbox (consumer, message_id, payload_hash)
SELECT @consumer, m.message_id, m.payload_hash
FROM (SELECT unnest(@message_ids::text[]) AS message_id, unnest(@payload_hashes::bytea[]) AS payload_hash) AS m
ORDER BY m.message_id
ON CONFLICT DO NOTHING
RETURNING message_id;

-- name: InboxHashes :many
SELECT message_id, payload_hash FROM inbox
WHERE consumer = @consumer AND message_id = ANY (@message_ids::text[]);

-- name: DeleteInbox :exec
-- For messages that turned out to be refused: they must be able to come again.
DELETE FROM inbox WHERE consumer = @consumer AND message_id = ANY (@message_ids::text[]);

-- name: PurgeInbox :execrows
DELETE FROM inbox WHERE ctid = ANY (ARRAY(
    SELECT i.ctid FROM inbox i WHERE i.received_at < @before ORDER BY i.received_at LIMIT sqlc.arg(n)::int
));

-- name: InsertQuarantine :exec
-- The id derives from the message: a redelivered copy is kept once, and one that was replayed in vain
-- is open again.
INSERT INTO quarantine (quarantine_id, queue, message_id, reason, body, headers)
VALUES (@quarantine_id, @queue, @message_id, @reason, @body, @headers)
ON CONFLICT (quarantine_id) DO UPDATE SET reason = excluded.reason, replayed_at = NULL;

-- name: QuarantinedWith :many
-- Those that may hold the address; the caller looks closer. It reads the whole quarantine, which is small.
SELECT quarantine_id, body FROM quarantine
WHERE position(sqlc.arg(email)::text IN lower(encode(body, 'escape'))) > 0
ORDER BY quarantine_id
FOR UPDATE;

-- name: EraseQuarantined :exec
-- Nothing is left that a replay could bring back, so it counts as dealt with.
UPDATE quarantine
SET body = convert_to(@text::text, 'UTF8'), reason = 'erased; was: ' || reason, replayed_at = coalesce(replayed_at, now())
WHERE quarantine_id = ANY (@ids::uuid[]);
