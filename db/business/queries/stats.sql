-- name: ApplyStats :one
-- The deltas of one transaction; the table's own constraint refuses what does not balance.
UPDATE campaign_stats
SET total_messages = total_messages + @messages, pending_count = pending_count + @pending,
    in_flight_count = in_flight_count + @in_flight, total_delivered = total_delivered + @delivered,
    total_failed = total_failed + @failed, skipped_count = skipped_count + @skipped,
    cancelled_count = cancelled_count + @cancelled, total_sent = total_sent + @sent,
    revision = revision + 1, last_updated = now()
WHERE campaign_id = @campaign_id
RETURNING *;

-- name: GetStats :one
SELECT * FROM campaign_stats WHERE campaign_id = @campaign_id;

-- name: LockStats :one
SELECT * FROM campaign_stats WHERE campaign_id = @campaign_id FOR UPDATE;

-- name: CountLedger :one
SELECT count(*)::integer AS messages,
       (count(*) FILTER (WHERE status = 'PENDING'))::integer AS pending,
       (count(*) FILTER (WHERE status = 'SENT'))::integer AS in_flight,
       (count(*) FILTER (WHERE status = 'DELIVERED'))::integer AS delivered,
       (count(*) FILTER (WHERE status = 'FAILED'))::integer AS failed,
       (count(*) FILTER (WHERE status = 'SKIPPED'))::integer AS skipped,
       (count(*) FILTER (WHERE status = 'CANCELLED'))::integer AS cancelled,
       (count(*) FILTER (WHERE sent_at IS NOT NULL))::integer AS sent
FROM communication_log
WHERE campaign_id = @campaign_id;
