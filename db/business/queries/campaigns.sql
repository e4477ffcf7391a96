-- name: InsertCampaign :execrows
INSERT INTO campaigns (
    campaign_id, segment_id, segment_name, rules, name, message_template, campaign_type, status,
    target_audience_count, fan_out, rate, max_attempts, send_deadline_ms, receipt_deadline_ms,
    scheduled_at, send_window, workflow_id, request_hash, created_by
) VALUES (
    @campaign_id, @segment_id, @segment_name, @rules, @name, @message_template, @campaign_type, @status,
    @target_audience_count, @fan_out, @rate, @max_attempts, @send_deadline_ms, @receipt_deadline_ms,
    @scheduled_at, @send_window, @workflow_id, @request_hash, @created_by
)
ON CONFLICT (campaign_id) DO NOTHING;

-- name: InsertStats :exec
INSERT INTO campaign_stats (campaign_id) VALUES (@campaign_id) ON CONFLICT DO NOTHING;

-- name: GetRequestHash :one
SELECT request_hash FROM campaigns WHERE campaign_id = @campaign_id;

-- name: GetCampaign :one
SELECT sqlc.embed(campaigns), sqlc.embed(campaign_stats)
FROM campaigns JOIN campaign_stats USING (campaign_id)
WHERE campaigns.campaign_id = @campaign_id;

-- name: ListCampaigns :many
SELECT sqlc.embed(campaigns), sqlc.embed(campaign_stats)
FROM campaigns JOIN campaign_stats USING (campaign_id)
ORDER BY campaigns.created_at DESC, campaigns.campaign_id
LIMIT @max_rows OFFSET @skip_rows;

-- name: CountCampaigns :one
SELECT count(*) FROM campaigns;

-- name: ConfirmStart :exec
UPDATE campaigns SET start_confirmed_at = now()
WHERE campaign_id = @campaign_id AND round = @round AND start_confirmed_at IS NULL;

-- name: ListUnstarted :many
SELECT sqlc.embed(campaigns), sqlc.embed(campaign_stats)
FROM campaigns JOIN campaign_stats USING (campaign_id)
WHERE start_confirmed_at IS NULL AND status IN ('SCHEDULED', 'ACTIVE') AND campaigns.updated_at < @before
ORDER BY campaigns.created_at
LIMIT @max_rows;

-- name: LockCampaign :one
-- Always the first lock of a transaction that takes it; then ledger rows, then the books.
SELECT * FROM campaigns WHERE campaign_id = @campaign_id FOR UPDATE;

-- name: LaunchDraft :execrows
UPDATE campaigns
SET status = CASE WHEN scheduled_at > now() THEN 'SCHEDULED' ELSE 'ACTIVE' END, updated_at = now()
WHERE campaign_id = @campaign_id AND status = 'DRAFT' AND (@version::integer = 0 OR version = @version);

-- name: SetCampaignStatus :execrows
-- Compare-and-set: a campaign that has ended is never opened again by a late call.
UPDATE campaigns SET status = @status, updated_at = now()
WHERE campaign_id = @campaign_id AND status = ANY (@from_statuses::text[]);

-- name: SetCampaignRate :exec
UPDATE campaigns SET rate = @rate, updated_at = now() WHERE campaign_id = @campaign_id;

-- name: CloseCampaign :execrows
UPDATE campaigns
SET status = @status, failure_reason = @failure_reason, finished_at = clock_timestamp(), updated_at = now()
WHERE campaign_id = @campaign_id AND status IN ('SCHEDULED', 'ACTIVE', 'PAUSED');

-- name: MarkAudienceResolved :exec
UPDATE campaigns
SET audience_resolved_at = clock_timestamp(), target_audience_count = @audience, fan_out = @fan_out, started_at = now(), updated_at = now(),
    status = CASE WHEN status = 'SCHEDULED' THEN 'ACTIVE' ELSE status END
WHERE campaign_id = @campaign_id;

-- name: NextRound :one
UPDATE campaigns
SET round = round + 1, status = 'ACTIVE', workflow_id = @workflow_id, start_confirmed_at = NULL,
    finished_at = NULL, failure_reason = NULL, updated_at = now()
WHERE campaign_id = @campaign_id
RETURNING *;

-- name: GetRound :one
SELECT round FROM campaigns WHERE campaign_id = @campaign_id;
