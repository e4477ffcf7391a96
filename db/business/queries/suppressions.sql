-- name: InsertSuppression :many
-- Gives no row when the address is suppressed already: the first reason stands.
INSERT INTO suppressions (email, reason, created_by) VALUES (@email, @reason, @created_by)
ON CONFLICT DO NOTHING
RETURNING *;

-- name: GetSuppression :one
SELECT * FROM suppressions WHERE email = @email;

-- name: RecipientAddress :one
-- The address that the message has; an erased one is suppressed already.
SELECT lower(customer_email)::text AS email FROM communication_log
WHERE campaign_id = @campaign_id AND customer_id = @customer_id;

-- name: DeleteSuppression :execrows
DELETE FROM suppressions WHERE email = @email;

-- name: DeleteErasedAddress :execrows
DELETE FROM erased_addresses WHERE address_sha256 = sha256(convert_to(@email::text, 'UTF8'));

-- name: ListSuppressions :many
SELECT * FROM suppressions
WHERE email > @after::text AND (@reason::text = '' OR reason = @reason)
ORDER BY email
LIMIT sqlc.arg(n)::int;

-- name: FindSuppression :many
SELECT s.email::text AS email, s.reason, s.created_by, s.created_at FROM suppressions s WHERE s.email = @email
UNION ALL
SELECT @email::text, 'ERASED', 'erasure', e.created_at FROM erased_addresses e
WHERE e.address_sha256 = sha256(convert_to(@email::text, 'UTF8'))
LIMIT 1;

-- name: LockErasures :exec
-- Waits for audiences that are being resolved, and holds off those that would begin: none of them can
-- bring back what is being erased.
LOCK TABLE erased_addresses IN EXCLUSIVE MODE;

-- name: InsertErasedAddresses :exec
INSERT INTO erased_addresses (address_sha256) SELECT unnest(@hashes::bytea[]) ON CONFLICT DO NOTHING;

-- name: EraseSuppressions :exec
-- The hash takes their place. It computes one for each row of the table, which takes a second a million.
DELETE FROM suppressions WHERE sha256(convert_to(email, 'UTF8')) = ANY (@hashes::bytea[]);

-- name: EraseMessages :exec
-- Status, counts and hashes of the vendor stay: the books do not change. A message that is still to be
-- sent is skipped when its turn comes, for its address is one of an erased customer. Locked in the
-- order of everybody else.
WITH mine AS (
    SELECT l.communication_id FROM communication_log l
    WHERE (l.campaign_id, l.customer_id) IN (
        SELECT c.campaign_id, w.customer_id FROM campaigns c, unnest(@customer_ids::uuid[]) AS w (customer_id)
    )
    ORDER BY l.communication_id
    FOR NO KEY UPDATE
), redacted AS (
    UPDATE delivery_receipts r SET failure_reason = NULL
    FROM mine WHERE r.communication_id = mine.communication_id AND r.failure_reason IS NOT NULL
)
UPDATE communication_log l
SET customer_email = 'erased-' || l.customer_id || '@erased.invalid', customer_name = '[erased]',
    message_text = '[erased]', failure_reason = NULL
FROM mine WHERE l.communication_id = mine.communication_id;

-- name: EraseQuarantinedEvents :exec
-- Events of the customers that could not be projected; receipts name nobody.
UPDATE quarantine q
SET body = convert_to('[erased]', 'UTF8'), reason = 'erased; was: ' || q.reason, replayed_at = coalesce(q.replayed_at, now())
FROM unnest(@customer_ids::uuid[]) AS w (customer_id)
WHERE q.queue = @queue AND position(w.customer_id::text IN encode(q.body, 'escape')) > 0;
