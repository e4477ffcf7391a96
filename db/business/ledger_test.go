package business_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/db/business"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
)

func TestRecordAnswers(t *testing.T) {
	t.Parallel()

	t.Run("WritesLedgerAttemptsAndBooksTogether", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c, ms := b.launched(t, 4)
		states, err := b.store.RecordAnswers(t.Context(), []campaign.Answer{
			answerTo(c, ms[3], campaign.AnswerPermanent, 1, "INVALID_EMAIL"),
			answerTo(c, ms[0], campaign.AnswerAccepted, 1, ""),
			answerTo(c, ms[1], campaign.AnswerRetryable, 1, "RATE_LIMITED"),
		})
		require.NoError(t, err)
		require.Equal(t, campaign.MessageFailed, states[0].Status)
		require.Equal(t, campaign.MessageSent, states[1].Status)
		require.Equal(t, campaign.MessagePending, states[2].Status)
		b.requireBooks(t, c.ID, campaign.Totals{Audience: 4, Pending: 2, InFlight: 1, Failed: 1, Sent: 3})
		require.Equal(t, 3, b.scalar(t, "SELECT count(*) FROM send_attempts"))
	})

	t.Run("RepeatedAnswersChangeNothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c, ms := b.launched(t, 1)
		for range 3 {
			_, err := b.store.RecordAnswers(t.Context(), []campaign.Answer{answerTo(c, ms[0], campaign.AnswerRetryable, 1, "RATE_LIMITED")})
			require.NoError(t, err)
		}
		require.Equal(t, 1, b.scalar(t, "SELECT attempts FROM communication_log"))
		require.Equal(t, 1, b.scalar(t, "SELECT count(*) FROM send_attempts"))
		b.requireBooks(t, c.ID, campaign.Totals{Audience: 1, Pending: 1, Sent: 1})
	})

	t.Run("TwoAnswersForOneMessageInOneBatch", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c, ms := b.launched(t, 1)
		_, err := b.store.RecordAnswers(t.Context(), []campaign.Answer{
			answerTo(c, ms[0], campaign.AnswerRetryable, 1, "RATE_LIMITED"), answerTo(c, ms[0], campaign.AnswerAccepted, 2, ""),
		})
		require.NoError(t, err)
		b.requireBooks(t, c.ID, campaign.Totals{Audience: 1, InFlight: 1, Sent: 1})
		require.Equal(t, 2, b.scalar(t, "SELECT count(*) FROM send_attempts"))
	})
}

func TestApplyReceipts(t *testing.T) {
	t.Parallel()

	t.Run("EarlyLateDuplicateAndUnknown", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c, ms := b.launched(t, 2)
		early := receiptFor(ms[0], true, "")
		foreign := receiptFor(campaign.Message{CommunicationID: uuid.New()}, true, "")
		books, unknown, err := b.store.ApplyReceipts(t.Context(), []campaign.Receipt{early, early, foreign})
		require.NoError(t, err)
		require.Equal(t, []campaign.Receipt{foreign}, unknown)
		require.Equal(t, 1, books[c.ID].Delivered)
		_, err = b.store.RecordAnswers(t.Context(), []campaign.Answer{answerTo(c, ms[0], campaign.AnswerAccepted, 1, "")})
		require.NoError(t, err)
		b.requireBooks(t, c.ID, campaign.Totals{Audience: 2, Pending: 1, Delivered: 1, Sent: 1})
		_, _, err = b.store.ApplyReceipts(t.Context(), []campaign.Receipt{receiptFor(ms[0], false, "SPAM_DETECTED")})
		require.NoError(t, err)
		b.requireBooks(t, c.ID, campaign.Totals{Audience: 2, Pending: 1, Delivered: 1, Sent: 1})
		require.Equal(t, 2, b.scalar(t, "SELECT count(*) FROM delivery_receipts"))
	})

	t.Run("D23RedeliveryCountsOnce", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c, ms := b.launched(t, 1)
		r := receiptFor(ms[0], false, "EMAIL_BOUNCED")
		for range 3 {
			_, _, err := b.store.ApplyReceipts(t.Context(), []campaign.Receipt{r})
			require.NoError(t, err)
		}
		b.requireBooks(t, c.ID, campaign.Totals{Audience: 1, Failed: 1, Sent: 1})
		require.Equal(t, 1, b.scalar(t, "SELECT count(*) FROM delivery_receipts"))
	})
}

