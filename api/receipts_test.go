package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
)

const delivered = `{"receipt_id":"0197e5b5-9999-7a64-8a3c-3a5ef2c43a11","communication_id":"0197e5b5-3333-5a64-8a3c-3a5ef2c43a11","campaign_id":"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11","vendor_ref":"vendor_1_ab","attempt":2,"status":"DELIVERED","occurred_at":"2025-09-14T12:00:00Z"}`

// receipt is delivered with members replaced; a nil value removes one.
func receipt(t *testing.T, members map[string]any) string {
	t.Helper()
	var r map[string]any
	require.NoError(t, json.Unmarshal([]byte(delivered), &r))
	for name, v := range members {
		if v == nil {
			delete(r, name)
			continue
		}
		r[name] = v
	}
	return jsonOf(t, r)
}

func batch(receipts ...string) string { return `{"receipts":[` + strings.Join(receipts, ",") + `]}` }

// publications records what was published, one list per message.
func publications(b *bundle) *[][]event.Receipt {
	var all [][]event.Receipt
	b.publisher.publish = func(_ context.Context, r []event.Receipt) error {
		all = append(all, append([]event.Receipt(nil), r...))
		return nil
	}
	return &all
}

func TestReceiptsArePublishedAsTheConsumerReadsThem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	all := publications(b)
	failed := receipt(t, map[string]any{
		"receipt_id": "not-a-uuid", "campaign_id": "neither", "status": "FAILED", "error_code": "EMAIL_BOUNCED",
		"error_message": "Email address bounced", "new_member": 1,
	})
	w := b.postReceipts(t, batch(delivered, failed), now)
	require.Equal(t, http.StatusAccepted, w.Code)

	at := time.Date(2025, 9, 14, 12, 0, 0, 0, time.UTC)
	message := uuid.MustParse("0197e5b5-3333-5a64-8a3c-3a5ef2c43a11")
	id := uuid.MustParse("0197e5b5-9999-7a64-8a3c-3a5ef2c43a11")
	derived := uuid.MustParse("14a2a24b-85d2-5852-acab-a0376b9148e6")
	want := [][]event.Receipt{{
		{
			ReceiptID: &id, CommunicationID: message, CampaignID: &campaignID, AttemptNumber: 2, ProcessedAt: at,
			Response: event.DeliveryResponse{Status: event.ResponseSuccess, VendorRef: new("vendor_1_ab"), DeliveredAt: &at},
		},
		{
			ReceiptID: &derived, CommunicationID: message, AttemptNumber: 2, ProcessedAt: at,
			Response: event.DeliveryResponse{
				Status: event.ResponseFailed, VendorRef: new("vendor_1_ab"), FailedAt: &at,
				ErrorCode: new("EMAIL_BOUNCED"), ErrorMessage: new("Email address bounced"),
			},
		},
	}}
	require.Empty(t, cmp.Diff(want, *all))
}

// TestReceiptsRefuseOtherSigners is faults T1.
func TestReceiptsRefuseOtherSigners(t *testing.T) {
	t.Parallel()
	b := setup(t) // whose publisher panics
	body := batch(delivered)
	other := "whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
	valid := sign(t, secret, body, now)
	without := func(name string) []string {
		out := append([]string(nil), valid...)
		for i := 0; i < len(out); i += 2 {
			if out[i] == name {
				out[i+1] = ""
			}
		}
		return out
	}
	tests := []struct {
		name    string
		headers []string
		body    string
	}{
		{"NoSignature", nil, body},
		{"EmptySignature", without("webhook-signature"), body},
		{"EmptyID", without("webhook-id"), body},
		{"EmptyTimestamp", without("webhook-timestamp"), body},
		{"OtherSecret", sign(t, other, body, now), body},
		{"OtherBody", valid, batch(delivered, delivered)},
		{"OtherID", append(append([]string(nil), valid...), "webhook-id", "msg_2"), body},
		{"OtherVersion", append(append([]string(nil), valid...), "webhook-signature", "v2,"+valid[5][3:]), body},
		{"Garbage", append(append([]string(nil), valid...), "webhook-signature", "v1,,,"), body},
		{"Past", sign(t, secret, body, now.Add(-5*time.Minute-2*time.Second)), body},
		{"Future", sign(t, secret, body, now.Add(5*time.Minute+2*time.Second)), body},
		{"TimestampNotANumber", append(append([]string(nil), valid...), "webhook-timestamp", "now"), body},
		{"TimestampHuge", append(append([]string(nil), valid...), "webhook-timestamp", "9223372036854775807"), body},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := b.call(t, http.MethodPost, "/receipts", tt.body, tt.headers...)
			require.Equal(t, http.StatusUnauthorized, w.Code, "%s", w.Body)
		})
	}
}

func TestReceiptsTakeAnySignatureOfSeveral(t *testing.T) {
	t.Parallel()
	b := setup(t)
	publications(b)
	body := batch(delivered)
	headers := sign(t, secret, body, now.Add(-4*time.Minute))
	headers[5] = "v1,AAAA v2,x " + headers[5]
	require.Equal(t, http.StatusAccepted, b.call(t, http.MethodPost, "/receipts", body, headers...).Code)
}

func TestReceiptsAreConfirmedBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want int
		kind string
	}{
		{"BrokerAway", errs.Wrap(errs.Unavailable, errors.New("dial secret-inside"), "the broker is away"), 503, "unavailable"},
		{"NoConfirm", errs.Wrap(errs.Unknown, errors.New("timeout"), "not confirmed"), 503, "outcome-unknown"},
		{"Fault", errors.New("secret-inside"), 500, "internal"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.publisher.publish = func(context.Context, []event.Receipt) error { return tt.err }
			w := b.postReceipts(t, batch(delivered), now)
			require.Equal(t, tt.want, w.Code)
			require.Contains(t, w.Body.String(), "/problems/"+tt.kind)
		})
	}
}

// TestUnknownReceiptStatusIsPassedOn is faults T5. It travels alone, because the consumer parks
// whole messages.
func TestUnknownReceiptStatusIsPassedOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	all := publications(b)
	odd := receipt(t, map[string]any{"status": "OPENED_TWICE"})
	far := receipt(t, map[string]any{"occurred_at": "9999-12-31T23:59:59-01:00"})
	w := b.postReceipts(t, batch(odd, delivered, far, delivered), now)
	require.Equal(t, http.StatusAccepted, w.Code)
	require.Len(t, *all, 3)
	require.Len(t, (*all)[0], 2)
	require.Equal(t, "OPENED_TWICE", (*all)[1][0].Response.Status)
	require.Nil(t, (*all)[1][0].Response.DeliveredAt)
	require.Equal(t, 10000, (*all)[2][0].Response.DeliveredAt.Year())
}

func TestGarbageReceiptsAreRefused(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, pointer string }{
		{"NotAnObject", `[]`, ""},
		{"NoReceipts", `{}`, ""},
		{"EmptyList", `{"receipts":[]}`, ""},
		{"BrokenJSON", `{"receipts":[`, ""},
		{"TooMany", batch(strings.Split(strings.Repeat("{} ", 1001), " ")[:1001]...), ""},
		{"NotAReceipt", batch(`1`), "/receipts/0"},
		{"DuplicateMember", batch(`{"status":"DELIVERED","status":"FAILED"}`), "/receipts/0"},
		{"CaseVariant", batch(strings.Replace(delivered, `"status"`, `"Status"`, 1)), "/receipts/0"},
		{"NoMessage", batch(receipt(t, map[string]any{"communication_id": nil})), "/receipts/0/communication_id"},
		{"MessageNotAUUID", batch(receipt(t, map[string]any{"communication_id": "1;drop"})), "/receipts/0/communication_id"},
		{"NoStatus", batch(receipt(t, map[string]any{"status": nil})), "/receipts/0/status"},
		{"StatusWithNewline", batch(receipt(t, map[string]any{"status": "A\nB"})), "/receipts/0/status"},
		{"NegativeAttempt", batch(receipt(t, map[string]any{"attempt": -1})), "/receipts/0/attempt"},
		{"NoTime", batch(receipt(t, map[string]any{"occurred_at": nil})), "/receipts/0/occurred_at"},
		{"TimeWithoutZone", batch(receipt(t, map[string]any{"occurred_at": "2025-09-14T12:00:00"})), "/receipts/0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := setup(t).postReceipts(t, tt.body, now)
			require.Equal(t, http.StatusBadRequest, w.Code, "%s", w.Body)
			require.Contains(t, w.Body.String(), "/problems/malformed-request")
			if tt.pointer != "" {
				require.Contains(t, w.Body.String(), `"pointer":"`+tt.pointer+`"`)
			}
		})
	}
}

// TestOneBrokenReceiptDoesNotHoldUpItsNeighbours because a vendor repeats the whole batch.
func TestOneBrokenReceiptDoesNotHoldUpItsNeighbours(t *testing.T) {
	t.Parallel()
	b := setup(t)
	all := publications(b)
	w := b.postReceipts(t, batch(delivered, `{}`, delivered), now)
	require.Equal(t, http.StatusBadRequest, w.Code)
	require.Contains(t, w.Body.String(), `"pointer":"/receipts/1/receipt_id"`)
	require.Len(t, *all, 1)
	require.Len(t, (*all)[0], 2)
}

func TestALargeBatchIsTakenWhole(t *testing.T) {
	t.Parallel()
	b := setup(t)
	all := publications(b)
	many := make([]string, 1000)
	for i := range many {
		many[i] = receipt(t, map[string]any{"vendor_ref": fmt.Sprintf("ref_%d", i)})
	}
	w := b.postReceipts(t, batch(many...), now)
	require.Equal(t, http.StatusAccepted, w.Code)
	require.Contains(t, w.Body.String(), `"accepted":1000`)
	require.Len(t, *all, 1)
	require.Equal(t, "ref_999", *(*all)[0][999].Response.VendorRef)
}

// TestARepeatedBatchIsTheSameMessage: nothing in it comes from our clock.
func TestARepeatedBatchIsTheSameMessage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	all := publications(b)
	for range 2 {
		require.Equal(t, http.StatusAccepted, b.postReceipts(t, batch(delivered), now).Code)
	}
	require.Equal(t, (*all)[0], (*all)[1])
}
