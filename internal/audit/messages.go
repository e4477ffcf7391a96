package audit

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// message is one row of the log with all that is stored about it.
type message struct {
	id, campaign, customer, status, vendorRef, bodySHA256 string
	attempts                                              int
	handedOver, hasDeliveredAt                            bool
	// erased says that the text was taken away with its customer: there is nothing left to compare.
	erased bool
	facts  facts
}

// messagesQuery gives the log in the order of the message ids, which is that of the vendor's keys.
// The text itself stays in the database: its hash is what the vendor's ledger has.
const messagesQuery = `
	SELECT l.communication_id::text, l.campaign_id::text, l.customer_id::text, l.status, coalesce(l.vendor_ref, ''),
	       encode(sha256(convert_to(l.message_text, 'UTF8')), 'hex'), l.attempts, l.max_attempts,
	       l.sent_at IS NOT NULL, l.delivered_at IS NOT NULL, ` + erasedMessage + `, l.skip_reason IS NOT NULL,
	       c.round > 0, c.status = 'CANCELLED' OR c.round > 0,
	       ARRAY(SELECT a.attempt || ':' || a.outcome FROM send_attempts a
	             WHERE a.communication_id = l.communication_id),
	       ARRAY(SELECT r.receipt_id || ':' || r.receipt_status || ':' || r.attempt FROM delivery_receipts r
	             WHERE r.communication_id = l.communication_id)
	FROM communication_log l JOIN campaigns c USING (campaign_id)
	ORDER BY l.communication_id`

// erasedMessage is true for a message of an erased customer. The text alone would not do: whoever
// overwrote one message with it would be believed.
const erasedMessage = `(l.message_text = '[erased]' AND l.customer_email = 'erased-' || l.customer_id || '@erased.invalid')`

type messageStream struct{ rows pgx.Rows }

// next gives the next message, or nil at the end.
func (s *messageStream) next() (*message, error) {
	if !s.rows.Next() {
		return nil, s.rows.Err()
	}
	var m message
	var attempts, receipts []string
	f := &m.facts
	err := s.rows.Scan(&m.id, &m.campaign, &m.customer, &m.status, &m.vendorRef, &m.bodySHA256, &m.attempts,
		&f.maxAttempts, &m.handedOver, &m.hasDeliveredAt, &m.erased, &f.hasSkipReason, &f.rearmed, &f.wasCancelled, &attempts, &receipts)
	if err != nil {
		return nil, err
	}
	for _, text := range attempts {
		number, outcome, _ := strings.Cut(text, ":")
		n, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("attempt of %s: %w", m.id, err)
		}
		f.attempts = append(f.attempts, attempt{number: n, outcome: outcome})
	}
	for _, text := range receipts {
		parts := strings.Split(text, ":")
		n, err := strconv.Atoi(parts[len(parts)-1])
		if err != nil {
			return nil, fmt.Errorf("receipt of %s: %w", m.id, err)
		}
		f.receipts = append(f.receipts, receipt{id: parts[0], status: parts[1], attempt: n})
	}
	return &m, nil
}

// ledger is the vendor's side of the comparison, nil members when there is none.
type ledger struct {
	stream *ledgerStream
	// parked are receipt ids that stand in a quarantined message: they are not lost.
	parked map[string]bool
	// tests are the messages that somebody sent to one address to look at them.
	tests map[string]bool
	// campaigns sums what the vendor did per campaign.
	campaigns map[string]*VendorSide
}

// judgeMessages walks the log, and the vendor's ledger beside it, one message in memory at a time.
func judgeMessages(ctx context.Context, f *findings, tx pgx.Tx, l *ledger) error {
	rows, err := tx.Query(ctx, messagesQuery) //nolint:rowserrcheck // messageStream.next checks it
	if err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	defer rows.Close()
	w := walk{log: &messageStream{rows: rows}, ledger: l}
	if err := w.advance(true, true); err != nil {
		return err
	}
	for w.ours != nil || w.theirs != nil {
		ours := w.theirs == nil || (w.ours != nil && w.ours.id <= w.theirs.key)
		theirs := w.ours == nil || (w.theirs != nil && w.theirs.key <= w.ours.id)
		w.judge(f, ours, theirs)
		if err := w.advance(ours, theirs); err != nil {
			return err
		}
	}
	return nil
}

// walk is a place in both streams.
type walk struct {
	log    *messageStream
	ledger *ledger
	ours   *message
	theirs *entry
}

func (w *walk) advance(ours, theirs bool) error {
	var err error
	if ours {
		if w.ours, err = w.log.next(); err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
	}
	if theirs {
		w.theirs, err = w.ledger.next()
	}
	return err
}

// judge looks at the message, the entry, or both when they are of one key.
func (w *walk) judge(f *findings, ours, theirs bool) {
	if ours {
		judgeStatus(f, w.ours)
	}
	switch {
	case w.ledger == nil: // there is nothing to compare with
	case ours && theirs:
		w.ledger.judgeBoth(f, w.ours, w.theirs)
	case ours:
		w.ledger.judgeUnsent(f, w.ours)
	default:
		w.ledger.judgeGhost(f, w.theirs)
	}
}