// TestConcurrentWritersKeepTheBooks lets sends and receipts of the same messages race, in batches of
// random order, while a reader checks that books and ledger agree in every snapshot.
func TestConcurrentWritersKeepTheBooks(t *testing.T) {
	t.Parallel()
	const n, batch = 300, 30
	b := setup(t)
	c, ms := b.launched(t, n)
	done := make(chan struct{})
	var reader, writers sync.WaitGroup
	reader.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				require.Zero(t, b.scalar(t, disagreements))
			}
		}
	})
	race := func(write func(ctx context.Context, part []campaign.Message) error) {
		order := rand.Perm(n)
		writers.Go(func() {
			for i := 0; i < n; i += batch {
				part := make([]campaign.Message, 0, batch)
				for _, j := range order[i : i+batch] {
					part = append(part, ms[j])
				}
				require.NoError(t, write(t.Context(), part))
			}
		})
	}
	for range 2 {
		race(func(ctx context.Context, part []campaign.Message) error {
			as := make([]campaign.Answer, len(part))
			for i, m := range part {
				as[i] = answerTo(c, m, campaign.AnswerAccepted, 1, "")
			}
			_, err := b.store.RecordAnswers(ctx, as)
			return err
		})
		race(func(ctx context.Context, part []campaign.Message) error {
			rs := make([]campaign.Receipt, len(part))
			for i, m := range part {
				rs[i] = receiptFor(m, m.Seq%10 != 0, "EMAIL_BOUNCED")
			}
			_, _, err := b.store.ApplyReceipts(ctx, rs)
			return err
		})
	}
	writers.Wait()
	close(done)
	reader.Wait()
	b.requireBooks(t, c.ID, campaign.Totals{Audience: n, Delivered: n * 9 / 10, Failed: n / 10, Sent: n})
}

// disagreements counts, in one snapshot, the campaigns whose books differ from their ledger.
const disagreements = `SELECT count(*) FROM campaign_stats s JOIN (
	SELECT campaign_id, count(*) a, count(*) FILTER (WHERE status = 'PENDING') p, count(*) FILTER (WHERE status = 'SENT') i,
	count(*) FILTER (WHERE status = 'DELIVERED') d, count(*) FILTER (WHERE status = 'FAILED') f, count(sent_at) s
	FROM communication_log GROUP BY 1) l USING (campaign_id)
	WHERE (s.total_messages, s.pending_count, s.in_flight_count, s.total_delivered, s.total_failed, s.total_sent)
	IS DISTINCT FROM (l.a, l.p, l.i, l.d, l.f, l.s)`

func TestRecorderSharesCommits(t *testing.T) {
	t.Parallel()
	const n = 200
	b := setup(t)
	c, ms := b.launched(t, n)
	before := b.scalar(t, "SELECT revision FROM campaign_stats")
	rec := business.NewRecorder(b.store)
	t.Cleanup(rec.Close)
	var sends sync.WaitGroup
	for _, m := range ms {
		sends.Go(func() {
			s, err := rec.Record(t.Context(), answerTo(c, m, campaign.AnswerAccepted, 1, ""))
			require.NoError(t, err)
			require.Equal(t, campaign.MessageSent, s.Status)
		})
	}
	sends.Wait()
	b.requireBooks(t, c.ID, campaign.Totals{Audience: n, InFlight: n, Sent: n})
	require.Less(t, b.scalar(t, "SELECT revision FROM campaign_stats")-before, n/4, "commits for %d sends", n)
}

func TestFinalize(t *testing.T) {
	t.Parallel()

	t.Run("ClosesBalancedBooksOnce", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c, ms := b.launched(t, 2)
		_, _, err := b.store.ApplyReceipts(t.Context(), []campaign.Receipt{receiptFor(ms[0], true, ""), receiptFor(ms[1], false, "X")})
		require.NoError(t, err)
		for range 2 {
			got, err := b.store.Finalize(t.Context(), c.ID, campaign.Completed)
			require.NoError(t, err)
			require.Equal(t, 1, got.Delivered)
		}
		_, err = b.store.Finalize(t.Context(), c.ID, campaign.Cancelled)
		require.NoError(t, err)
		stored, err := b.store.Campaign(t.Context(), c.ID)
		require.NoError(t, err)
		require.Equal(t, campaign.Completed, stored.Status, "closed books keep their status")
		require.Equal(t, "50", stored.Stats.DeliveryRate.String())
	})

	t.Run("RefusesPendingMessages", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c, _ := b.launched(t, 2)
		_, err := b.store.Finalize(t.Context(), c.ID, campaign.Completed)
		require.True(t, errs.Is(err, errs.Conflict), "got %v", err)
		require.ErrorContains(t, err, "pending")
	})

	t.Run("RefusesBooksThatDifferFromTheLedger", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c, ms := b.launched(t, 2)
		_, _, err := b.store.ApplyReceipts(t.Context(), []campaign.Receipt{receiptFor(ms[0], true, ""), receiptFor(ms[1], true, "")})
		require.NoError(t, err)
		_, err = b.pool.Exec(t.Context(), "UPDATE communication_log SET status = 'FAILED' WHERE seq = 1")
		require.NoError(t, err)
		_, err = b.store.Finalize(t.Context(), c.ID, campaign.Completed)
		require.ErrorContains(t, err, "do not agree")
		stored, err := b.store.Campaign(t.Context(), c.ID)
		require.NoError(t, err)
		require.Equal(t, campaign.Active, stored.Status)
	})

	t.Run("LateReceiptStillCountsAfterClosing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c, ms := b.launched(t, 1)
		_, err := b.store.RecordAnswers(t.Context(), []campaign.Answer{answerTo(c, ms[0], campaign.AnswerAccepted, 1, "")})
		require.NoError(t, err)
		_, err = b.store.Finalize(t.Context(), c.ID, campaign.Completed)
		require.NoError(t, err)
		_, _, err = b.store.ApplyReceipts(t.Context(), []campaign.Receipt{receiptFor(ms[0], true, "")})
		require.NoError(t, err)
		b.requireBooks(t, c.ID, campaign.Totals{Audience: 1, Delivered: 1, Sent: 1})
	})

	t.Run("TheTableRefusesBooksThatDoNotBalance", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.launched(t, 1)
		_, err := b.pool.Exec(t.Context(), "UPDATE campaign_stats SET total_delivered = 1")
		require.ErrorContains(t, err, "books_balance")
	})
}

