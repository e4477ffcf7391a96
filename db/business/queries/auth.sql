-- name: InsertAPIKey :one
INSERT INTO api_keys (key_id, secret_hash, name, role, scopes, created_by, expires_at)
VALUES (@key_id, @secret_hash, @name, @role, @scopes, @created_by, sqlc.narg(expires_at))
RETURNING *;

-- name: GetAPIKey :one
SELECT * FROM api_keys WHERE key_id = @key_id;

-- name: NoteAPIKeyUse :exec
-- Once a minute is enough to tell keys that are in use from those that are not.
UPDATE api_keys SET last_used_at = now()
WHERE key_id = @key_id AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute');

-- name: ListAPIKeys :many
SELECT * FROM api_keys
WHERE (created_at, key_id::text) > (@after::timestamptz, @after_id::text)
ORDER BY created_at, key_id
LIMIT sqlc.arg(n)::int;

-- name: RevokeAPIKey :one
-- The first revocation stands.
UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()), revoked_by = coalesce(revoked_by, @by::text)
WHERE key_id = @key_id
RETURNING *;

-- name: InsertSession :exec
INSERT INTO sessions (ticket_hash, issuer, subject, email, name, email_proven, seen_at, ends_at)
VALUES (@ticket_hash, @issuer, @subject, @email, @name, @email_proven, @seen_at, @ends_at);

-- name: GetSession :one
SELECT * FROM sessions WHERE ticket_hash = @ticket_hash;

-- name: TouchSession :exec
UPDATE sessions SET seen_at = greatest(seen_at, @seen_at) WHERE ticket_hash = @ticket_hash;

-- name: DeleteSession :exec
DELETE FROM sessions WHERE ticket_hash = @ticket_hash;

-- name: PurgeSessions :exec
DELETE FROM sessions WHERE ends_at < now();

-- name: InsertLoginAttempt :exec
INSERT INTO login_attempts (ticket_hash, state, nonce, verifier, return_to, expires_at)
VALUES (@ticket_hash, @state, @nonce, @verifier, @return_to, @expires_at);

-- name: TakeLoginAttempt :one
DELETE FROM login_attempts WHERE ticket_hash = @ticket_hash RETURNING *;

-- name: PurgeLoginAttempts :exec
DELETE FROM login_attempts WHERE expires_at < now();

-- name: BeginAuditEntry :one
INSERT INTO audit_log (principal, operation, target, request_id)
VALUES (@principal, @operation, @target, @request_id)
RETURNING entry_id;

-- name: EndAuditEntry :exec
UPDATE audit_log SET status = @status::smallint WHERE entry_id = @entry_id;

-- name: ListAuditEntries :many
SELECT * FROM audit_log
WHERE (@before::bigint = 0 OR entry_id < @before) AND (@principal::text = '' OR principal = @principal)
ORDER BY entry_id DESC
LIMIT sqlc.arg(n)::int;
