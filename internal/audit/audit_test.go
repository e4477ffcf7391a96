package audit_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/audit"
)

// violated gives the ids of what does not hold, in order.
func violated(v audit.Verdict) []string {
	out := []string{}
	for _, x := range v.Violations {
		out = append(out, x.ID)
	}
	return out
}

func (w *world) final() audit.Verdict {
	w.t.Helper()
	v, err := audit.Final(w.t.Context(), w.options)
	require.NoError(w.t, err)
	require.Empty(w.t, v.Stuck)
	return v
}

func TestGoldenWorldHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.final()
	require.Empty(t, v.Violations)
	require.Equal(t, audit.Holds, v.Outcome)
	require.Equal(t, audit.ExitHolds, v.ExitCode())
	var out bytes.Buffer
	require.NoError(t, v.WriteText(&out))
	require.Contains(t, out.String(), "campaign "+campaignDone+" COMPLETED: audience 8 = delivered 2 + failed 4 + skipped 1 + "+
		"cancelled 0 + in flight 1 + pending 0 ; vendor deliveries 4, max copies of one message 1 ; "+
		"receipts stored 3 of 3 confirmed (copies seen 6)\n")
	require.Contains(t, out.String(), "campaign "+campaignCancelled+" CANCELLED: audience 2 = delivered 0 + failed 0 + skipped 0 + "+
		"cancelled 2 + in flight 0 + pending 0 ; vendor deliveries 0, max copies of one message 0 ; "+
		"receipts stored 0 of 0 confirmed (copies seen 0)\n")
	require.Contains(t, out.String(), "verdict: holds\n")
	require.NotContains(t, out.String(), "example.com")
}

// An erasure in both databases leaves everything true that can still be judged.
func TestErasedCustomersHold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erase(msgDelivered)
	w.erase(msgExhausted)
	// A later campaign has him in its audience, skipped and without a text.
	w.erase(msgSkipped)
	w.business(fmt.Sprintf("UPDATE communication_log SET message_text = '' WHERE communication_id = '%s'", message(msgSkipped)))
	v := w.final()
	require.Empty(t, v.Violations)
	require.Equal(t, audit.Holds, v.Outcome)
}

