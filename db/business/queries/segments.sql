-- name: InsertSegment :one
INSERT INTO segments (segment_id, name, description, rules, preview_count, created_by, updated_by)
VALUES (@segment_id, @name, @description, @rules, @preview_count, @created_by, @updated_by)
RETURNING *;

-- name: UpdateSegment :one
UPDATE segments
SET name = @name, description = @description, rules = @rules, preview_count = @preview_count,
    updated_by = @updated_by, updated_at = now(), version = version + 1
WHERE segment_id = @segment_id AND (@version::integer = 0 OR version = @version)
RETURNING *;

-- name: DeleteSegment :execrows
DELETE FROM segments WHERE segment_id = @segment_id;

-- name: GetSegment :one
SELECT * FROM segments WHERE segment_id = @segment_id;

-- name: ListSegments :many
-- Capped: a list that nobody can read is no reason to run out of memory.
SELECT * FROM segments ORDER BY created_at DESC, segment_id LIMIT 1000;

-- name: ListSegmentUsers :many
SELECT u.id, u.name::text AS name FROM (
    SELECT c.campaign_id AS id, c.name, c.created_at FROM campaigns c WHERE c.segment_id = @segment_id
    UNION ALL
    SELECT s.schedule_id, s.plan ->> 'name', s.created_at FROM campaign_schedules s WHERE s.segment_id = @segment_id
) u
ORDER BY u.created_at, u.id LIMIT 100;
