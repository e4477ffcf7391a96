-- Locks: makes tables; nothing waits.
-- +goose Up

-- API keys, without their secrets: only the hash is kept.
CREATE TABLE api_keys (
    key_id       varchar(16) PRIMARY KEY,
    secret_hash  bytea NOT NULL CHECK (length(secret_hash) = 32),
    name         varchar(255) NOT NULL,
    -- '' may do nothing but what the scopes say.
    role         varchar(16) NOT NULL CHECK (role IN ('', 'viewer', 'editor', 'admin')),
    scopes       text[] NOT NULL,
    created_by   varchar(255) NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz,
    revoked_by   varchar(255),
    CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
CREATE INDEX api_keys_created_at_idx ON api_keys (created_at, key_id);

-- Browsers that have signed in, by the hash of the ticket in their cookie.
CREATE TABLE sessions (
    ticket_hash  bytea PRIMARY KEY CHECK (length(ticket_hash) = 32),
    issuer       text NOT NULL,
    subject      text NOT NULL,
    email        text NOT NULL,
    name         text NOT NULL,
    email_proven boolean NOT NULL,
    seen_at      timestamptz NOT NULL,
    ends_at      timestamptz NOT NULL
);
CREATE INDEX sessions_ends_at_idx ON sessions (ends_at);

-- Sign-ins on their way, by the hash of the ticket in the browser's cookie; each is taken once.
CREATE TABLE login_attempts (
    ticket_hash bytea PRIMARY KEY CHECK (length(ticket_hash) = 32),
    state       text NOT NULL,
    nonce       text NOT NULL,
    verifier    text NOT NULL,
    return_to   text NOT NULL,
    expires_at  timestamptz NOT NULL
);
CREATE INDEX login_attempts_expires_at_idx ON login_attempts (expires_at);

-- Who asked for which change, and what became of it. Ids only, no personal data.
CREATE TABLE audit_log (
    entry_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    principal  varchar(255) NOT NULL,
    operation  varchar(64) NOT NULL,
    target     varchar(255) NOT NULL,
    request_id varchar(128) NOT NULL,
    -- Null while it is not known: the process works on it, or died.
    status     smallint
);
CREATE INDEX audit_log_principal_idx ON audit_log (principal, entry_id);

-- +goose Down
DROP TABLE audit_log, login_attempts, sessions, api_keys;
