package campaign_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xencrm/xencrm/internal/campaign"
)

// fact is something that the vendor says of one message, by answer or by receipt.
type fact func(campaign.MessageState) campaign.MessageState

func answer(kind campaign.AnswerKind, number int, code string) fact {
	return func(s campaign.MessageState) campaign.MessageState {
		return s.AfterAnswer(campaign.Answer{Kind: kind, Number: number, Code: code, VendorRef: "ref"})
	}
}

func receipt(delivered bool, attempt int, code string) fact {
	return func(s campaign.MessageState) campaign.MessageState {
		return s.AfterReceipt(campaign.Receipt{Delivered: delivered, Attempt: attempt, Code: code, VendorRef: "ref"})
	}
}

func fresh() campaign.MessageState {
	return campaign.MessageState{Status: campaign.MessagePending, MaxAttempts: 3}
}

func apply(facts ...fact) campaign.MessageState {
	s := fresh()
	for _, f := range facts {
		s = f(s)
	}
	return s
}

func TestMessageState(t *testing.T) {
	t.Parallel()
	accepted := answer(campaign.AnswerAccepted, 1, "")
	refused := func(n int) fact { return answer(campaign.AnswerRetryable, n, "RATE_LIMITED") }
	tests := []struct {
		name     string
		facts    []fact
		status   campaign.MessageStatus
		attempts int
		code     string
	}{
		{"AcceptedIsSent", []fact{accepted}, campaign.MessageSent, 1, ""},
		{"ReceiptDelivers", []fact{accepted, receipt(true, 1, "")}, campaign.MessageDelivered, 1, ""},
		{"EarlyReceiptDelivers", []fact{receipt(true, 1, ""), accepted}, campaign.MessageDelivered, 1, ""},
		{"BounceFails", []fact{accepted, receipt(false, 1, "EMAIL_BOUNCED")}, campaign.MessageFailed, 1, "EMAIL_BOUNCED"},
		{"D24LateFailureNeverUndoesADelivery", []fact{accepted, receipt(true, 1, ""), receipt(false, 1, "SPAM_DETECTED")}, campaign.MessageDelivered, 1, ""},
		{"LateDeliveryOutranksAFailure", []fact{accepted, receipt(false, 1, "EMAIL_BOUNCED"), receipt(true, 1, "")}, campaign.MessageDelivered, 1, ""},
		{"D26RetryableRefusalStaysPending", []fact{refused(1), refused(2)}, campaign.MessagePending, 2, "RATE_LIMITED"},
		{"ThirdRefusalFails", []fact{refused(1), refused(2), refused(3)}, campaign.MessageFailed, 3, "RATE_LIMITED"},
		{"RepeatedRefusalCountsOnce", []fact{refused(1), refused(1), refused(1)}, campaign.MessagePending, 1, "RATE_LIMITED"},
		{"LostAnswersAreCountedByTheVendor", []fact{refused(1), refused(3)}, campaign.MessageFailed, 3, "RATE_LIMITED"},
		{"UnnumberedAnswersCountOneEach", []fact{refused(0), refused(0), refused(0)}, campaign.MessageFailed, 3, "RATE_LIMITED"},
		{"AcceptedAfterRefusalForgetsTheCode", []fact{refused(1), answer(campaign.AnswerAccepted, 2, "")}, campaign.MessageSent, 2, ""},
		{"PermanentRefusalFailsAtOnce", []fact{answer(campaign.AnswerPermanent, 1, "INVALID_EMAIL")}, campaign.MessageFailed, 1, "INVALID_EMAIL"},
		{"ZombieRefusalChangesNothingOnASentMessage", []fact{answer(campaign.AnswerAccepted, 3, ""), refused(2)}, campaign.MessageSent, 3, ""},
		{"DeadlineFailsWithoutAnAttempt", []fact{answer(campaign.AnswerExpired, 0, campaign.CodeSendDeadline)}, campaign.MessageFailed, 0, campaign.CodeSendDeadline},
		{"DeliveryAfterTheDeadlineWins", []fact{answer(campaign.AnswerExpired, 0, campaign.CodeSendDeadline), receipt(true, 1, "")}, campaign.MessageDelivered, 1, ""},
		{"SkipIsNoAttempt", []fact{answer(campaign.AnswerSkipped, 0, "SUPPRESSED")}, campaign.MessageSkipped, 0, ""},
		{"CancelledStaysCancelledAfterARefusal", []fact{campaign.MessageState.Cancelled, refused(1)}, campaign.MessageCancelled, 1, ""},
		{"DeliveryOutranksACancel", []fact{campaign.MessageState.Cancelled, receipt(true, 1, "")}, campaign.MessageDelivered, 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := apply(tt.facts...)
			require.Equal(t, tt.status, s.Status)
			require.Equal(t, tt.attempts, s.Attempts)
			require.Equal(t, tt.code, s.Code)
		})
	}
}

