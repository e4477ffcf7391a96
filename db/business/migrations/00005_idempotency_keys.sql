-- Locks: makes a table; nothing waits.
-- +goose Up

-- Answers that a repeated request is given again, for 24 hours. A row without a status is a request that
-- is being worked on, or whose process died; then its key is free again after running_until.
CREATE TABLE idempotency_keys (
    owner         varchar(255) NOT NULL,
    key           varchar(255) NOT NULL,
    -- SHA-256 of method, path, query, If-Match and body.
    fingerprint   bytea NOT NULL,
    running_until timestamptz NOT NULL,
    status        smallint,
    header        jsonb,
    body          bytea,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner, key),
    CHECK ((status IS NULL) = (body IS NULL))
);
CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at);

-- +goose Down
DROP TABLE idempotency_keys;
