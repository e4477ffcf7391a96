-- name: LoadMessages :many
-- Suppressed since the audience was resolved: by address, or because the customer was erased.
SELECT l.communication_id, l.customer_id, l.seq, l.customer_email, l.customer_name, l.message_text,
       l.status, l.attempts, l.max_attempts, 
       (s.email IS NOT NULL OR e.address_sha256 IS NOT NULL
        OR l.customer_email LIKE '%@erased.invalid')::boolean AS suppressed
FROM communication_log l
LEFT JOIN suppressions s ON s.email = lower(l.customer_email)
LEFT JOIN erased_addresses e ON e.address_sha256 = sha256(convert_to(lower(l.customer_email), 'UTF8'))
WHERE l.campaign_id = @campaign_id AND l.seq BETWEEN @first_seq AND @last_seq
ORDER BY l.seq;

-- name: LoadEach :many
-- What LoadMessages and GetSendContext give, for messages that were named one by one.
SELECT c.campaign_id, c.name AS campaign_name, c.campaign_type, c.status AS campaign_status, c.send_deadline_ms, c.send_window,
       l.communication_id, l.customer_id, l.seq, l.customer_email, l.customer_name, l.message_text,
       l.status, l.attempts, l.max_attempts,
       (s.email IS NOT NULL OR e.address_sha256 IS NOT NULL
        OR l.customer_email LIKE '%@erased.invalid')::boolean AS suppressed
FROM (SELECT unnest(@campaign_ids::uuid[]) AS campaign_id, unnest(@seqs::integer[]) AS seq) AS wanted
JOIN campaigns c ON c.campaign_id = wanted.campaign_id
JOIN communication_log l ON l.campaign_id = wanted.campaign_id AND l.seq = wanted.seq
LEFT JOIN suppressions s ON s.email = lower(l.customer_email)
LEFT JOIN erased_addresses e ON e.address_sha256 = sha256(convert_to(lower(l.customer_email), 'UTF8'));

-- name: GetSendContext :one
SELECT name, campaign_type, status, send_deadline_ms, send_window FROM campaigns WHERE campaign_id = @campaign_id;

-- name: ListPendingSeqs :many
SELECT seq FROM communication_log
WHERE campaign_id = @campaign_id AND seq > @after_seq AND status = 'PENDING'
ORDER BY seq LIMIT @max_rows;

-- name: LockMessages :many
-- Ordered by primary key, so that two writers of overlapping sets wait instead of deadlocking.
-- NO KEY UPDATE lets the foreign keys of receipts and attempts pass.
SELECT communication_id, campaign_id, status, attempts, max_attempts,
       (sent_at IS NOT NULL)::boolean AS handed_over, vendor_ref, failure_code, failure_reason, skip_reason
FROM communication_log
WHERE communication_id = ANY (@ids::uuid[])
ORDER BY communication_id
FOR NO KEY UPDATE;

-- name: UpdateMessages :exec
UPDATE communication_log l
SET status = u.status, attempts = u.attempts,
    vendor_ref = nullif(u.vendor_ref, ''), failure_code = nullif(u.failure_code, ''),
    failure_reason = nullif(u.failure_reason, ''), skip_reason = nullif(u.skip_reason, ''),
    sent_at = CASE WHEN u.handed_over THEN coalesce(l.sent_at, u.happened_at) ELSE l.sent_at END,
    last_attempt_at = CASE WHEN u.is_answer THEN greatest(l.last_attempt_at, u.happened_at) ELSE l.last_attempt_at END,
    delivered_at = CASE WHEN u.status = 'DELIVERED' THEN coalesce(l.delivered_at, u.happened_at) ELSE l.delivered_at END
FROM (
    SELECT unnest(@ids::uuid[]) AS communication_id,
           unnest(@statuses::text[]) AS status,
           unnest(@attempts::integer[]) AS attempts,
           unnest(@vendor_refs::text[]) AS vendor_ref,
           unnest(@failure_codes::text[]) AS failure_code,
           unnest(@failure_reasons::text[]) AS failure_reason,
           unnest(@skip_reasons::text[]) AS skip_reason,
           unnest(@handed_over::boolean[]) AS handed_over,
           unnest(@is_answer::boolean[]) AS is_answer,
           unnest(@happened_at::timestamptz[]) AS happened_at
) u
WHERE l.communication_id = u.communication_id;

-- name: InsertAttempts :exec
INSERT INTO send_attempts (communication_id, attempt, outcome, code, latency_ms, attempted_at)
SELECT unnest(@ids::uuid[]), unnest(@attempts::integer[]), unnest(@outcomes::text[]),
       nullif(unnest(@codes::text[]), ''), unnest(@latencies_ms::integer[]), unnest(@attempted_at::timestamptz[])
ON CONFLICT DO NOTHING;

-- name: InsertReceipts :many
-- Gives the ids that were new: a receipt that is stored already changes nothing.
INSERT INTO delivery_receipts (
    receipt_id, communication_id, attempt, vendor_ref, receipt_status, failure_code, failure_reason, occurred_at
)
SELECT unnest(@receipt_ids::uuid[]), unnest(@ids::uuid[]), unnest(@attempts::integer[]),
       nullif(unnest(@vendor_refs::text[]), ''), unnest(@statuses::text[]),
       nullif(unnest(@failure_codes::text[]), ''), nullif(unnest(@failure_reasons::text[]), ''),
       unnest(@occurred_at::timestamptz[])
ON CONFLICT DO NOTHING
RETURNING receipt_id;

-- name: CancelPending :execrows
UPDATE communication_log SET status = 'CANCELLED'
WHERE campaign_id = @campaign_id AND seq BETWEEN @first_seq AND @last_seq AND status = 'PENDING';

-- name: RearmFailed :execrows
UPDATE communication_log
SET status = 'PENDING', max_attempts = attempts + @more_attempts, failure_code = NULL, failure_reason = NULL
WHERE campaign_id = @campaign_id AND status = 'FAILED' AND failure_code = ANY (@codes::text[]);

-- name: MaxSeq :one
SELECT coalesce(max(seq), 0)::integer FROM communication_log WHERE campaign_id = @campaign_id;

-- name: LastSendableSeq :one
-- Skipped messages stand at the end of the audience; see unreachable in audience.go.
SELECT coalesce(max(seq), 0)::integer FROM communication_log
WHERE campaign_id = @campaign_id AND coalesce(skip_reason, '') NOT IN ('NO_EMAIL', 'SUPPRESSED');
