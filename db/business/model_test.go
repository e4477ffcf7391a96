package business_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xencrm/xencrm/internal/campaign"
)

// ledgerModel is one campaign in the simplest way there is: the state of each message, changed by
// facts one at a time. A scan walks over what is pending, page by page, while it changes.
type ledgerModel struct {
	*bundle

	t        *testing.T
	campaign campaign.Campaign
	messages []campaign.Message
	states   []campaign.MessageState
	receipts map[uuid.UUID]bool
	ended    bool
	scan     scan
}

// scan is a reader in the middle of its pages.
type scan struct {
	after int
	seen  []int
	// throughout are the messages that were pending all the while.
	throughout map[int]bool
}

func (m *ledgerModel) startScan() {
	m.scan = scan{throughout: map[int]bool{}}
	for i, s := range m.states {
		if s.Status == campaign.MessagePending {
			m.scan.throughout[m.messages[i].Seq] = true
		}
	}
}

func (m *ledgerModel) one(t *rapid.T) int {
	return rapid.IntRange(0, len(m.messages)-1).Draw(t, "message")
}

// set changes the model's state of one message.
func (m *ledgerModel) set(i int, s campaign.MessageState) {
	m.states[i] = s
	if s.Status != campaign.MessagePending {
		delete(m.scan.throughout, m.messages[i].Seq)
	}
}

// answers records a batch of answers, some of them a second time.
func (m *ledgerModel) answers(t *rapid.T) {
	kinds := []campaign.AnswerKind{
		campaign.AnswerAccepted, campaign.AnswerRetryable, campaign.AnswerPermanent, campaign.AnswerExpired, campaign.AnswerSkipped,
	}
	codes := map[campaign.AnswerKind]string{
		campaign.AnswerRetryable: "RATE_LIMITED", campaign.AnswerPermanent: "INVALID_EMAIL",
		campaign.AnswerExpired: campaign.CodeSendDeadline, campaign.AnswerSkipped: string(campaign.SkipSuppressed),
	}
	var batch []campaign.Answer
	for range rapid.IntRange(1, 4).Draw(t, "answers") {
		i := m.one(t)
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		number := 0
		if kind != campaign.AnswerExpired && kind != campaign.AnswerSkipped {
			number = rapid.IntRange(0, 4).Draw(t, "number")
		}
		a := answerTo(m.campaign, m.messages[i], kind, number, codes[kind])
		batch = append(batch, a)
		m.set(i, m.states[i].AfterAnswer(a))
		if number > 0 && rapid.Bool().Draw(t, "again") {
			batch = append(batch, a)
			before := m.states[i]
			m.set(i, before.AfterAnswer(a))
			require.Equal(t, before, m.states[i], "a numbered answer counts once")
		}
	}
	states, err := m.store.RecordAnswers(m.t.Context(), batch)
	require.NoError(t, err)
	for n, a := range batch {
		i := slices.IndexFunc(m.messages, func(one campaign.Message) bool { return one.CommunicationID == a.CommunicationID })
		require.Equal(t, m.states[i], states[n])
	}
}

// receiptsCome stores a batch of receipts, some of them copies and some for messages of nobody.
func (m *ledgerModel) receiptsCome(t *rapid.T) {
	var batch []campaign.Receipt
	strangers := 0
	for range rapid.IntRange(1, 4).Draw(t, "receipts") {
		if rapid.IntRange(0, 5).Draw(t, "stranger") == 0 {
			batch = append(batch, receiptFor(campaign.Message{CommunicationID: uuid.New()}, true, ""))
			strangers++
			continue
		}
		i := m.one(t)
		r := receiptFor(m.messages[i], rapid.Bool().Draw(t, "delivered"), "EMAIL_BOUNCED")
		if r.Delivered {
			r.Code = ""
		}
		batch = append(batch, r)
		m.receipts[r.ReceiptID] = true
		m.set(i, m.states[i].AfterReceipt(r))
		if rapid.Bool().Draw(t, "copy") {
			batch = append(batch, r)
		}
	}
	_, unknown, err := m.store.ApplyReceipts(m.t.Context(), batch)
	require.NoError(t, err)
	require.Len(t, unknown, strangers)
	if rapid.Bool().Draw(t, "redelivered") {
		_, _, err = m.store.ApplyReceipts(m.t.Context(), batch)
		require.NoError(t, err)
	}
}

func (m *ledgerModel) cancel(t *rapid.T) {
	_, err := m.store.CancelPending(m.t.Context(), m.campaign.ID)
	require.NoError(t, err)
	for i, s := range m.states {
		m.set(i, s.Cancelled())
	}
}

