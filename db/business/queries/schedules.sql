-- name: InsertSchedule :one
INSERT INTO campaign_schedules (schedule_id, segment_id, plan, recurrence, created_by)
VALUES (@schedule_id, @segment_id::uuid, @plan, @recurrence, @created_by)
RETURNING *;

-- name: GetSchedule :one
SELECT * FROM campaign_schedules WHERE schedule_id = @schedule_id AND NOT deleted;

-- name: ListSchedulesAfter :many
SELECT * FROM campaign_schedules
WHERE NOT deleted AND created_at <= @created_at AND (created_at < @created_at OR schedule_id > @after_id)
ORDER BY created_at DESC, schedule_id
LIMIT sqlc.arg(n)::int;

-- name: UpdateSchedule :one
-- A compare-and-set: of two edits of one version one wins.
UPDATE campaign_schedules
SET segment_id = @segment_id::uuid, plan = @plan, recurrence = @recurrence, paused = @paused, version = version + 1, updated_at = now()
WHERE schedule_id = @schedule_id AND version = @version AND NOT deleted
RETURNING *;

-- name: DeleteSchedule :one
UPDATE campaign_schedules SET deleted = true, segment_id = NULL, version = version + 1, updated_at = now()
WHERE schedule_id = @schedule_id AND NOT deleted
RETURNING *;

-- name: ConfirmSync :exec
UPDATE campaign_schedules SET synced_version = greatest(synced_version, @version) WHERE schedule_id = @schedule_id;

-- name: ForgetSchedule :exec
DELETE FROM campaign_schedules WHERE schedule_id = @schedule_id AND deleted;

-- name: UnsyncedSchedules :many
SELECT * FROM campaign_schedules
WHERE synced_version < version AND updated_at < now() - sqlc.arg(age_ms)::bigint * interval '1 millisecond'
ORDER BY updated_at
LIMIT sqlc.arg(n)::int;

-- name: NoteOccurrence :exec
-- Occurrences may be noted out of their order; the last one stays.
UPDATE campaign_schedules SET last_at = @at, last_campaign_id = @campaign_id, last_error = @error
WHERE schedule_id = @schedule_id AND (last_at IS NULL OR last_at <= @at);
