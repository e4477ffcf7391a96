-- name: CreateImport :exec
INSERT INTO imports (import_id) VALUES (@import_id);

-- name: ShareImport :one
-- Keeps the import from being failed while a batch is staged, and from nothing else.
SELECT state, batch FROM imports WHERE import_id = @import_id FOR KEY SHARE;

-- name: LockImport :one
-- For ending it: waits for a batch that is being staged or applied.
SELECT state FROM imports WHERE import_id = @import_id FOR UPDATE;

-- name: InsertImportBatch :execrows
INSERT INTO import_batches (import_id, batch, rows_read, rows_accepted, rows_refused, errors, customers)
VALUES (@import_id, @batch, @rows_read, @rows_accepted, @rows_refused, @errors, @customers)
ON CONFLICT DO NOTHING;

-- name: CopyImportRows :copyfrom
INSERT INTO import_rows (import_id, batch, email, customer_id, event_id, name, phone, total_spend, total_visits,
                         last_order_at, status)
VALUES (@import_id, @batch, @email, @customer_id, @event_id, @name, @phone, @total_spend, @total_visits,
        @last_order_at, @status);

-- name: CopyImportErrors :copyfrom
INSERT INTO import_errors (import_id, number, line, column_name, code, message)
VALUES (@import_id, @number, @line, @column_name, @code, @message);

-- name: CountImportBatches :one
SELECT i.state, (SELECT count(*) FROM import_batches b WHERE b.import_id = i.import_id) AS waiting
FROM imports i WHERE i.import_id = @import_id;

-- name: BeatImport :exec
UPDATE imports SET beat_at = now() WHERE import_id = @import_id AND state = 'RUNNING';

-- name: MarkUploaded :exec
UPDATE imports SET uploaded_at = now() WHERE import_id = @import_id;

-- name: CompleteImport :exec
-- Called with the row locked: no batch can come any more when uploaded_at is set.
UPDATE imports i SET state = 'COMPLETED', finished_at = now()
WHERE i.import_id = @import_id AND i.state = 'RUNNING' AND i.uploaded_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM import_batches b WHERE b.import_id = i.import_id);

-- name: FailImport :exec
-- What was read and is dropped still counts as read.
UPDATE imports i
SET state = 'FAILED', failure = @failure, finished_at = now(),
    rows_read = i.rows_read + b.rows_read, rows_refused = i.rows_refused + b.rows_refused, errors = i.errors + b.errors
FROM (SELECT coalesce(sum(w.rows_read), 0) AS rows_read, coalesce(sum(w.rows_refused), 0) AS rows_refused,
             coalesce(sum(w.errors), 0) AS errors
      FROM import_batches w WHERE w.import_id = @import_id) AS b
WHERE i.import_id = @import_id;

-- name: DropImportBatches :exec
DELETE FROM import_batches WHERE import_id = @import_id;

-- name: DropImportRows :exec
DELETE FROM import_rows WHERE import_id = @import_id;

-- name: GetImport :one
SELECT i.import_id, i.state, (i.rows_read + b.rows_read)::bigint AS rows_read, i.rows_stored,
       (i.rows_refused + b.rows_refused)::bigint AS rows_refused, i.customers_created, i.customers_changed,
       (i.errors + b.errors)::bigint AS errors, i.failure, i.started_at, i.finished_at
FROM imports i, LATERAL (
    SELECT coalesce(sum(w.rows_read), 0) AS rows_read, coalesce(sum(w.rows_refused), 0) AS rows_refused,
           coalesce(sum(w.errors), 0) AS errors
    FROM import_batches w WHERE w.import_id = i.import_id
) AS b
WHERE i.import_id = @import_id;

-- name: ListImportErrors :many
SELECT number, line, column_name, code, message FROM import_errors
WHERE import_id = @import_id AND number > @after
ORDER BY number
LIMIT sqlc.arg(n)::int;

-- name: ClaimImport :one
-- The lock is the claim: an import that somebody is at is skipped, and one whose applier dies is free
-- again at once. Imports take turns.
SELECT i.import_id FROM imports i
WHERE i.state = 'RUNNING' AND EXISTS (SELECT FROM import_batches b WHERE b.import_id = i.import_id)
ORDER BY i.applied_at
LIMIT 1
FOR NO KEY UPDATE SKIP LOCKED;

-- name: NextImportBatch :one
-- Behind the claim, for what the claim saw may have been applied before it had the lock.
SELECT * FROM import_batches WHERE import_id = @import_id ORDER BY batch LIMIT 1;

-- name: LockImported :many
-- Locks the customers that exist, in order of e-mail, as every writer does.
SELECT c.email FROM customers c JOIN import_rows r ON r.email = c.email
WHERE r.import_id = @import_id AND r.batch = @batch
ORDER BY c.email
FOR UPDATE OF c;

