package business_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
)

// walk reads the entries of a filter page by page.
func (b *bundle) walk(t testing.TB, f campaign.EntryFilter) []campaign.Entry {
	t.Helper()
	var all []campaign.Entry
	ledger := campaign.NewLedger(b.store)
	for {
		page, err := ledger.Entries(t.Context(), f)
		require.NoError(t, err)
		all = append(all, page.Items...)
		if page.Next.IsZero() {
			return all
		}
		require.Len(t, page.Items, f.Limit)
		f.After, err = campaign.EntryPosition(page.Next)
		require.NoError(t, err)
	}
}

func TestEntries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, messages := b.launched(t, 7)
	_, err := b.store.RecordAnswers(t.Context(), []campaign.Answer{
		answerTo(c, messages[0], campaign.AnswerAccepted, 1, ""),
		answerTo(c, messages[1], campaign.AnswerPermanent, 1, "INVALID_EMAIL"),
		answerTo(c, messages[4], campaign.AnswerPermanent, 1, "SPAM_DETECTED"),
	})
	require.NoError(t, err)

	seqs := func(entries []campaign.Entry) []int {
		out := []int{}
		for _, e := range entries {
			out = append(out, e.Seq)
		}
		return out
	}
	tests := []struct {
		name string
		f    campaign.EntryFilter
		want []int
	}{
		{"WithoutAFilterAreAll", campaign.EntryFilter{}, []int{1, 2, 3, 4, 5, 6, 7}},
		{"OfOneStatus", campaign.EntryFilter{Statuses: []campaign.MessageStatus{campaign.MessageFailed}}, []int{2, 5}},
		{
			"OfTwoStatuses",
			campaign.EntryFilter{Statuses: []campaign.MessageStatus{campaign.MessageFailed, campaign.MessageSent}},
			[]int{1, 2, 5},
		},
		{"OfAFailureCode", campaign.EntryFilter{FailureCode: "SPAM_DETECTED"}, []int{5}},
		{"OfNone", campaign.EntryFilter{FailureCode: "NO_SUCH_CODE"}, []int{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for limit := 1; limit <= 8; limit++ {
				tt.f.CampaignID, tt.f.Limit = c.ID, limit
				require.Equal(t, tt.want, seqs(b.walk(t, tt.f)), "limit %d", limit)
			}
		})
	}

	t.Run("SayWhatIsStored", func(t *testing.T) {
		t.Parallel()
		e := b.walk(t, campaign.EntryFilter{CampaignID: c.ID, Limit: 10})[0]
		require.Equal(t, messages[0].CommunicationID, e.CommunicationID)
		require.Equal(t, messages[0].CustomerID, e.CustomerID)
		require.Equal(t, messages[0].Recipient, e.CustomerEmail)
		require.Equal(t, messages[0].RecipientName, e.CustomerName)
		require.Equal(t, campaign.MessageState{
			Status: campaign.MessageSent, Attempts: 1, MaxAttempts: 3, HandedOver: true, VendorRef: "ref-1",
		}, e.MessageState)
		require.NotNil(t, e.SentAt)
		require.NotNil(t, e.LastAttemptAt)
		require.Nil(t, e.DeliveredAt)
	})

	t.Run("OfNoCampaignAreNotFound", func(t *testing.T) {
		t.Parallel()
		_, err := campaign.NewLedger(b.store).Entries(t.Context(), campaign.EntryFilter{CampaignID: uuid.New(), Limit: 10})
		require.True(t, errs.Is(err, errs.NotFound))
		require.ErrorContains(t, err, "Campaign not found")
	})
}

