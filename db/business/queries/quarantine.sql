-- name: InsertQuarantine :exec
-- A redelivered copy is kept once, and one that was replayed in vain is open again.
INSERT INTO quarantine (quarantine_id, queue, message_id, reason, body, headers)
VALUES (@quarantine_id, @queue, @message_id, @reason, @body, @headers)
ON CONFLICT (quarantine_id) DO UPDATE SET reason = excluded.reason, replayed_at = NULL;