// Each planted corruption gives exactly the invariants that it breaks.
func TestPlantedCorruptions(t *testing.T) {
	t.Parallel()
	log := func(n int, set string) string {
		return fmt.Sprintf("UPDATE communication_log SET %s WHERE communication_id = '%s';", set, message(n))
	}
	stats := func(set string) string {
		return "ALTER TABLE campaign_stats DROP CONSTRAINT books_balance; UPDATE campaign_stats SET " + set +
			" WHERE campaign_id = '" + campaignDone + "';"
	}
	tests := []struct {
		name  string
		plant func(w *world)
		want  []string
	}{
		{"OrderStoredTwice", func(w *world) {
			w.options.MasterURL = newMaster(w.t)
			w.master(`DROP INDEX orders_external_id_key;
				INSERT INTO orders (order_id, customer_id, order_amount, order_status, external_id, source, ordered_at)
				SELECT gen_random_uuid(), customer_id, order_amount, 'PENDING', external_id, source, ordered_at FROM orders LIMIT 1`)
		}, []string{"I3"}},
		{"TotalOffByACent", func(w *world) {
			w.options.MasterURL = newMaster(w.t)
			const cent = " SET total_spend = total_spend + 0.01 WHERE customer_id = 'b0000000-0000-4000-8000-000000000001'"
			w.master("UPDATE customers" + cent)
			w.business("UPDATE customers_mv" + cent)
		}, []string{"I4"}},
		{"LastOrderOffByAMicrosecond", func(w *world) {
			w.options.MasterURL = newMaster(w.t)
			w.master("UPDATE customers SET last_order_at = last_order_at - interval '1 microsecond'")
			w.business("UPDATE customers_mv SET last_order_at = last_order_at - interval '1 microsecond'")
		}, []string{"I4"}},
		{"OrderUncounted", func(w *world) {
			w.options.MasterURL = newMaster(w.t)
			w.master("UPDATE orders SET order_status = 'COMPLETED' WHERE external_id = 'c1@example.com'")
		}, []string{"I4"}},
		{"OutboxVersionGap", func(w *world) {
			w.options.MasterURL = newMaster(w.t)
			w.master("DELETE FROM outbox_events WHERE entity_version = 2 AND entity_id = '" + customer(1) + "'")
		}, []string{"I5"}},
		{"OutboxWithoutNewestVersion", func(w *world) {
			w.options.MasterURL = newMaster(w.t)
			w.master("DELETE FROM outbox_events WHERE entity_version = 3 AND entity_id = '" + customer(1) + "'")
		}, []string{"I5"}},
		{"OutboxParked", func(w *world) {
			w.options.MasterURL = newMaster(w.t)
			w.master("UPDATE outbox_events SET published_at = NULL, parked_at = now() WHERE entity_version = 3")
		}, []string{"I6"}},
		{"ProjectionStale", func(w *world) {
			w.business("UPDATE customers_mv SET version = 2 WHERE customer_id = '" + customer(5) + "'")
		}, []string{"I7"}},
		{"ProjectionLacksPhone", func(w *world) {
			w.business("UPDATE customers_mv SET phone = NULL WHERE customer_id = '" + customer(2) + "'")
		}, []string{"I7"}},
		{"ProjectionLacksACustomer", func(w *world) {
			w.business("DELETE FROM customers_mv WHERE customer_id = '" + customer(10) + "'")
		}, []string{"I7"}},
		{"ProjectionHasAStranger", func(w *world) {
			w.business("INSERT INTO customers_mv (customer_id, version) VALUES ('" + customer(0) + "', 1)")
		}, []string{"I7"}},
		{"LogRowDeleted", func(w *world) {
			w.business("DELETE FROM communication_log WHERE communication_id = '" + message(msgSkipped) + "'")
		}, []string{"I8", "I14"}},
		{"SentLogRowDeleted", func(w *world) {
			w.business(fmt.Sprintf(`DELETE FROM send_attempts WHERE communication_id = '%[1]s';
				DELETE FROM communication_log WHERE communication_id = '%[1]s'`, message(msgSent)))
		}, []string{"I8", "I10'", "I14"}},
		{"SequenceGap", func(w *world) { w.business(log(msgSkipped, "seq = 99")) }, []string{"I8"}},
		{"TwoRowsForOneCustomer", func(w *world) {
			w.business("ALTER TABLE communication_log DROP CONSTRAINT communication_log_campaign_id_customer_id_key;" +
				log(msgSkipped, "customer_id = '"+customer(msgDelivered)+"'"))
		}, []string{"I9"}},
		{"TwoRowsForOneAddress", func(w *world) {
			w.business(log(msgSkipped, "customer_email = '1@EXAMPLE.com'"))
		}, []string{"I9"}},
		{"SameKeyDeliveredTwice", func(w *world) {
			w.ledger(`CREATE TABLE copy AS SELECT request, key, vendor_ref, communication_id, campaign_id, customer_id, body_sha256
					FROM deliveries;
				DROP TABLE deliveries;
				ALTER TABLE copy RENAME TO deliveries;
				INSERT INTO deliveries SELECT request, key, vendor_ref, communication_id, campaign_id, customer_id, body_sha256
				FROM deliveries WHERE request = 1`)
		}, []string{"I10"}},
		{"SameCustomerUnderAnotherKey", func(w *world) {
			w.ledger(fmt.Sprintf(`INSERT INTO requests VALUES (99, 'another', 1, 'f', 1, '', 1, 1, 1, 0);
				INSERT INTO deliveries SELECT 99, 'another', 'ref-99', 'another', campaign_id, customer_id, 1, body_sha256, 1
				FROM deliveries WHERE key = '%s'`, message(1)))
		}, []string{"I10", "I10'"}},
		{"TextChangedAfterSend", func(w *world) { w.business(log(msgDelivered, "message_text = 'other'")) }, []string{"I10'"}},
		{"KeyReusedWithAnotherBody", func(w *world) { w.ledger("UPDATE requests SET reused = 1 WHERE request = 1") }, []string{"I10'"}},
		{"DeliveredToAnotherCustomer", func(w *world) {
			w.ledger("UPDATE deliveries SET customer_id = 'x' WHERE request = 1")
		}, []string{"I10'"}},
		{"DeliveryForgotten", func(w *world) { w.ledger("DELETE FROM deliveries WHERE request = 7") }, []string{"I11"}},
		{"VendorRefDiffers", func(w *world) { w.business(log(msgSent, "vendor_ref = 'x'")) }, []string{"I11"}},
		{"CancelledButDelivered", func(w *world) { w.deliver(msgCancelled, campaignCancelled, 1) }, []string{"I11"}},
		{"RefusedButDelivered", func(w *world) { w.deliver(msgRefused, campaignDone, 1) }, []string{"I11"}},
		{"ReceiptDropped", func(w *world) {
			w.business("DELETE FROM delivery_receipts WHERE receipt_id = '" + receipt(msgDelivered) + "'")
		}, []string{"I12", "I13"}},
		{"GhostReceipt", func(w *world) {
			w.business(fmt.Sprintf(`INSERT INTO delivery_receipts (receipt_id, communication_id, attempt, receipt_status, occurred_at)
				VALUES ('%s', '%s', 1, 'DELIVERED', now())`, receipt(77), message(msgDelivered)))
		}, []string{"I12"}},
		{"ReceiptSaysOtherThanTheVendor", func(w *world) {
			w.ledger("UPDATE receipts SET status = 'FAILED' WHERE request = 1")
		}, []string{"I12"}},
		{"StatusesSwapped", func(w *world) {
			w.business(log(msgDelivered, "status = 'FAILED', delivered_at = NULL") + log(msgBounced, "status = 'DELIVERED', delivered_at = now()"))
		}, []string{"I11", "I13"}},
		{"DeliveredWithoutReceipt", func(w *world) {
			w.business("DELETE FROM delivery_receipts WHERE receipt_id = '" + receipt(msgDelivered) + "'")
			w.ledger("DELETE FROM receipts WHERE request = 1")
		}, []string{"I13"}},
		{"AttemptLost", func(w *world) {
			w.business("DELETE FROM send_attempts WHERE attempt = 3 AND communication_id = '" + message(msgExhausted) + "'")
		}, []string{"I13"}},
		{"CancelledInACompletedCampaign", func(w *world) {
			w.business(log(msgSkipped, "status = 'CANCELLED', skip_reason = NULL") + stats("skipped_count = 0, cancelled_count = 1"))
		}, []string{"I13"}},
		{"StatsPlusOne", func(w *world) { w.business(stats("total_delivered = total_delivered + 1")) }, []string{"I14"}},
		{"StatsMinusOne", func(w *world) { w.business(stats("total_sent = total_sent - 1")) }, []string{"I14"}},
		{"StatsMissing", func(w *world) {
			w.business("DELETE FROM campaign_stats WHERE campaign_id = '" + campaignCancelled + "'")
		}, []string{"I14"}},
		{"DeliveryRateWrong", func(w *world) {
			w.business("ALTER TABLE campaign_stats ALTER COLUMN delivery_rate DROP EXPRESSION;" + stats("delivery_rate = 33.34"))
		}, []string{"I14"}},
		{"SummaryDisagrees", func(w *world) {
			w.business(`CREATE OR REPLACE VIEW campaign_delivery_summary AS
				SELECT campaign_id, total_messages, pending_count, total_sent AS sent_count, total_delivered + 1 AS delivered_count,
				       total_failed AS failed_count, last_updated FROM campaign_stats`)
		}, []string{"I14"}},
		{"ClosedWithPending", func(w *world) {
			w.business(log(msgSkipped, "status = 'PENDING', skip_reason = NULL") + stats("skipped_count = 0, pending_count = 1"))
		}, []string{"I17"}},
		{"ClosedWithoutTime", func(w *world) { w.business("UPDATE campaigns SET finished_at = NULL") }, []string{"I17"}},
		{"Quarantined", func(w *world) { w.business(quarantine("{}")) }, []string{"I19"}},
		{"MoreQuarantinedThanExplained", func(w *world) {
			w.options.MasterURL = newMaster(w.t)
			w.options.AllowQuarantined = 1
			w.business(quarantine("{}"))
			w.master(quarantine("{}"))
		}, []string{"I19"}},
		{"ExplainedQuarantineHoldsTheReceipt", func(w *world) {
			w.options.AllowQuarantined = 1
			w.business("DELETE FROM delivery_receipts WHERE receipt_id = '" + receipt(msgDelivered) + "';" +
				quarantine(`{"receipts":[{"receipt_id":"`+receipt(msgDelivered)+`"}]}`))
		}, []string{"I13"}},
		{"ErasedTextUnderALivingCustomersAddress", func(w *world) {
			w.business(log(msgDelivered, "message_text = '[erased]'"))
		}, []string{"I10'"}},
		{"MessageErasedAndItsCustomerNot", func(w *world) {
			w.business(log(msgDelivered, erasedText))
		}, []string{"I25"}},
		{"MessageLeftOutOfAnErasure", func(w *world) {
			w.options.MasterURL = newMaster(w.t)
			w.erase(msgDelivered)
			w.business(log(msgDelivered, "message_text = '"+text(msgDelivered)+"'"))
		}, []string{"I25"}},
		{"EventLeftOutOfAnErasure", func(w *world) {
			w.options.MasterURL = newMaster(w.t)
			w.erase(msgDelivered)
			w.master(`UPDATE outbox_events SET payload = '{"data":{"email":"1@example.com"}}' WHERE entity_id = '` + customer(msgDelivered) + `' AND entity_version = 2`)
		}, []string{"I25"}},
		{"NameLeftOutOfAnErasure", func(w *world) {
			w.options.MasterURL = newMaster(w.t)
			w.erase(msgDelivered)
			w.master("UPDATE customers SET name = 'Asha' WHERE customer_id = '" + customer(msgDelivered) + "'")
			w.business("UPDATE customers_mv SET name = 'Asha' WHERE customer_id = '" + customer(msgDelivered) + "'")
		}, []string{"I25"}},
		{"ErasedMessageDeliveredUnderAnotherRef", func(w *world) {
			w.options.MasterURL = newMaster(w.t)
			w.erase(msgSent)
			w.business(log(msgSent, "vendor_ref = 'x'"))
		}, []string{"I11"}},
		{"CommitsMayBeLost", func(w *world) {
			w.options.Skip = nil
			w.business("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$")
		}, []string{"I24"}},
	}
	master := newMaster(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldWith(t, master)
			tt.plant(w)
			v := w.final()
			require.Equal(t, tt.want, violated(v), "%v", v.Violations)
			require.Equal(t, audit.ExitViolated, v.ExitCode())
		})
	}
}

