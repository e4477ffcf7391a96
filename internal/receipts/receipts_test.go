package receipts_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
	"github.com/xencrm/xencrm/internal/receipts"
)

var now = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

const messageID = "018f0000-0000-7000-8000-00000000000a"

func single(status, extra string) string {
	return fmt.Sprintf(`{"communication_id":%q,"campaign_id":null,"customer_id":"x","customer_email":"a@b.c","attempt_number":2,
		"delivery_response":{"status":%q,"vendor_ref":"vendor_1_ab"%s},"processed_at":"2026-11-22T08:59:00Z"}`, messageID, status, extra)
}

func TestParse(t *testing.T) {
	t.Parallel()

	t.Run("ReferenceShapeDelivered", func(t *testing.T) {
		t.Parallel()
		rs, err := receipts.Parse([]byte(single("SUCCESS", `,"delivered_at":"2026-11-22T08:58:00Z","cost":1`)), clock)
		require.NoError(t, err)
		require.Len(t, rs, 1)
		require.True(t, rs[0].Delivered)
		require.Equal(t, 2, rs[0].Attempt)
		require.Equal(t, time.Date(2026, 11, 22, 8, 58, 0, 0, time.UTC), rs[0].OccurredAt)
	})

	t.Run("WithoutAnIdTheSameFactHasTheSameId", func(t *testing.T) {
		t.Parallel()
		first, err := receipts.Parse([]byte(single("FAILED", `,"error_code":"EMAIL_BOUNCED"`)), clock)
		require.NoError(t, err)
		again, err := receipts.Parse([]byte(single("FAILED", `,"error_code":"EMAIL_BOUNCED"`)), clock)
		require.NoError(t, err)
		other, err := receipts.Parse([]byte(single("SUCCESS", "")), clock)
		require.NoError(t, err)
		require.Equal(t, first[0].ReceiptID, again[0].ReceiptID)
		require.NotEqual(t, first[0].ReceiptID, other[0].ReceiptID)
	})

	t.Run("RefusesBadInput", func(t *testing.T) {
		t.Parallel()
		for name, body := range map[string]string{
			"Empty": "", "Blank": "  ", "NotJSON": "{", "Null": "null", "Text": `"str"`, "Array": "[]",
			"NoReceipts": `{"receipts":[]}`, "NewerSchema": `{"schema_version":9,"receipts":[` + single("SUCCESS", "") + `]}`,
			"UnknownStatus":  single("OPENED_TWICE", ""),
			"NoMessage":      `{"delivery_response":{"status":"SUCCESS"}}`,
			"MessageNotUUID": `{"communication_id":"7","delivery_response":{"status":"SUCCESS"}}`,
			"NoResponse":     `{"communication_id":"` + messageID + `"}`,
			"LongReference":  strings.Replace(single("SUCCESS", ""), "vendor_1_ab", strings.Repeat("x", 256), 1),
			"NUL":            strings.Replace(single("SUCCESS", ""), "vendor_1_ab", `a\u0000b`, 1),
			"WildAttempt":    strings.Replace(single("SUCCESS", ""), `"attempt_number":2`, `"attempt_number":99999999`, 1),
			"YearOutOfRange": single("SUCCESS", `,"delivered_at":"0900-01-01T00:00:00Z"`),
			"OneBadInABatch": `{"receipts":[` + single("SUCCESS", "") + `,{}]}`,
		} {
			_, err := receipts.Parse([]byte(body), clock)
			require.True(t, errs.Is(err, errs.Invalid), "%s: %v", name, err)
		}
	})

	t.Run("AcceptsTimesOfAnyYear", func(t *testing.T) {
		t.Parallel()
		for _, at := range []string{"1970-01-01T00:00:00Z", "2099-01-01T00:00:00+05:30"} {
			_, err := receipts.Parse([]byte(single("SUCCESS", `,"delivered_at":"`+at+`"`)), clock)
			require.NoError(t, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(single("SUCCESS", "")))
	f.Add([]byte(`{"receipts":[` + single("FAILED", `,"error_code":"X"`) + `]}`))
	f.Add([]byte(`{"schema_version":1,"receipts":[` + single("FAILED", `,"error_code":"X"`) + `]}`))
	f.Add([]byte(`{"schema_version":1,"receipts":[` + single("SUCCESS", "") + `],"Receipts":[` + single("FAILED", "") + `]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		rs, err := receipts.Parse(body, clock)
		// With a blank before it, it is not recognised as our own.
		slowly, slowErr := receipts.Parse(append([]byte(" "), body...), clock)
		require.Equal(t, slowly, rs)
		require.Equal(t, slowErr == nil, err == nil)
		if err != nil {
			return
		}
		for _, r := range rs {
			require.NotEqual(t, uuid.Nil, r.CommunicationID)
			require.NotEqual(t, uuid.Nil, r.ReceiptID)
		}
	})
}

// fakes records what the handler asks for.
type fakes struct {
	applied []campaign.Receipt
	unknown map[uuid.UUID]bool
	parked  []event.Delivery
	offered map[uuid.UUID]campaign.Totals
	err     error
	parkErr error
}

func (f *fakes) ApplyReceipts(_ context.Context, rs []campaign.Receipt) (map[uuid.UUID]campaign.Totals, []campaign.Receipt, error) {
	if f.err != nil {
		return nil, nil, f.err
	}
	var unknown []campaign.Receipt
	for _, r := range rs {
		if f.unknown[r.CommunicationID] {
			unknown = append(unknown, r)
			continue
		}
		f.applied = append(f.applied, r)
	}
	return map[uuid.UUID]campaign.Totals{{1}: {Revision: 3}}, unknown, nil
}

func (f *fakes) Park(_ context.Context, d event.Delivery, _ string) error {
	f.parked = append(f.parked, d)
	return f.parkErr
}

func (f *fakes) Offer(id uuid.UUID, t campaign.Totals) { f.offered[id] = t }

func TestHandle(t *testing.T) {
	t.Parallel()
	setup := func() (*fakes, *receipts.Handler) {
		f := &fakes{offered: map[uuid.UUID]campaign.Totals{}, unknown: map[uuid.UUID]bool{}}
		return f, receipts.NewHandler(f, f, f, clock)
	}

	t.Run("OneBadMessageDoesNotHoldUpTheOthers", func(t *testing.T) {
		t.Parallel()
		f, h := setup()
		results := h.Handle(t.Context(), []event.Delivery{{Body: []byte(single("SUCCESS", ""))}, {Body: []byte("x")}, {Body: []byte(single("FAILED", ""))}})
		require.NoError(t, results[0])
		require.True(t, errs.Is(results[1], errs.Invalid))
		require.NoError(t, results[2])
		require.Len(t, f.applied, 2)
		require.Len(t, f.offered, 1)
	})

	t.Run("OneBadReceiptOfABatchIsParkedAloneAndAsItCame", func(t *testing.T) {
		t.Parallel()
		f, h := setup()
		const bad = `{"communication_id": "7",  "odd": true}`
		body := `{"receipts":[` + single("SUCCESS", "") + `,` + bad + `,` + single("FAILED", "") + `]}`
		results := h.Handle(t.Context(), []event.Delivery{{ID: "m1", Queue: "q", Body: []byte(body)}})
		require.NoError(t, results[0], "the message is done with")
		require.Len(t, f.applied, 2)
		require.Len(t, f.parked, 1)
		require.True(t, bytes.Equal([]byte(bad), f.parked[0].Body), "byte for byte: %s", f.parked[0].Body)
	})

	t.Run("BatchWhoseBadReceiptCannotBeParkedComesAgain", func(t *testing.T) {
		t.Parallel()
		f, h := setup()
		f.parkErr = errs.Errorf(errs.Unavailable, "database away")
		results := h.Handle(t.Context(), []event.Delivery{{Body: []byte(`{"receipts":[` + single("SUCCESS", "") + `,{}]}`)}})
		require.True(t, errs.Retryable(results[0]))
	})

	t.Run("UnknownMessagesAreParkedSingly", func(t *testing.T) {
		t.Parallel()
		f, h := setup()
		f.unknown[uuid.MustParse(messageID)] = true
		results := h.Handle(t.Context(), []event.Delivery{{ID: "m1", Queue: "q", Body: []byte(single("SUCCESS", ""))}})
		require.NoError(t, results[0])
		require.Len(t, f.parked, 1)
		again, err := receipts.Parse(f.parked[0].Body, clock)
		require.NoError(t, err, "what is parked can be replayed")
		require.Equal(t, messageID, again[0].CommunicationID.String())
	})

	t.Run("AnOutageFailsTheWholeBatchRetryably", func(t *testing.T) {
		t.Parallel()
		f, h := setup()
		f.err = errs.Errorf(errs.Unavailable, "database away")
		results := h.Handle(t.Context(), []event.Delivery{{Body: []byte(single("SUCCESS", ""))}, {Body: []byte("x")}})
		require.True(t, errs.Retryable(results[0]))
		require.True(t, errs.Is(results[1], errs.Invalid), "what can never be processed stays so")
	})
}

type published struct{ messages []event.Message }

func (p *published) Publish(_ context.Context, m event.Message) error {
	p.messages = append(p.messages, m)
	return nil
}

func TestPublishedReceiptsParseAgain(t *testing.T) {
	t.Parallel()
	p := &published{}
	var rs []event.Receipt
	for range 250 {
		id, ref := uuid.New(), "ref"
		rs = append(rs, event.Receipt{
			ReceiptID: &id, CommunicationID: uuid.New(), AttemptNumber: 1, ProcessedAt: now,
			Response: event.DeliveryResponse{Status: event.ResponseSuccess, VendorRef: &ref, DeliveredAt: &now},
		})
	}
	require.NoError(t, receipts.NewPublisher(p, clock).PublishReceipts(t.Context(), rs))
	require.Len(t, p.messages, 3)
	total := 0
	for _, m := range p.messages {
		require.True(t, json.Valid(m.Body))
		got, err := receipts.Parse(m.Body, clock)
		require.NoError(t, err)
		total += len(got)
	}
	require.Equal(t, 250, total)
}

// told records the signals of a coalescer.
type told struct{ totals []campaign.Totals }

func (s *told) Notify(_ context.Context, _ uuid.UUID, _ int, t campaign.Totals) error {
	s.totals = append(s.totals, t)
	return nil
}

func (s *told) Round(context.Context, uuid.UUID) (int, error) { return 0, nil }

func TestCoalescer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &told{}
		c := receipts.NewCoalescer(s, s, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		id := uuid.New()
		for i := 1; i <= 5000; i++ {
			c.Offer(id, campaign.Totals{Audience: 10_000, Delivered: i, Pending: 10_000 - i, Revision: int64(i)})
			time.Sleep(time.Millisecond) // virtual time of synctest
		}
		synctest.Wait()
		require.LessOrEqual(t, len(s.totals), 6, "at most one signal a second")
		require.GreaterOrEqual(t, len(s.totals), 4)

		before := len(s.totals)
		c.Offer(id, campaign.Totals{Audience: 10_000, Delivered: 10_000, Revision: 9000})
		synctest.Wait()
		require.Len(t, s.totals, before+1, "a settled campaign is told at once")
		c.Offer(id, campaign.Totals{Audience: 10_000, Delivered: 3, Pending: 9997, Revision: 3})
		time.Sleep(time.Minute) // virtual time of synctest
		synctest.Wait()
		require.Len(t, s.totals, before+1, "stale books are not told")
		cancel()
		require.NoError(t, <-ended)
	})
}
