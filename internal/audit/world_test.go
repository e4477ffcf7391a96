package audit_test

import (
	"crypto/sha256"
	"database/sql"
	_ "embed"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/db/dbtest"
	"github.com/xencrm/xencrm/internal/audit"
)

// A copy of the mock vendor's schema, on purpose: when the vendor changes its file, the auditor's
// queries have to be looked at.
//
//go:embed testdata/vendor-ledger.sql
var ledgerSchema string

const (
	// campaignDone is COMPLETED and has a message of every kind, campaignCancelled was cancelled.
	campaignDone      = "c0000000-0000-4000-8000-000000000001"
	campaignCancelled = "c0000000-0000-4000-8000-000000000002"
)

// The messages of the golden world by what became of them; they are also their sequence numbers.
const (
	msgDelivered = iota + 1
	msgDeliveredLate
	msgBounced
	msgRefused
	msgExhausted
	msgExpired
	msgSent
	msgSkipped
	msgCancelled
	msgCancelledToo
)

// world is a finished system, built by hand: two databases and a vendor's ledger that agree.
type world struct {
	t       *testing.T
	options audit.Options
	vendor  *sql.DB
}

// The customers are ten with opening values, two completed orders and one refunded each, in three
// versions.
const (
	masterCustomers = `
		INSERT INTO customers (customer_id, name, email, phone, total_spend, total_visits, total_orders, last_order_at,
		                       opening_spend, opening_visits, opening_last_order_at, version)
		SELECT format('b0000000-0000-4000-8000-%s', lpad(n::text, 12, '0'))::uuid, 'Customer ' || n, n || '@example.com',
		       CASE WHEN n % 2 = 0 THEN '+91' || n END, 30.35 + n, 5, 2, '2025-06-02T10:00:00.123456Z', 10.10 + n, 3,
		       '2024-01-01T00:00:00Z', 3
		FROM generate_series(1, 10) AS n;
		INSERT INTO orders (order_id, customer_id, order_amount, order_status, external_id, source, ordered_at)
		SELECT gen_random_uuid(), customer_id, o.amount, o.status, o.name || email, 'shop', o.at::timestamptz
		FROM customers, (VALUES (0.25, 'COMPLETED', 'a', '2025-06-01T10:00:00Z'),
		                        (20.00, 'COMPLETED', 'b', '2025-06-02T10:00:00.123456Z'),
		                        (7.00, 'REFUNDED', 'c', '2025-06-03T10:00:00Z')) AS o (amount, status, name, at);
		INSERT INTO outbox_events (event_id, event_type, entity_id, entity_version, exchange, routing_key, payload, published_at)
		SELECT gen_random_uuid(), 'customer_mv_upsert', customer_id, v, 'data_ingestion', 'customer_mv', '{}', now()
		FROM customers, generate_series(1, 3) AS v`
	businessCustomers = `
		INSERT INTO customers_mv (customer_id, version, name, email, phone, total_spend, total_visits, total_orders,
		                          last_order_at)
		SELECT format('b0000000-0000-4000-8000-%s', lpad(n::text, 12, '0'))::uuid, 3, 'Customer ' || n, n || '@example.com',
		       CASE WHEN n % 2 = 0 THEN '+91' || n END, 30.35 + n, 5, 2, '2025-06-02T10:00:00.123456Z'
		FROM generate_series(1, 10) AS n`
)

func message(n int) string  { return fmt.Sprintf("a0000000-0000-4000-8000-%012d", n) }
func customer(n int) string { return fmt.Sprintf("b0000000-0000-4000-8000-%012d", n) }
func receipt(n int) string  { return fmt.Sprintf("d0000000-0000-4000-8000-%012d", n) }
func text(n int) string     { return fmt.Sprintf("Héllo customer %d", n) }

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldWith(t, newMaster(t))
}

// newMaster makes a master database of ten customers; tests that only read it may share one.
func newMaster(t *testing.T) string {
	t.Helper()
	w := &world{t: t, options: audit.Options{MasterURL: dbtest.MasterURL(t)}}
	w.master(masterCustomers)
	return w.options.MasterURL
}

