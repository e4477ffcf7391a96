-- name: LockTestSends :exec
-- One at a time per principal, so that the count below is exact.
SELECT pg_advisory_xact_lock(hashtextextended('test-send ' || @principal::text, 0));

-- name: CountTestSends :one
SELECT count(*) FROM test_sends
WHERE principal = @principal AND sent_at > now() - sqlc.arg(within_ms)::bigint * interval '1 millisecond'
    AND communication_id <> @communication_id;

-- name: InsertTestSend :exec
INSERT INTO test_sends (communication_id, principal) VALUES (@communication_id, @principal) ON CONFLICT DO NOTHING;

-- name: NoteTestReceipt :execrows
UPDATE test_sends SET delivered = coalesce(delivered, false) OR @delivered::boolean WHERE communication_id = @communication_id;

-- name: IsSuppressed :one
SELECT EXISTS (SELECT FROM suppressions WHERE email = @email::text)
    OR EXISTS (SELECT FROM erased_addresses WHERE address_sha256 = sha256(convert_to(@email::text, 'UTF8')));

-- name: ExampleCustomer :one
SELECT name, email, total_spend, total_orders, total_visits FROM customers_mv WHERE customer_id = @customer_id;