func TestCancelPending(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, ms := b.launched(t, 10)
	_, err := b.store.RecordAnswers(t.Context(), []campaign.Answer{answerTo(c, ms[4], campaign.AnswerAccepted, 1, "")})
	require.NoError(t, err)
	for range 2 {
		got, err := b.store.CancelPending(t.Context(), c.ID)
		require.NoError(t, err)
		require.Equal(t, 9, got.Cancelled)
	}
	b.requireBooks(t, c.ID, campaign.Totals{Audience: 10, InFlight: 1, Cancelled: 9, Sent: 1})
	_, _, err = b.store.ApplyReceipts(t.Context(), []campaign.Receipt{receiptFor(ms[0], true, "")})
	require.NoError(t, err)
	b.requireBooks(t, c.ID, campaign.Totals{Audience: 10, InFlight: 1, Cancelled: 8, Delivered: 1, Sent: 2})
}

func TestRearmFailed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, ms := b.launched(t, 3)
	_, _, err := b.store.RearmFailed(t.Context(), c.ID, campaign.RetryableCodes())
	require.True(t, errs.Is(err, errs.Conflict), "a running campaign cannot be retried")
	for n := 1; n <= 3; n++ {
		_, err = b.store.RecordAnswers(t.Context(), []campaign.Answer{answerTo(c, ms[0], campaign.AnswerRetryable, n, "QUOTA_EXCEEDED")})
		require.NoError(t, err)
	}
	_, err = b.store.RecordAnswers(t.Context(), []campaign.Answer{
		answerTo(c, ms[1], campaign.AnswerPermanent, 1, "INVALID_EMAIL"), answerTo(c, ms[2], campaign.AnswerAccepted, 1, ""),
	})
	require.NoError(t, err)
	_, err = b.store.Finalize(t.Context(), c.ID, campaign.Completed)
	require.NoError(t, err)

	again, n, err := b.store.RearmFailed(t.Context(), c.ID, campaign.RetryableCodes())
	require.NoError(t, err)
	require.Equal(t, 1, n, "a permanently refused address is not tried again")
	require.Equal(t, 1, again.Round)
	require.Equal(t, campaign.Active, again.Status)
	b.requireBooks(t, c.ID, campaign.Totals{Audience: 3, Pending: 1, InFlight: 1, Failed: 1, Sent: 3})
	seqs, err := b.store.PendingSeqs(t.Context(), c.ID, 0, 10)
	require.NoError(t, err)
	require.Equal(t, []int{ms[0].Seq}, seqs)
	unstarted, err := b.store.Unstarted(t.Context(), 0, 10)
	require.NoError(t, err)
	require.Len(t, unstarted, 1)
}

// TestAnswerAfterGivingUpIsKept brings the vendor's first answer in the round after the one that gave up.
func TestAnswerAfterGivingUpIsKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, ms := b.launched(t, 1)
	_, err := b.store.RecordAnswers(t.Context(), []campaign.Answer{answerTo(c, ms[0], campaign.AnswerExpired, 0, campaign.CodeSendDeadline)})
	require.NoError(t, err)
	_, err = b.store.Finalize(t.Context(), c.ID, campaign.Completed)
	require.NoError(t, err)
	_, n, err := b.store.RearmFailed(t.Context(), c.ID, campaign.RetryableCodes())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	_, err = b.store.RecordAnswers(t.Context(), []campaign.Answer{answerTo(c, ms[0], campaign.AnswerAccepted, 1, "")})
	require.NoError(t, err)
	require.Equal(t, 2, b.scalar(t, "SELECT count(*) FROM send_attempts"))
	b.requireBooks(t, c.ID, campaign.Totals{Audience: 1, InFlight: 1, Sent: 1})
}

func TestParkKeepsOneCopy(t *testing.T) {
	t.Parallel()
	b := setup(t)
	d := event.Delivery{Queue: "q", ID: "m", Body: []byte{0xff, 0x00, '{'}, Headers: map[string]string{"a": "b"}}
	for range 2 {
		require.NoError(t, b.store.Park(t.Context(), d, "not JSON"))
	}
	var body []byte
	require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT body FROM quarantine").Scan(&body))
	require.Equal(t, d.Body, body)
	require.Equal(t, 1, b.scalar(t, "SELECT count(*) FROM quarantine"))
}