-- name: ApplyImported :one
-- Does what customer.Post does to all locked customers at once, and what customer.New does for the
-- others, in order of e-mail, and writes the event that tells of each. A customer whom the file says
-- nothing new of is left alone. Whom somebody else has just made violates the unique address: it is not
-- locked, so it must not be changed here, out of the order of locks.
WITH post AS MATERIALIZED (
    SELECT c.customer_id, r.event_id, r.name,
           coalesce(r.phone, c.phone) AS phone,
           coalesce(r.status, c.status) AS status,
           coalesce(r.total_spend, c.total_spend) AS total_spend,
           coalesce(r.total_visits, c.total_visits) AS total_visits,
           coalesce(r.last_order_at, c.opening_last_order_at) AS opening_last_order_at,
           -- The posted time may be earlier than the one that it replaces.
           CASE WHEN r.last_order_at IS NULL THEN c.last_order_at
                ELSE greatest(r.last_order_at, (SELECT max(o.ordered_at) FROM orders o
                                                WHERE o.customer_id = c.customer_id AND o.order_status = 'COMPLETED'))
           END AS last_order_at
    FROM import_rows r JOIN customers c ON c.email = r.email
    WHERE r.import_id = @import_id AND r.batch = @batch AND r.email = ANY (@locked::text[])
), changed AS (
    UPDATE customers c
    SET name = p.name, phone = p.phone, status = p.status, total_spend = p.total_spend, total_visits = p.total_visits,
        -- The difference first: it is what orders have contributed, so the sum stays within its type.
        opening_spend = c.opening_spend - c.total_spend + p.total_spend,
        opening_visits = c.opening_visits - c.total_visits + p.total_visits,
        opening_last_order_at = p.opening_last_order_at, last_order_at = p.last_order_at,
        version = c.version + 1, updated_at = now()
    FROM post p
    WHERE c.customer_id = p.customer_id
      AND (c.name, c.phone, c.status, c.total_spend, c.total_visits, c.opening_last_order_at, c.last_order_at)
          IS DISTINCT FROM
          (p.name, p.phone, p.status, p.total_spend, p.total_visits, p.opening_last_order_at, p.last_order_at)
    RETURNING p.event_id, c.customer_id, c.version, c.name, c.email, c.phone, c.total_spend, c.total_visits, c.total_orders,
              c.last_order_at, c.status
), new AS MATERIALIZED (
    SELECT r.event_id, r.customer_id, r.name, r.email, r.phone, coalesce(r.total_spend, 0) AS total_spend,
           coalesce(r.total_visits, 0) AS total_visits, r.last_order_at, coalesce(r.status, 'ACTIVE') AS status
    FROM import_rows r
    WHERE r.import_id = @import_id AND r.batch = @batch AND r.email <> ALL (@locked::text[])
    ORDER BY r.email COLLATE "C"
), made AS (
    INSERT INTO customers (customer_id, name, email, phone, total_spend, total_visits, last_order_at,
                           opening_spend, opening_visits, opening_last_order_at, status, version)
    SELECT n.customer_id, n.name, n.email, n.phone, n.total_spend, n.total_visits, n.last_order_at,
           n.total_spend, n.total_visits, n.last_order_at, n.status, 1
    FROM new n
    RETURNING customer_id
), told AS (
    INSERT INTO outbox_events (event_id, event_type, entity_id, entity_version, exchange, routing_key, payload)
    SELECT c.event_id, @event_type::text, c.customer_id, c.version, @exchange::text, @routing_key::text,
           -- Half the time of jsonb_build_object, which was a quarter of the whole.
           concat(@envelope::text, '{"customer_id":"', c.customer_id, '","version":', c.version, ',"name":', to_json(c.name),
                  ',"email":', to_json(c.email), ',"phone":', coalesce(to_json(c.phone)::text, 'null'),
                  ',"total_spend":"', c.total_spend, '","total_visits":', c.total_visits, ',"total_orders":', c.total_orders,
                  ',"last_order_at":', coalesce(to_json(c.last_order_at)::text, 'null'),
                  ',"status":"', c.status, '","operation":"', c.operation, '"}}')::jsonb
    FROM (
        SELECT d.event_id, d.customer_id, d.version, d.name, d.email, d.phone, d.total_spend, d.total_visits, d.total_orders,
               d.last_order_at, d.status, 'updated' AS operation
        FROM changed d
        UNION ALL
        SELECT n.event_id, n.customer_id, 1, n.name, n.email, n.phone, n.total_spend, n.total_visits, 0,
               n.last_order_at, n.status, 'created'
        FROM new n
    ) AS c
)
SELECT (SELECT count(*) FROM made) AS created, (SELECT count(*) FROM changed) AS changed;

-- name: DeleteImportRows :exec
DELETE FROM import_rows WHERE import_id = @import_id AND batch = @batch;

-- name: DeleteImportBatch :exec
DELETE FROM import_batches WHERE import_id = @import_id AND batch = @batch;

-- name: CountImported :exec
UPDATE imports
SET rows_read = rows_read + @rows_read::int, rows_stored = rows_stored + @rows_accepted::int,
    rows_refused = rows_refused + @rows_refused::int, errors = errors + @errors::int,
    customers_created = customers_created + @created::bigint, customers_changed = customers_changed + @changed::bigint,
    batch = @batch, applied_at = clock_timestamp()
WHERE import_id = @import_id;

-- name: SilentImports :many
SELECT import_id FROM imports
WHERE state = 'RUNNING' AND uploaded_at IS NULL AND beat_at < now() - sqlc.arg(silence)::interval
ORDER BY import_id;

-- name: IsSilentImport :one
-- Behind the lock.
SELECT EXISTS (SELECT FROM imports
               WHERE import_id = @import_id AND state = 'RUNNING' AND uploaded_at IS NULL
                 AND beat_at < now() - sqlc.arg(silence)::interval);

-- name: PurgeImports :execrows
DELETE FROM imports WHERE import_id = ANY (ARRAY(
    SELECT i.import_id FROM imports i WHERE i.finished_at < @before ORDER BY i.finished_at LIMIT sqlc.arg(n)::int
));
