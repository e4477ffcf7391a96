-- name: ClaimIdempotencyKey :many
-- Gives one row when the key is ours: it is new, or too old to count, or its process died over the same
-- request.
INSERT INTO idempotency_keys AS k (owner, key, fingerprint, running_until)
VALUES (@owner, @key, @fingerprint, now() + sqlc.arg(lease)::interval)
ON CONFLICT (owner, key) DO UPDATE
SET fingerprint = excluded.fingerprint, running_until = excluded.running_until,
    status = NULL, header = NULL, body = NULL, created_at = now()
WHERE k.created_at < now() - sqlc.arg(keep)::interval
   OR k.status IS NULL AND k.running_until < now() AND k.fingerprint = excluded.fingerprint
RETURNING true;

-- name: GetIdempotencyKey :many
SELECT fingerprint, status, header, body FROM idempotency_keys WHERE owner = @owner AND key = @key;

-- name: RenewIdempotencyKey :exec
UPDATE idempotency_keys SET running_until = now() + sqlc.arg(lease)::interval
WHERE owner = @owner AND key = @key AND fingerprint = @fingerprint AND status IS NULL;

-- name: SettleIdempotencyKey :exec
UPDATE idempotency_keys SET status = sqlc.arg(status)::smallint, header = @header, body = @body
WHERE owner = @owner AND key = @key AND fingerprint = @fingerprint AND status IS NULL;

-- name: ReleaseIdempotencyKey :exec
DELETE FROM idempotency_keys
WHERE owner = @owner AND key = @key AND fingerprint = @fingerprint AND status IS NULL;

-- name: PurgeIdempotencyKeys :exec
-- A few with each claim keep the table flat, and nobody has to remember to. Rows that another claim is
-- deleting are left to it.
DELETE FROM idempotency_keys WHERE (owner, key) IN (
    SELECT o.owner, o.key FROM idempotency_keys o
    WHERE o.created_at < now() - sqlc.arg(keep)::interval
    ORDER BY o.created_at LIMIT sqlc.arg(n)::int
    FOR UPDATE SKIP LOCKED
);
