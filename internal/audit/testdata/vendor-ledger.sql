-- The vendor's ledger. Times are Unix milliseconds. Rows are only added or moved forward, never
-- deleted, so an auditor can hold any run against it. Readers may open the file while the vendor runs.
--
-- A key gets a number (request) when it is first seen, and everything else hangs on that number: rows
-- are appended instead of spread over random pages. With the random keys themselves as primary keys,
-- 300,000 messages ran at a third of the speed of the first 40,000.

-- What the outcome function was called with. A key keeps the profile under which it was first seen.
CREATE TABLE profiles (
  profile      INTEGER PRIMARY KEY,
  seed         TEXT NOT NULL, -- Text: SQLite's integers are signed.
  success_rate REAL NOT NULL,
  UNIQUE (seed, success_rate)
);

-- One row per idempotency key: n answers were given, code is that of the last one ('' is success).
CREATE TABLE requests (
  request     INTEGER PRIMARY KEY,
  key         TEXT NOT NULL UNIQUE,
  profile     INTEGER NOT NULL REFERENCES profiles (profile),
  fingerprint TEXT NOT NULL,    -- The first half of SHA-256 of the whole request body, in hex.
  n           INTEGER NOT NULL,
  code        TEXT NOT NULL,
  settled_at  INTEGER NOT NULL, -- When a delivery or a permanent refusal settled the key; 0 while open.
  first_at    INTEGER NOT NULL,
  asked       INTEGER NOT NULL, -- Requests that reached the ledger, repeats included.
  reused      INTEGER NOT NULL  -- Of these, how many came with another body.
);

CREATE TABLE answers (
  request     INTEGER NOT NULL REFERENCES requests (request),
  n           INTEGER NOT NULL,
  http_status INTEGER NOT NULL,
  code        TEXT NOT NULL,
  at          INTEGER NOT NULL,
  PRIMARY KEY (request, n)
) WITHOUT ROWID;

-- The primary key, with the unique key above, is the promise: one physical delivery per key, ever.
CREATE TABLE deliveries (
  request          INTEGER PRIMARY KEY REFERENCES requests (request),
  key              TEXT NOT NULL,
  vendor_ref       TEXT NOT NULL,
  communication_id TEXT NOT NULL,
  campaign_id      TEXT NOT NULL,
  customer_id      TEXT NOT NULL,
  n                INTEGER NOT NULL,
  body_sha256      TEXT NOT NULL, -- Of message_text alone, so that it compares with communication_log.
  accepted_at      INTEGER NOT NULL
);

-- Written together with its delivery. No index on what is unconfirmed: the running vendor knows it, and
-- a scan at the start is cheaper than an index touched twice per message.
CREATE TABLE receipts (
  request      INTEGER PRIMARY KEY REFERENCES deliveries (request),
  receipt_id   TEXT NOT NULL,
  key          TEXT NOT NULL,
  status       TEXT NOT NULL,
  code         TEXT NOT NULL,
  due_at       INTEGER NOT NULL,
  confirmed_at INTEGER, -- When a 2xx came for it; NULL until then.
  copies_sent  INTEGER NOT NULL DEFAULT 0 -- Posts of it that got a 2xx.
);

PRAGMA user_version = 1;
