-- Locks: none but those of a new table.
-- +goose Up

-- Messages that somebody has sent to one address to look at them. They belong to no campaign and to no books,
-- and neither the address nor the text is kept: the row is there so that the vendor's receipt is known, and
-- for the limit of an hour.
CREATE TABLE test_sends (
    communication_id uuid PRIMARY KEY,
    principal        varchar(255) NOT NULL,
    sent_at          timestamptz  NOT NULL DEFAULT now(),
    -- NULL until a receipt has come.
    delivered        boolean
);
CREATE INDEX test_sends_principal_idx ON test_sends (principal, sent_at);

-- +goose Down
DROP TABLE test_sends;
