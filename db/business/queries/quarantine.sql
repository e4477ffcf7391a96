-- name: InsertQuarantine :exec
INSERT INTO quarantine (quarantine_id, queue, message_id, reason, body, headers)
VALUES (@quarantine_id, @queue, @message_id, @reason, @body, @headers)
ON CONFLICT DO NOTHING;
