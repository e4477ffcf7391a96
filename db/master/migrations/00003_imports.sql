-- Locks: new tables only; nothing can be waiting on them.
-- +goose Up

-- Files of customers that were or are being imported.
CREATE TABLE imports (
    import_id         uuid PRIMARY KEY,
    state             varchar(20) NOT NULL DEFAULT 'RUNNING' CHECK (state IN ('RUNNING', 'COMPLETED', 'FAILED')),
    -- Of the batches that were applied; those that wait count in import_batches, so that an upload and
    -- the applying of what it brought never wait for one another's lock of this row.
    rows_read         bigint NOT NULL DEFAULT 0,
    rows_stored       bigint NOT NULL DEFAULT 0,
    rows_refused      bigint NOT NULL DEFAULT 0,
    customers_created bigint NOT NULL DEFAULT 0,
    customers_changed bigint NOT NULL DEFAULT 0,
    errors            bigint NOT NULL DEFAULT 0,
    -- The last batch that was applied.
    batch             integer NOT NULL DEFAULT 0,
    failure           text,
    started_at        timestamptz NOT NULL DEFAULT now(),
    -- The upload's last sign of life, and when the whole file was staged.
    beat_at           timestamptz NOT NULL DEFAULT now(),
    uploaded_at       timestamptz,
    -- Imports take turns by it.
    applied_at        timestamptz NOT NULL DEFAULT '-infinity',
    finished_at       timestamptz,
    CHECK ((state = 'RUNNING') = (finished_at IS NULL)),
    CHECK ((state = 'FAILED') = (failure IS NOT NULL)),
    CHECK (state <> 'COMPLETED' OR rows_read = rows_stored + rows_refused)
) WITH (fillfactor = 50);
CREATE INDEX imports_running_idx ON imports (import_id) WHERE state = 'RUNNING';
CREATE INDEX imports_finished_at_idx ON imports (finished_at) WHERE finished_at IS NOT NULL;

-- What is staged and not applied yet, in the order in which it must be. A batch and its rows go in the
-- transaction that makes customers of them.
CREATE TABLE import_batches (
    import_id     uuid NOT NULL REFERENCES imports ON DELETE CASCADE,
    batch         integer NOT NULL,
    rows_read     integer NOT NULL,
    rows_accepted integer NOT NULL,
    rows_refused  integer NOT NULL,
    errors        integer NOT NULL,
    -- How many rows import_rows has of it: one an address.
    customers     integer NOT NULL,
    PRIMARY KEY (import_id, batch)
);

-- Logged like any other table: an upload that was answered with 202 survives a crash. No foreign key,
-- which would be checked for each row.
CREATE TABLE import_rows (
    import_id     uuid NOT NULL,
    batch         integer NOT NULL,
    email         varchar(255) NOT NULL,
    -- For a customer who is new, and for the event that tells of the change.
    customer_id   uuid NOT NULL,
    event_id      uuid NOT NULL,
    -- As posted: NULL is a field that was not named.
    name          varchar(255) NOT NULL,
    phone         varchar(20),
    total_spend   numeric(12, 2),
    total_visits  integer,
    last_order_at timestamptz,
    status        varchar(20),
    PRIMARY KEY (import_id, batch, email)
);

-- The first errors of each import. They hold no value of the file.
CREATE TABLE import_errors (
    import_id   uuid NOT NULL REFERENCES imports ON DELETE CASCADE,
    number      integer NOT NULL,
    line        bigint NOT NULL,
    column_name text NOT NULL,
    code        text NOT NULL,
    message     text NOT NULL,
    PRIMARY KEY (import_id, number)
);

-- +goose Down
DROP TABLE import_errors, import_rows, import_batches, imports;
