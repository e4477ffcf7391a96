-- Locks: creates tables in an empty schema; nothing can be waiting on them.
-- +goose Up

-- total_x = opening_x + what completed orders contribute. The opening value is what a client posted
-- for the time before we saw orders. Posting a total sets opening so that the sum is what was posted,
-- which may make opening negative, and a later refund may then make the total negative too: that is
-- arithmetic, not damage, so there is no check against it.
CREATE TABLE customers (
    customer_id           uuid PRIMARY KEY,
    name                  varchar(255) NOT NULL CHECK (name <> ''),
    -- Lower case is part of the identity: MCP and HTTP cannot make two of one customer (D49).
    email                 varchar(255) NOT NULL UNIQUE CHECK (email = lower(email) AND email <> ''),
    phone                 varchar(20),
    total_spend           numeric(12, 2) NOT NULL DEFAULT 0,
    total_visits          integer NOT NULL DEFAULT 0,
    total_orders          integer NOT NULL DEFAULT 0 CHECK (total_orders >= 0),
    last_order_at         timestamptz,
    opening_spend         numeric(12, 2) NOT NULL DEFAULT 0,
    opening_visits        integer NOT NULL DEFAULT 0,
    opening_last_order_at timestamptz,
    status                varchar(20) NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'INACTIVE')),
    -- Counts the changes from 1; each version has one row in outbox_events.
    version               bigint NOT NULL CHECK (version >= 1),
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);

CREATE TABLE orders (
    order_id     uuid PRIMARY KEY,
    customer_id  uuid NOT NULL REFERENCES customers,
    order_amount numeric(10, 2) NOT NULL CHECK (order_amount > 0),
    order_status varchar(20) NOT NULL DEFAULT 'COMPLETED'
        CHECK (order_status IN ('PENDING', 'COMPLETED', 'CANCELLED', 'REFUNDED')),
    -- The client's own name for the order, unique within its source; NULL when it gave none.
    external_id  varchar(100),
    source       varchar(50) NOT NULL DEFAULT '',
    ordered_at   timestamptz NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX orders_external_id_key ON orders (source, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX orders_customer_id_idx ON orders (customer_id, ordered_at DESC);

-- Orders whose customer is not known yet (D48). They are counted as soon as the customer is there,
-- and go to the quarantine when it does not come.
CREATE TABLE orders_waiting (
    message_id   varchar(255) PRIMARY KEY,
    email        varchar(255) NOT NULL,
    order_id     uuid NOT NULL,
    order_amount numeric(10, 2) NOT NULL,
    order_status varchar(20) NOT NULL,
    external_id  varchar(100),
    source       varchar(50) NOT NULL,
    ordered_at   timestamptz NOT NULL,
    traceparent  varchar(60) NOT NULL DEFAULT '',
    body         bytea NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX orders_waiting_email_idx ON orders_waiting (email);
CREATE INDEX orders_waiting_created_at_idx ON orders_waiting (created_at);

-- What has to be told to others. A row is written in the transaction of the change that it tells of
-- (D35); the relay publishes it and sets published_at when the broker has confirmed.
CREATE TABLE outbox_events (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id       uuid NOT NULL UNIQUE,
    event_type     varchar(50) NOT NULL,
    entity_id      uuid NOT NULL,
    entity_version bigint NOT NULL,
    exchange       varchar(255) NOT NULL,
    routing_key    varchar(255) NOT NULL,
    payload        jsonb NOT NULL,
    traceparent    varchar(60) NOT NULL DEFAULT '',
    created_at     timestamptz NOT NULL DEFAULT now(),
    published_at   timestamptz,
    -- Refusals that are the row's own fault; after some it is parked for an operator.
    attempts       integer NOT NULL DEFAULT 0,
    not_before     timestamptz NOT NULL DEFAULT '-infinity',
    parked_at      timestamptz,
    last_error     text,
    UNIQUE (entity_id, entity_version)
) WITH (fillfactor = 80);
CREATE INDEX outbox_events_unpublished_idx ON outbox_events (id) WHERE published_at IS NULL AND parked_at IS NULL;
CREATE INDEX outbox_events_published_at_idx ON outbox_events (published_at) WHERE published_at IS NOT NULL;

-- Messages that have had their effect; inserted in the transaction of the effect (D39).
CREATE TABLE inbox (
    consumer     varchar(50) NOT NULL,
    message_id   varchar(255) NOT NULL,
    -- SHA-256 of what the message says: the same id with something else to say is refused.
    payload_hash bytea NOT NULL,
    received_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, message_id)
);
CREATE INDEX inbox_received_at_idx ON inbox (received_at);

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
DROP TABLE quarantine, inbox, outbox_events, orders_waiting, orders, customers;