func quarantine(body string) string {
	return `INSERT INTO quarantine (quarantine_id, queue, reason, body)
		VALUES (gen_random_uuid(), 'message_response_queue', 'r', convert_to('` + body + `', 'UTF8'))`
}

func TestFinalWaitsForRest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		plant func(w *world)
		want  string
	}{
		{"UnpublishedOutbox", func(w *world) {
			w.master("UPDATE outbox_events SET published_at = NULL WHERE entity_version = 3")
		}, "10 outbox rows are not published"},
		{"RunningCampaign", func(w *world) {
			w.business("UPDATE campaigns SET status = 'ACTIVE', finished_at = NULL WHERE status = 'COMPLETED'")
		}, "1 campaigns are ACTIVE"},
		{"OverdueCampaign", func(w *world) {
			w.business("UPDATE campaigns SET status = 'SCHEDULED', scheduled_at = now() - interval '1 second' WHERE status = 'COMPLETED'")
		}, "1 campaigns are SCHEDULED for a time that has passed"},
		{"OwedReceipt", func(w *world) {
			w.ledger("UPDATE receipts SET confirmed_at = NULL WHERE request = 1")
		}, "1 receipts of the vendor are not confirmed"},
		{"WaitingOrder", func(w *world) {
			w.master(`INSERT INTO orders_waiting (message_id, email, order_id, order_amount, order_status, source, ordered_at, body)
				VALUES ('m', '1@example.com', gen_random_uuid(), 1, 'COMPLETED', '', now(), '')`)
		}, "1 waiting orders have their customer and are not counted"},
		{"BrokerAway", func(w *world) { w.options.RabbitManagementURL = "http://u:p@127.0.0.1:1" }, "connection refused"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tt.plant(w)
			w.options.Wait = 100 * time.Millisecond
			v, err := audit.Final(t.Context(), w.options)
			require.NoError(t, err)
			require.Equal(t, audit.ExitUnknown, v.ExitCode())
			require.Contains(t, strings.Join(v.Stuck, "\n"), tt.want)
		})
	}
}