func newWorldWith(t *testing.T, masterURL string) *world {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.db")
	vendor, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, vendor.Close()) })
	w := &world{t: t, vendor: vendor, options: audit.Options{
		MasterURL: masterURL, BusinessURL: dbtest.BusinessURL(t), VendorLedger: path,
		// The servers of tests do not sync, which is what I24 is there to find.
		Skip: []string{"I24"}, Wait: 10 * time.Second, Poll: time.Millisecond,
	}}
	w.ledger(ledgerSchema)
	w.business(businessCustomers)
	w.campaigns()
	return w
}

// master, business and ledger run statements.
func (w *world) master(statements string) { w.t.Helper(); w.exec(w.options.MasterURL, statements) }

func (w *world) business(statements string) { w.t.Helper(); w.exec(w.options.BusinessURL, statements) }

func (w *world) ledger(statements string) {
	w.t.Helper()
	_, err := w.vendor.ExecContext(w.t.Context(), statements)
	require.NoError(w.t, err)
}

func (w *world) exec(url, statements string) {
	w.t.Helper()
	conn, err := pgx.Connect(w.t.Context(), url)
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, conn.Close(w.t.Context())) }()
	_, err = conn.PgConn().Exec(w.t.Context(), statements).ReadAll()
	require.NoError(w.t, err)
}

func (w *world) campaigns() {
	w.business(`
		INSERT INTO segments (segment_id, name, rules, created_by, updated_by)
		VALUES ('e0000000-0000-4000-8000-000000000001', 's', '{}', 't', 't');
		INSERT INTO campaigns (campaign_id, segment_id, segment_name, rules, name, message_template, status,
		                       target_audience_count, send_deadline_ms, receipt_deadline_ms, workflow_id,
		                       start_confirmed_at, created_by)
		SELECT v.id::uuid, 'e0000000-0000-4000-8000-000000000001', 's', '{}', 'c', 'm', v.status, v.n, 1000, 1000,
		       'campaign-' || v.id, now(), 't'
		FROM (VALUES ('` + campaignDone + `', 'COMPLETED', 8), ('` + campaignCancelled + `', 'CANCELLED', 2)) AS v (id, status, n);
		UPDATE campaigns SET audience_resolved_at = start_confirmed_at, finished_at = start_confirmed_at`)
	w.ledger("INSERT INTO profiles VALUES (1, '1', 0.9)")
	w.message(msgDelivered, "DELIVERED", "1:ACCEPTED", "DELIVERED")
	w.message(msgDeliveredLate, "DELIVERED", "1:RETRYABLE 2:RETRYABLE 3:ACCEPTED", "DELIVERED")
	w.message(msgBounced, "FAILED", "1:ACCEPTED", "FAILED")
	w.message(msgRefused, "FAILED", "1:PERMANENT", "")
	w.message(msgExhausted, "FAILED", "1:RETRYABLE 2:RETRYABLE 3:RETRYABLE", "")
	w.message(msgExpired, "FAILED", "1:EXPIRED", "")
	w.message(msgSent, "SENT", "1:ACCEPTED", "")
	w.message(msgSkipped, "SKIPPED", "", "")
	w.message(msgCancelled, "CANCELLED", "1:RETRYABLE", "")
	w.message(msgCancelledToo, "CANCELLED", "", "")
	w.business(`
		INSERT INTO campaign_stats (campaign_id, total_messages, in_flight_count, total_delivered, total_failed,
		                            skipped_count, cancelled_count, total_sent)
		VALUES ('` + campaignDone + `', 8, 1, 2, 4, 1, 0, 6), ('` + campaignCancelled + `', 2, 0, 0, 0, 0, 2, 1)`)
}

