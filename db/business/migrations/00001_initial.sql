-- Locks: creates tables in an empty schema; nothing can be waiting on them.
-- +goose Up

-- The projection of the master database's customers: one row a customer, the newest version only.
CREATE TABLE customers_mv (
    customer_id   uuid PRIMARY KEY,
    version       bigint NOT NULL,
    name          varchar(255),
    email         varchar(255),
    phone         varchar(20),
    total_spend   numeric(12, 2) NOT NULL DEFAULT 0,
    total_visits  integer NOT NULL DEFAULT 0,
    total_orders  integer NOT NULL DEFAULT 0,
    last_order_at timestamptz,
    status        varchar(20) NOT NULL DEFAULT 'ACTIVE',
    synced_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX customers_mv_synced_at_idx ON customers_mv (synced_at DESC, customer_id);

CREATE TABLE segments (
    segment_id    uuid PRIMARY KEY,
    name          varchar(255) NOT NULL,
    description   text,
    rules         jsonb NOT NULL,
    preview_count integer,
    version       integer NOT NULL DEFAULT 1,
    created_by    varchar(255) NOT NULL,
    updated_by    varchar(255) NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX segments_created_at_idx ON segments (created_at DESC, segment_id);

CREATE TABLE campaigns (
    campaign_id           uuid PRIMARY KEY,
    segment_id            uuid NOT NULL REFERENCES segments,
    segment_name          varchar(255) NOT NULL,
    -- Frozen when the campaign is created: a later edit of the segment changes nothing (D16).
    rules                 jsonb NOT NULL,
    name                  varchar(255) NOT NULL,
    message_template      text NOT NULL,
    campaign_type         varchar(50) NOT NULL DEFAULT 'PROMOTIONAL'
        CHECK (campaign_type IN ('PROMOTIONAL', 'TRANSACTIONAL', 'NEWSLETTER', 'REMINDER')),
    status                varchar(20) NOT NULL DEFAULT 'ACTIVE'
        CHECK (status IN ('DRAFT', 'SCHEDULED', 'ACTIVE', 'PAUSED', 'COMPLETED', 'CANCELLED', 'FAILED')),
    target_audience_count integer NOT NULL DEFAULT 0,
    fan_out               varchar(20) NOT NULL DEFAULT 'per_customer'
        CHECK (fan_out IN ('per_customer', 'paged')),
    -- Messages per second over the whole campaign; 0 is unlimited.
    rate                  double precision NOT NULL DEFAULT 0 CHECK (rate >= 0),
    max_attempts          smallint NOT NULL DEFAULT 3 CHECK (max_attempts BETWEEN 1 AND 100),
    send_deadline_ms      bigint NOT NULL,
    receipt_deadline_ms   bigint NOT NULL,
    scheduled_at          timestamptz,
    -- Which time round: 0 is the launch, each "retry the failed ones" adds one and has a workflow of its own.
    round                 integer NOT NULL DEFAULT 0,
    workflow_id           varchar(255) NOT NULL,
    -- NULL while the workflow of this round is not known to have been started (Temporal away, or a
    -- crash between commit and start); the starter loop looks for these.
    start_confirmed_at    timestamptz,
    request_hash          bytea,
    failure_reason        text,
    created_by            varchar(255) NOT NULL,
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now(),
    audience_resolved_at  timestamptz,
    started_at            timestamptz,
    finished_at           timestamptz
);
CREATE INDEX campaigns_created_at_idx ON campaigns (created_at DESC, campaign_id);
CREATE INDEX campaigns_segment_idx ON campaigns (segment_id);
CREATE INDEX campaigns_unstarted_idx ON campaigns (created_at)
    WHERE start_confirmed_at IS NULL AND status IN ('SCHEDULED', 'ACTIVE');

-- The ledger: one row a recipient, whatever becomes of it. There is no index on status: it would
-- turn each of a row's updates from heap-only into one that writes every index, and the engine
-- finds rows by (campaign_id, seq). There is no foreign key to customers_mv: the audience comes out
-- of that table in the same transaction, its rows are never deleted, and the check would cost a
-- third of the rate at which an audience is stored.
CREATE TABLE communication_log (
    communication_id uuid PRIMARY KEY,
    campaign_id      uuid NOT NULL REFERENCES campaigns,
    customer_id      uuid NOT NULL,
    seq              integer NOT NULL CHECK (seq >= 1),
    customer_email   varchar(255) NOT NULL,
    customer_name    varchar(255) NOT NULL,
    message_text     text NOT NULL,
    status           varchar(20) NOT NULL DEFAULT 'PENDING'
        CHECK (status IN ('PENDING', 'SKIPPED', 'CANCELLED', 'SENT', 'FAILED', 'DELIVERED')),
    -- Answers that the vendor gave for this message; a timeout or crash counts as none.
    attempts         integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    max_attempts     integer NOT NULL DEFAULT 3,
    vendor_ref       varchar(255),
    failure_code     varchar(50),
    failure_reason   text,
    skip_reason      varchar(50),
    created_at       timestamptz NOT NULL DEFAULT now(),
    last_attempt_at  timestamptz,
    -- When the vendor first answered for it, or a receipt came first; NULL means never handed over.
    sent_at          timestamptz,
    delivered_at     timestamptz,
    UNIQUE (campaign_id, customer_id),
    UNIQUE (campaign_id, seq)
) WITH (fillfactor = 75);

-- What the vendor answered to each attempt, append-only.
CREATE TABLE send_attempts (
    communication_id uuid NOT NULL REFERENCES communication_log,
    attempt          integer NOT NULL CHECK (attempt >= 1),
    outcome          varchar(20) NOT NULL CHECK (outcome IN ('ACCEPTED', 'RETRYABLE', 'PERMANENT', 'EXPIRED')),
    code             varchar(50),
    latency_ms       integer NOT NULL,
    attempted_at     timestamptz NOT NULL,
    -- The outcome is part of the key: giving up at the deadline stands after the last answer, under the
    -- number that the next answer would have, and a later round may bring that answer.
    PRIMARY KEY (communication_id, attempt, outcome)
);

CREATE TABLE delivery_receipts (
    receipt_id       uuid PRIMARY KEY,
    communication_id uuid NOT NULL REFERENCES communication_log,
    attempt          integer NOT NULL DEFAULT 0,
    vendor_ref       varchar(255),
    receipt_status   varchar(20) NOT NULL CHECK (receipt_status IN ('DELIVERED', 'FAILED')),
    failure_code     varchar(50),
    failure_reason   text,
    occurred_at      timestamptz NOT NULL,
    received_at      timestamptz NOT NULL DEFAULT now(),
    processed        boolean NOT NULL DEFAULT true
);
CREATE INDEX delivery_receipts_communication_idx ON delivery_receipts (communication_id);

-- The books of a campaign. They change in the transaction that changes the rows they count, and the
-- table itself refuses books that do not balance.
CREATE TABLE campaign_stats (
    campaign_id     uuid PRIMARY KEY REFERENCES campaigns,
    total_messages  integer NOT NULL DEFAULT 0,
    pending_count   integer NOT NULL DEFAULT 0 CHECK (pending_count >= 0),
    in_flight_count integer NOT NULL DEFAULT 0 CHECK (in_flight_count >= 0),
    total_delivered integer NOT NULL DEFAULT 0 CHECK (total_delivered >= 0),
    total_failed    integer NOT NULL DEFAULT 0 CHECK (total_failed >= 0),
    skipped_count   integer NOT NULL DEFAULT 0 CHECK (skipped_count >= 0),
    cancelled_count integer NOT NULL DEFAULT 0 CHECK (cancelled_count >= 0),
    -- Messages handed to the vendor at least once.
    total_sent      integer NOT NULL DEFAULT 0 CHECK (total_sent >= 0),
    delivery_rate   numeric(5, 2) NOT NULL GENERATED ALWAYS AS (
        CASE WHEN total_sent = 0 THEN 0 ELSE round(total_delivered * 100.0 / total_sent, 2) END
    ) STORED,
    -- Rises with each change: of two copies the one with the greater revision is the newer.
    revision        bigint NOT NULL DEFAULT 0,
    last_updated    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT books_balance CHECK (
        total_messages = pending_count + in_flight_count + total_delivered + total_failed
                         + skipped_count + cancelled_count
    )
) WITH (fillfactor = 50);

-- The reference's second summary, over the same numbers, so that the two can never disagree.
CREATE VIEW campaign_delivery_summary AS
SELECT campaign_id, total_messages, pending_count, total_sent AS sent_count,
       total_delivered AS delivered_count, total_failed AS failed_count, last_updated
FROM campaign_stats;

-- Who must not be written to, by lower-cased address.
CREATE TABLE suppressions (
    email      varchar(255) PRIMARY KEY CHECK (email = lower(email)),
    reason     varchar(50) NOT NULL,
    created_by varchar(255) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Messages that can never be processed as they are: raw bytes, reason, replayable.
CREATE TABLE quarantine (
    quarantine_id uuid PRIMARY KEY,
    queue         varchar(255) NOT NULL,
    message_id    varchar(255) NOT NULL DEFAULT '',
    reason        text NOT NULL,
    body          bytea NOT NULL,
    headers       jsonb NOT NULL DEFAULT '{}',
    created_at    timestamptz NOT NULL DEFAULT now(),
    replayed_at   timestamptz
);
CREATE INDEX quarantine_created_at_idx ON quarantine (created_at, quarantine_id);

-- +goose Down
DROP TABLE quarantine, suppressions, delivery_receipts, send_attempts, communication_log;
DROP VIEW campaign_delivery_summary;
DROP TABLE campaign_stats, campaigns, segments, customers_mv;
