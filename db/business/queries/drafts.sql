-- name: UpdateDraft :execrows
-- One compare-and-set against launches, deletions and other edits.
UPDATE campaigns
SET segment_id = @segment_id, segment_name = @segment_name, rules = @rules, name = @name,
    message_template = @message_template, campaign_type = @campaign_type,
    target_audience_count = @target_audience_count, fan_out = @fan_out, rate = @rate,
    max_attempts = @max_attempts, send_deadline_ms = @send_deadline_ms,
    receipt_deadline_ms = @receipt_deadline_ms, scheduled_at = @scheduled_at, send_window = @send_window,
    version = version + 1, updated_at = now()
WHERE campaign_id = @campaign_id AND status = 'DRAFT' AND version = @version;

-- name: DeleteStats :exec
DELETE FROM campaign_stats WHERE campaign_id = @campaign_id;

-- name: DeleteDraft :execrows
DELETE FROM campaigns WHERE campaign_id = @campaign_id AND status = 'DRAFT';
