-- name: PlanEachTime :exec
-- For the list of entries: a plan made once for all filters and limits sorts what is left of the campaign
-- for each page.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true);

-- name: ListEntries :many
-- A walk along the key (campaign_id, seq). A filter that few rows satisfy reads the campaign to its end:
-- an index on status would make every change of a row dearer (see 00001).
SELECT communication_id, customer_id, seq, customer_email, customer_name, status, attempts, max_attempts,
       vendor_ref, failure_code, failure_reason, skip_reason, created_at, last_attempt_at, sent_at, delivered_at
FROM communication_log
WHERE campaign_id = @campaign_id AND seq > @after_seq
  AND (cardinality(@statuses::text[]) = 0 OR status = ANY (@statuses::text[]))
  AND (@failure_code::text = '' OR failure_code = @failure_code)
ORDER BY seq
LIMIT sqlc.arg(n)::int;

-- name: GetEntry :one
-- By the customer's id or by the message's own; both are unique within a campaign.
SELECT sqlc.embed(communication_log), campaigns.status AS campaign_status
FROM communication_log JOIN campaigns USING (campaign_id)
WHERE communication_log.campaign_id = @campaign_id AND (customer_id = @ref OR communication_id = @ref)
LIMIT 1;

-- name: ListEntryAttempts :many
-- Capped: at most 100 answers a round, and nobody reads more than the first five rounds.
SELECT attempt, outcome, code, latency_ms, attempted_at FROM send_attempts
WHERE communication_id = @communication_id
ORDER BY attempted_at, attempt, outcome
LIMIT 500;

-- name: ListEntryReceipts :many
-- Capped: a vendor may send any number of them.
SELECT receipt_id, attempt, vendor_ref, receipt_status, failure_code, failure_reason, occurred_at, received_at
FROM delivery_receipts
WHERE communication_id = @communication_id
ORDER BY occurred_at, receipt_id
LIMIT 500;