// TestPagesConcatenateToTheWhole walks the ledger while every row of it changes: without a filter each
// row is met exactly once, and with one nothing is met twice and what satisfied it throughout is met.
func TestPagesConcatenateToTheWhole(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const n = 200
	c, messages := b.launched(t, n)
	const steady = n / 2 // the first half stays PENDING

	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	writers.Go(func() {
		r := rand.New(rand.NewPCG(1, 2))
		for ctx.Err() == nil {
			m := messages[steady+r.IntN(n-steady)]
			kind := []campaign.AnswerKind{campaign.AnswerAccepted, campaign.AnswerPermanent, campaign.AnswerRetryable}[r.IntN(3)]
			if _, err := b.store.RecordAnswers(context.WithoutCancel(ctx), []campaign.Answer{answerTo(c, m, kind, 1, "X")}); err != nil {
				t.Errorf("apply: %v", err)
				return
			}
			if _, _, err := b.store.ApplyReceipts(context.WithoutCancel(ctx), []campaign.Receipt{receiptFor(m, r.IntN(2) == 0, "X")}); err != nil {
				t.Errorf("receipt: %v", err)
				return
			}
		}
	})
	for limit := 1; limit < n; limit += 23 {
		all := b.walk(t, campaign.EntryFilter{CampaignID: c.ID, Limit: limit})
		require.Len(t, all, n)
		for i, e := range all {
			require.Equal(t, i+1, e.Seq)
		}
		pending := b.walk(t, campaign.EntryFilter{
			CampaignID: c.ID, Limit: limit, Statuses: []campaign.MessageStatus{campaign.MessagePending},
		})
		require.GreaterOrEqual(t, len(pending), steady)
		for i, e := range pending {
			require.Equal(t, campaign.MessagePending, e.Status)
			if i < steady {
				require.Equal(t, i+1, e.Seq)
			} else {
				require.Greater(t, e.Seq, pending[i-1].Seq)
			}
		}
	}
	stop()
	writers.Wait()
}

func TestEntryDetail(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, messages := b.launched(t, 2)
	m := messages[0]
	first := answerTo(c, m, campaign.AnswerRetryable, 1, "RATE_LIMITED")
	second := answerTo(c, m, campaign.AnswerAccepted, 2, "")
	second.At = first.At.Add(time.Second)
	for _, a := range []campaign.Answer{first, second} {
		_, err := b.store.RecordAnswers(t.Context(), []campaign.Answer{a})
		require.NoError(t, err)
	}
	receipt := receiptFor(m, false, "EMAIL_BOUNCED")
	receipt.Attempt = 2
	_, _, err := b.store.ApplyReceipts(t.Context(), []campaign.Receipt{receipt})
	require.NoError(t, err)
	ledger := campaign.NewLedger(b.store)

	t.Run("IsFoundByTheCustomerAndByItself", func(t *testing.T) {
		t.Parallel()
		byCustomer, err := ledger.Find(t.Context(), c.ID, m.CustomerID)
		require.NoError(t, err)
		byMessage, err := ledger.Find(t.Context(), c.ID, m.CommunicationID)
		require.NoError(t, err)
		require.Equal(t, byCustomer, byMessage)
		require.Equal(t, m.Body, byCustomer.Text)
		require.Equal(t, campaign.Active, byCustomer.CampaignStatus)
		require.Equal(t, m.Seq, byCustomer.Seq)
	})

	t.Run("TellsTheWholeStory", func(t *testing.T) {
		t.Parallel()
		d, err := ledger.Find(t.Context(), c.ID, m.CustomerID)
		require.NoError(t, err)
		require.Len(t, d.Tries, 2)
		require.Equal(t, 1, d.Tries[0].Number)
		require.Equal(t, campaign.AnswerRetryable, d.Tries[0].Outcome)
		require.Equal(t, "RATE_LIMITED", d.Tries[0].Code)
		require.Equal(t, 12*time.Millisecond, d.Tries[0].Latency)
		require.Equal(t, campaign.AnswerAccepted, d.Tries[1].Outcome)
		require.Len(t, d.Receipts, 1)
		require.Equal(t, receipt.ReceiptID, d.Receipts[0].ReceiptID)
		require.False(t, d.Receipts[0].Delivered)
		require.Equal(t, "EMAIL_BOUNCED", d.Receipts[0].Code)
		require.Equal(t, "Not delivered: the vendor accepted it and later reported that the address bounced (EMAIL_BOUNCED).", d.Why())
	})

	t.Run("OfAnotherCampaignIsNotInTheAudience", func(t *testing.T) {
		t.Parallel()
		other := b.campaign(t, everyone)
		b.resolve(t, other)
		_, err := ledger.Find(t.Context(), other.ID, m.CommunicationID)
		require.True(t, errs.Is(err, errs.NotFound))
		require.ErrorContains(t, err, "Not in the audience")
	})

	t.Run("BeforeTheAudienceIsResolvedSaysSo", func(t *testing.T) {
		t.Parallel()
		_, err := ledger.Find(t.Context(), b.campaign(t, everyone).ID, m.CustomerID)
		require.True(t, errs.Is(err, errs.NotFound))
		require.ErrorContains(t, err, "audience is resolved when it starts")
	})

	t.Run("OfNoCampaignSaysSo", func(t *testing.T) {
		t.Parallel()
		_, err := ledger.Find(t.Context(), uuid.New(), m.CustomerID)
		require.True(t, errs.Is(err, errs.NotFound))
		require.ErrorContains(t, err, "Campaign not found")
	})
}