// message stores one message on both sides. Attempts are those of send_attempts; the vendor gave every
// answer but EXPIRED.
func (w *world) message(n int, status, attempts, receiptStatus string) {
	w.t.Helper()
	campaign, seq := campaignDone, n
	if n >= msgCancelled {
		campaign, seq = campaignCancelled, n-msgCancelled+1
	}
	w.business(fmt.Sprintf(`INSERT INTO communication_log (communication_id, campaign_id, customer_id, seq, customer_email,
			customer_name, message_text, status, skip_reason)
		VALUES ('%s', '%s', '%s', %d, '%d@example.com', 'x', '%s', '%s', %s)`,
		message(n), campaign, customer(n), seq, n, text(n), status, map[bool]string{true: "'SUPPRESSED'", false: "NULL"}[status == "SKIPPED"]))
	answers, wasAccepted := w.attempts(n, attempts)
	if answers > 0 {
		w.ledger(fmt.Sprintf(`INSERT INTO requests VALUES (%d, '%s', 1, 'f', %d, '', 1, 1, %d, 0)`, n, message(n), answers, answers+1))
		w.business(fmt.Sprintf(`UPDATE communication_log SET attempts = %d, sent_at = now() WHERE communication_id = '%s'`, answers, message(n)))
	}
	if wasAccepted {
		w.deliver(n, campaign, answers)
		w.business(fmt.Sprintf(`UPDATE communication_log SET vendor_ref = 'ref-%d' WHERE communication_id = '%s'`, n, message(n)))
	}
	if receiptStatus != "" {
		w.ledger(fmt.Sprintf(`INSERT INTO receipts VALUES (%d, '%s', '%s', '%s', '', 1, 1, 2)`, n, receipt(n), message(n), receiptStatus))
		w.business(fmt.Sprintf(`INSERT INTO delivery_receipts (receipt_id, communication_id, attempt, receipt_status, occurred_at)
			VALUES ('%s', '%s', %d, '%s', now())`, receipt(n), message(n), answers, receiptStatus))
	}
	if status == "DELIVERED" {
		w.business(fmt.Sprintf(`UPDATE communication_log SET delivered_at = now() WHERE communication_id = '%s'`, message(n)))
	}
}

// erasedText is what the product puts in the place of what it erases from a message.
const erasedText = "customer_email = 'erased-' || customer_id || '@erased.invalid', customer_name = '[erased]', message_text = '[erased]'"

// erase erases the customer of a message everywhere.
func (w *world) erase(n int) {
	w.t.Helper()
	const gone = " SET name = '[erased]', email = 'erased-' || customer_id || '@erased.invalid', phone = NULL, " +
		"status = 'INACTIVE', version = 4 WHERE customer_id = '"
	w.master("UPDATE customers" + gone + customer(n) + `';
		INSERT INTO outbox_events (event_id, event_type, entity_id, entity_version, exchange, routing_key, payload, published_at)
		VALUES (gen_random_uuid(), 'customer_mv_upsert', '` + customer(n) + `', 4, 'data_ingestion', 'customer_mv', '{}', now())`)
	w.business("UPDATE customers_mv" + gone + customer(n) + "'; UPDATE communication_log SET " + erasedText +
		" WHERE customer_id = '" + customer(n) + "'")
}

func (w *world) attempts(n int, attempts string) (answers int, wasAccepted bool) {
	w.t.Helper()
	var number int
	var outcome string
	for len(attempts) > 0 {
		_, err := fmt.Sscanf(attempts, "%d:%s", &number, &outcome)
		require.NoError(w.t, err)
		attempts = attempts[min(len(attempts), len(outcome)+3):]
		w.business(fmt.Sprintf(`INSERT INTO send_attempts VALUES ('%s', %d, '%s', NULL, 1, now())`, message(n), number, outcome))
		if outcome != "EXPIRED" {
			answers = number
		}
		wasAccepted = wasAccepted || outcome == "ACCEPTED"
	}
	return answers, wasAccepted
}

// deliver is the vendor's delivery of a message.
func (w *world) deliver(n int, campaign string, answers int) {
	sum := sha256.Sum256([]byte(text(n)))
	w.ledger(fmt.Sprintf(`INSERT INTO deliveries VALUES (%d, '%s', 'ref-%d', '%s', '%s', '%s', %d, '%s', 1)`,
		n, message(n), n, message(n), campaign, customer(n), answers, hex.EncodeToString(sum[:])))
}