// close ends the campaign, which succeeds exactly when nothing is pending.
func (m *ledgerModel) close(t *rapid.T) {
	_, err := m.store.Finalize(m.t.Context(), m.campaign.ID, campaign.Completed)
	pending := slices.ContainsFunc(m.states, func(s campaign.MessageState) bool { return s.Status == campaign.MessagePending })
	if pending {
		require.Error(t, err)
		return
	}
	require.NoError(t, err)
	m.ended = true
}

// retry arms what failed with a code that another try may cure.
func (m *ledgerModel) retry(t *rapid.T) {
	_, n, err := m.store.RearmFailed(m.t.Context(), m.campaign.ID, campaign.RetryableCodes())
	if !m.ended {
		require.Error(t, err, "only what has ended can be retried")
		return
	}
	require.NoError(t, err)
	armed := 0
	for i, s := range m.states {
		if s.Status == campaign.MessageFailed && slices.Contains(campaign.RetryableCodes(), s.Code) {
			s.Status, s.Code, s.Reason, s.MaxAttempts = campaign.MessagePending, "", "", s.Attempts+m.campaign.MaxAttempts
			m.states[i] = s
			armed++
		}
	}
	require.Equal(t, armed, n)
	m.ended = m.ended && armed == 0
}

// page reads the next page of what is pending. At the end every message that was pending all the while
// was seen, and none twice.
func (m *ledgerModel) page(t *rapid.T) {
	limit := rapid.IntRange(1, 4).Draw(t, "page")
	seqs, err := m.store.PendingSeqs(m.t.Context(), m.campaign.ID, m.scan.after, limit)
	require.NoError(t, err)
	m.scan.seen = append(m.scan.seen, seqs...)
	if len(seqs) == limit {
		m.scan.after = seqs[limit-1]
		return
	}
	require.IsIncreasing(t, append([]int{0}, m.scan.seen...), "no message is seen twice")
	for seq := range m.scan.throughout {
		require.Contains(t, m.scan.seen, seq, "a message was passed over")
	}
	m.startScan()
}

// check compares ledger, books, and receipts with the model.
func (m *ledgerModel) check(t *rapid.T) {
	var want campaign.Totals
	byID := map[uuid.UUID]campaign.MessageState{}
	for i, s := range m.states {
		want.Add(s.Status)
		if s.HandedOver {
			want.Sent++
		}
		byID[m.messages[i].CommunicationID] = s
	}
	rows, err := m.pool.Query(m.t.Context(), `SELECT communication_id, status, attempts, max_attempts, sent_at IS NOT NULL,
		coalesce(vendor_ref, ''), coalesce(failure_code, ''), coalesce(failure_reason, ''), coalesce(skip_reason, '')
		FROM communication_log WHERE campaign_id = $1`, m.campaign.ID)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var id uuid.UUID
		var s campaign.MessageState
		require.NoError(t, rows.Scan(&id, &s.Status, &s.Attempts, &s.MaxAttempts, &s.HandedOver, &s.VendorRef, &s.Code, &s.Reason, &s.SkipReason))
		require.Equal(t, byID[id], s)
		delete(byID, id)
	}
	require.NoError(t, rows.Err())
	require.Empty(t, byID, "rows that are missing")
	m.requireBooks(m.t, m.campaign.ID, want)
	require.Equal(t, len(m.receipts), m.scalar(m.t, `SELECT count(*) FROM delivery_receipts r
		JOIN communication_log l USING (communication_id) WHERE l.campaign_id = $1`, m.campaign.ID))
}

// Answers and receipts in any order and number, a cancel, a closing, and a retry of what failed leave the
// ledger as if each fact had been merged alone, the books equal to the ledger after every step, and a
// reader that pages meanwhile passes nothing over.
func TestLedgerEqualsTheModel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.customers(t, 8)
	rapid.Check(t, func(rt *rapid.T) {
		c := b.campaign(t, everyone)
		b.resolve(t, c)
		_, messages, err := b.store.LoadMessages(t.Context(), c.ID, 1, 8)
		require.NoError(rt, err)
		m := &ledgerModel{bundle: b, t: t, campaign: c, messages: messages, receipts: map[uuid.UUID]bool{}}
		for range messages {
			m.states = append(m.states, campaign.MessageState{Status: campaign.MessagePending, MaxAttempts: c.MaxAttempts})
		}
		m.startScan()
		rt.Repeat(map[string]func(*rapid.T){
			"answers": m.answers, "receipts": m.receiptsCome, "page": m.page, "cancel": m.cancel,
			"close": m.close, "retry": m.retry, "": m.check,
		})
	})
}