func TestMissingEvidence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.options.VendorLedger = ""
	v := w.final()
	require.Equal(t, audit.Holds, v.Outcome)
	require.Contains(t, v.NotChecked, audit.NotChecked{ID: "I10", Why: "no vendor ledger was given"})
	w.options.RequireAll = true
	require.Equal(t, audit.ExitUnknown, w.final().ExitCode())
	w.business("UPDATE campaigns SET finished_at = NULL")
	require.Equal(t, audit.ExitViolated, w.final().ExitCode(), "a violation outweighs missing evidence")
}

func TestOnline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.options.VendorLedger = ""
	w.business("UPDATE campaigns SET status = 'ACTIVE' WHERE status = 'COMPLETED'")
	v, err := audit.Online(t.Context(), w.options, 50*time.Millisecond)
	require.NoError(t, err)
	require.Empty(t, v.Violations)
	require.Equal(t, audit.ExitHolds, v.ExitCode())
	require.Positive(t, v.Snapshots)

	w.business("UPDATE campaign_stats SET total_sent = total_sent + 1 WHERE campaign_id = '" + campaignDone + "'")
	v, err = audit.Online(t.Context(), w.options, 50*time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, []string{"I15"}, violated(v))
	require.Equal(t, audit.ExitViolated, v.ExitCode())
}

func TestOptionsAreValidated(t *testing.T) {
	t.Parallel()
	_, err := audit.Final(t.Context(), audit.Options{Skip: []string{"I99"}, AllowQuarantined: -1})
	require.ErrorContains(t, err, "both databases")
	require.ErrorContains(t, err, "I99")
	require.ErrorContains(t, err, "negative")
	_, err = audit.Final(t.Context(), audit.Options{MasterURL: "m", BusinessURL: "b", VendorLedger: "nowhere.db"})
	require.ErrorContains(t, err, "nowhere.db")
}

// docs/check.md explains every invariant to operators.
func TestDocumentationListsEveryInvariant(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/check.md")
	require.NoError(t, err)
	for _, i := range audit.Invariants() {
		require.Contains(t, string(raw), "| "+i.ID+" | ", i.Promise)
	}
}

// When the mock vendor changes its file, the auditor's queries have to be looked at; then copy it.
func TestLedgerIsThatOfTheVendor(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../vendors/mock/schema.sql")
	require.NoError(t, err)
	require.Equal(t, string(raw), ledgerSchema)
}
