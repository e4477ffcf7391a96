-- name: InsertOutbox :batchexec
INSERT INTO outbox_events (event_id, event_type, entity_id, entity_version, exchange, routing_key, payload, traceparent)
VALUES (@event_id, @event_type, @entity_id, @entity_version, @exchange, @routing_key, @payload, @traceparent);

-- name: ClaimOutbox :many
-- Never by a cursor over id: ids are handed out before commit, and one that commits late would be
-- passed over for ever (faults B11). Rows that another relay holds are skipped.
SELECT id, event_id, event_type, entity_id, exchange, routing_key, payload, traceparent, created_at, attempts
FROM outbox_events
WHERE published_at IS NULL AND parked_at IS NULL AND not_before <= now()
ORDER BY id
LIMIT sqlc.arg(n)::int
FOR UPDATE SKIP LOCKED;

-- name: MarkPublished :exec
UPDATE outbox_events SET published_at = now(), last_error = NULL WHERE id = ANY (@ids::bigint[]);

-- name: DeferOutbox :batchexec
UPDATE outbox_events
SET attempts = attempts + 1, last_error = @last_error,
    not_before = now() + sqlc.arg(pause)::interval,
    parked_at = CASE WHEN attempts + 1 >= sqlc.arg(max_attempts)::int THEN now() END
WHERE id = @id;

-- name: PurgeOutbox :execrows
DELETE FROM outbox_events WHERE id = ANY (ARRAY(
    SELECT o.id FROM outbox_events o WHERE o.published_at < @before ORDER BY o.published_at LIMIT sqlc.arg(n)::int
));

-- name: OutboxBacklog :one
SELECT count(*) FILTER (WHERE parked_at IS NULL) AS waiting,
       count(*) FILTER (WHERE parked_at IS NOT NULL) AS parked,
       coalesce(min(created_at) FILTER (WHERE parked_at IS NULL), now())::timestamptz AS oldest
FROM outbox_events
WHERE published_at IS NULL;

-- name: EraseOutbox :exec
-- Also of events that are still to be published: their versions are older than the erasure's.
UPDATE outbox_events
SET payload = jsonb_set(payload, '{data}', (payload -> 'data')
              || jsonb_build_object('name', @name::text, 'email', @email::text, 'phone', NULL))
WHERE entity_id = @entity_id AND payload -> 'data' ? 'email';