func (l *ledger) next() (*entry, error) {
	if l == nil {
		return nil, nil //nolint:nilnil // a ledger that is not there is one without entries
	}
	e, err := l.stream.next()
	if err != nil {
		return nil, fmt.Errorf("read vendor ledger: %w", err)
	}
	return e, nil
}

// judgeStatus holds a row against its own attempts and receipts.
func judgeStatus(f *findings, m *message) {
	allowed := fold(m.facts)
	if !slices.Contains(allowed, m.status) {
		f.add(statusFold, "message %s is %s, its attempts and receipts say %s", m.id, m.status, strings.Join(allowed, " or "))
	}
	if m.hasDeliveredAt != (m.status == delivered) {
		f.add(statusFold, "message %s is %s but its delivered_at says otherwise", m.id, m.status)
	}
	if m.facts.rearmed && m.facts.hasOutcome(expired) {
		return // the row of giving up stands in the place of an answer that came in a later round
	}
	if m.attempts != m.facts.answers() {
		f.add(statusFold, "message %s counts %d answers, its attempts and receipts say %d", m.id, m.attempts, m.facts.answers())
	}
	if m.handedOver != m.facts.handedOver() {
		f.add(statusFold, "message %s: its sent_at does not agree with its attempts and receipts", m.id)
	}
}

// judgeBoth compares a message with the vendor's entry under its key.
func (l *ledger) judgeBoth(f *findings, m *message, e *entry) {
	for _, d := range e.deliveries {
		if d.communication != m.id || d.campaign != m.campaign || d.customer != m.customer {
			f.add(noGhosts, "the delivery of message %s names another message, campaign or customer", m.id)
		}
		if !m.erased && d.bodySHA256 != m.bodySHA256 {
			f.add(noGhosts, "message %s was delivered with another text than the log's", m.id)
		}
		if m.handedOver && d.ref != m.vendorRef {
			f.add(logMatches, "message %s has another vendor_ref than its delivery", m.id)
		}
	}
	l.judgeDelivered(f, m, len(e.deliveries) > 0)
	if m.attempts > e.answers {
		f.add(logMatches, "message %s counts %d answers, the vendor gave %d", m.id, m.attempts, e.answers)
	}
	l.judgeReceipts(f, m, e)
	l.sum(m.campaign, e)
}

// judgeUnsent looks at a message that the vendor has never seen.
func (l *ledger) judgeUnsent(f *findings, m *message) {
	l.judgeDelivered(f, m, false)
	if m.attempts > 0 {
		f.add(logMatches, "message %s counts %d answers, the vendor was never asked", m.id, m.attempts)
	}
	l.judgeReceipts(f, m, &entry{})
}

// judgeDelivered: sent and delivered means exactly that the vendor took it. A failure is either a
// refusal, without a delivery, or was reported by a receipt, after one.
func (l *ledger) judgeDelivered(f *findings, m *message, wasDelivered bool) {
	expected := m.status == sent || m.status == delivered || (m.status == failed && m.facts.hasReceipt(failed))
	switch {
	case expected && !wasDelivered:
		f.add(logMatches, "message %s is %s, but the vendor did not deliver it", m.id, m.status)
	case !expected && wasDelivered:
		f.add(logMatches, "message %s is %s, but the vendor delivered it", m.id, m.status)
	}
}

func (l *ledger) judgeReceipts(f *findings, m *message, e *entry) {
	stored := map[string]string{}
	for _, r := range m.facts.receipts {
		stored[r.id] = r.status
		if !e.hasReceipt(r.id) {
			f.add(receiptsStored, "receipt %s of message %s was never sent by the vendor", r.id, m.id)
		}
	}
	for _, r := range e.receipts {
		status, ok := stored[r.id]
		switch {
		case ok && status != r.status:
			f.add(receiptsStored, "receipt %s of message %s says %s, the vendor said %s", r.id, m.id, status, r.status)
		case !ok && r.confirmed && !l.parked[r.id]:
			f.add(receiptsStored, "receipt %s of message %s was confirmed and is not stored", r.id, m.id)
		}
	}
}

// judgeGhost looks at an entry under a key that is no message of ours.
func (l *ledger) judgeGhost(f *findings, e *entry) {
	if l.tests[e.key] {
		return // somebody looked at a message; it is of no campaign
	}
	f.add(noGhosts, "the vendor was sent %s, which is no message of the log (%d deliveries)", e.key, len(e.deliveries))
	if len(e.deliveries) > 0 {
		l.sum(e.deliveries[0].campaign, e)
	}
}

func (l *ledger) sum(campaign string, e *entry) {
	v := l.campaigns[campaign]
	if v == nil {
		v = &VendorSide{}
		l.campaigns[campaign] = v
	}
	v.Deliveries += len(e.deliveries)
	v.MaxCopies = max(v.MaxCopies, len(e.deliveries))
	for _, r := range e.receipts {
		if r.confirmed {
			v.ReceiptsConfirmed++
		}
		v.ReceiptCopies += r.copies
	}
}