// TestReceiptsAreASemilattice holds that any order and any number of copies of a set of receipts and
// the acceptance give the same status, and that no step lowers it.
func TestReceiptsAreASemilattice(t *testing.T) {
	t.Parallel()
	ranks := campaign.MessageStatuses()
	rapid.Check(t, func(t *rapid.T) {
		facts := []fact{answer(campaign.AnswerAccepted, 1, "")}
		for range rapid.IntRange(0, 6).Draw(t, "receipts") {
			facts = append(facts, receipt(rapid.Bool().Draw(t, "delivered"), 1, "EMAIL_BOUNCED"))
		}
		want := apply(facts...).Status

		shuffled := slices.Clone(facts)
		for range rapid.IntRange(0, 8).Draw(t, "copies") {
			shuffled = append(shuffled, rapid.SampledFrom(facts).Draw(t, "copy"))
		}
		shuffled = rapid.Permutation(shuffled).Draw(t, "order")
		s := fresh()
		for _, f := range shuffled {
			before := slices.Index(ranks, s.Status)
			s = f(s)
			require.GreaterOrEqual(t, slices.Index(ranks, s.Status), before)
		}
		require.Equal(t, want, s.Status)
	})
}

// TestTotalsFollowTheLedger holds that the sum of the moves equals a count of the rows.
func TestTotalsFollowTheLedger(t *testing.T) {
	t.Parallel()
	facts := []fact{
		answer(campaign.AnswerAccepted, 1, ""), answer(campaign.AnswerRetryable, 0, "RATE_LIMITED"),
		answer(campaign.AnswerPermanent, 1, "INVALID_EMAIL"), answer(campaign.AnswerExpired, 0, "SEND_DEADLINE"),
		answer(campaign.AnswerSkipped, 0, "SUPPRESSED"), receipt(true, 1, ""), receipt(false, 1, "SPAM_DETECTED"),
		campaign.MessageState.Cancelled,
	}
	rapid.Check(t, func(t *rapid.T) {
		rows := make([]campaign.MessageState, rapid.IntRange(1, 20).Draw(t, "rows"))
		var books campaign.Totals
		for i := range rows {
			rows[i] = fresh()
			books.Add(rows[i].Status)
		}
		for range rapid.IntRange(0, 100).Draw(t, "steps") {
			i := rapid.IntRange(0, len(rows)-1).Draw(t, "row")
			to := rapid.SampledFrom(facts).Draw(t, "fact")(rows[i])
			books.Move(rows[i], to)
			rows[i] = to
			require.True(t, books.Balanced())
		}
		var ledger campaign.Totals
		for _, s := range rows {
			ledger.Add(s.Status)
			if s.HandedOver {
				ledger.Sent++
			}
		}
		require.Equal(t, ledger, books)
	})
}

func TestCheckBooks(t *testing.T) {
	t.Parallel()
	good := campaign.Totals{Audience: 10, InFlight: 1, Delivered: 6, Failed: 1, Skipped: 1, Cancelled: 1, Sent: 8, Revision: 7}
	require.NoError(t, campaign.CheckBooks(good, good))
	ledger := good
	ledger.Revision = 0
	require.NoError(t, campaign.CheckBooks(good, ledger), "the ledger has no revision")
	for name, spoil := range map[string]func(b, l *campaign.Totals){
		"BooksDifferFromLedger": func(b, _ *campaign.Totals) { b.Delivered++; b.InFlight-- },
		"DoesNotBalance":        func(b, l *campaign.Totals) { b.Audience++; l.Audience++ },
		"StillPending":          func(b, l *campaign.Totals) { b.Pending++; b.Audience++; l.Pending++; l.Audience++ },
		"SentDiffers":           func(b, _ *campaign.Totals) { b.Sent-- },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, l := good, good
			spoil(&b, &l)
			require.Error(t, campaign.CheckBooks(b, l))
		})
	}
}

func TestDeliveryRate(t *testing.T) {
	t.Parallel()
	require.Equal(t, "0", campaign.Totals{}.DeliveryRate().String())
	require.Equal(t, "66.67", campaign.Totals{Sent: 3, Delivered: 2}.DeliveryRate().String())
	require.Equal(t, "100", campaign.Totals{Sent: 3, Delivered: 3}.DeliveryRate().String())
}

func TestCommunicationIDIsTheSameForEver(t *testing.T) {
	t.Parallel()
	a := uuid.MustParse("018f0000-0000-7000-8000-000000000001")
	b := uuid.MustParse("018f0000-0000-7000-8000-000000000002")
	require.NotEqual(t, campaign.CommunicationID(a, b), campaign.CommunicationID(b, a))
	// Pinned: with another value a vendor no longer knows again what it has of a campaign.
	require.Equal(t, "0001018f-0000-8000-928f-0c8b69029250", campaign.CommunicationID(a, b).String())
}

func TestCommunicationIDsRiseWithTheCustomers(t *testing.T) {
	t.Parallel()
	campaignID := uuid.MustParse("01990000-0000-7000-8000-00000000beef")
	early := uuid.MustParse("018f1234-5678-7000-bfff-ffffffffffff")
	later := uuid.MustParse("018f1234-5688-7000-8000-000000000000") // 16 ms later
	first, second := campaign.CommunicationID(campaignID, early), campaign.CommunicationID(campaignID, later)
	require.Negative(t, bytes.Compare(first[:], second[:]))
	require.Equal(t, "beef018f-1234-8567", first.String()[:18])
	require.Equal(t, uuid.Version(8), first.Version())
	require.Equal(t, uuid.RFC4122, first.Variant())
	require.NotEqual(t, first, campaign.CommunicationID(campaignID, uuid.MustParse("018f1234-5678-7000-bfff-fffffffffffe")))
}
