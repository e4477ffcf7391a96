package business

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/internal/businesssql"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/failpoint"
)

// LoadMessages gives the messages with sequence numbers first..last and what they share.
//
//nolint:gosec // sequence numbers are counts of rows, far below int4
func (s *Store) LoadMessages(
	ctx context.Context, id uuid.UUID, first, last int,
) (campaign.SendContext, []campaign.Message, error) {
	c, err := s.q.GetSendContext(ctx, id)
	if err != nil {
		return campaign.SendContext{}, nil, db.Translate(err)
	}
	rows, err := s.q.LoadMessages(ctx, businesssql.LoadMessagesParams{
		CampaignID: id, FirstSeq: int32(first), LastSeq: int32(last),
	})
	if err != nil {
		return campaign.SendContext{}, nil, db.Translate(err)
	}
	out := make([]campaign.Message, len(rows))
	for i, r := range rows {
		out[i] = messageOf(r)
	}
	shared, err := sendContextOf(c)
	if err != nil {
		return campaign.SendContext{}, nil, err
	}
	return shared, out, nil
}

func messageOf(r businesssql.LoadMessagesRow) campaign.Message {
	return campaign.Message{
		CommunicationID: r.CommunicationID, CustomerID: r.CustomerID, Seq: int(r.Seq),
		Recipient: r.CustomerEmail, RecipientName: r.CustomerName, Body: r.MessageText,
		Status: campaign.MessageStatus(r.Status), Attempts: int(r.Attempts), MaxAttempts: int(r.MaxAttempts),
		Suppressed: r.Suppressed,
	}
}

func sendContextOf(c businesssql.GetSendContextRow) (campaign.SendContext, error) {
	hours, err := hoursOf(c.SendWindow)
	if err != nil {
		return campaign.SendContext{}, err
	}
	return campaign.SendContext{
		Hours:        hours,
		CampaignName: c.Name, CampaignType: c.CampaignType, Status: campaign.Status(c.Status),
		SendDeadline: time.Duration(c.SendDeadlineMs) * time.Millisecond,
	}, nil
}

// PendingSeqs gives the sequence numbers after the given one whose messages are pending, at most limit.
//
//nolint:gosec // sequence numbers are counts of rows, far below int4
func (s *Store) PendingSeqs(ctx context.Context, id uuid.UUID, after, limit int) ([]int, error) {
	rows, err := s.q.ListPendingSeqs(ctx, businesssql.ListPendingSeqsParams{
		CampaignID: id, AfterSeq: int32(after), MaxRows: int32(limit),
	})
	if err != nil {
		return nil, db.Translate(err)
	}
	out := make([]int, len(rows))
	for i, r := range rows {
		out[i] = int(r)
	}
	return out, nil
}

// RecordAnswers merges the outcomes of sends into the ledger and the books and appends them to
// send_attempts, all in one transaction. It gives the state of each message afterwards, in the order
// of the answers. Recording the same answers again changes nothing (see campaign.AfterAnswer).
func (s *Store) RecordAnswers(ctx context.Context, answers []campaign.Answer) ([]campaign.MessageState, error) {
	byID := make(map[uuid.UUID][]campaign.Answer, len(answers))
	for _, a := range answers {
		byID[a.CommunicationID] = append(byID[a.CommunicationID], a)
	}
	after := make(map[uuid.UUID]campaign.MessageState, len(byID))
	err := s.inTx(ctx, func(_ pgx.Tx, q *businesssql.Queries) error {
		m, err := lockForMerge(ctx, q, slices.Collect(maps.Keys(byID)))
		if err != nil {
			return err
		}
		var tries attemptRows
		for i := range m.rows {
			row := &m.rows[i]
			for _, a := range byID[row.id] {
				row.merge(row.to.AfterAnswer(a), a.At, true)
				tries.add(row.id, row.to.Attempts, a)
			}
			after[row.id] = row.to
		}
		deltas, err := m.writeRows(ctx, q)
		if err != nil {
			return err
		}
		failpoint.Hit(failpoint.SendAfterLog)
		if _, err := writeBooks(ctx, q, deltas); err != nil {
			return err
		}
		failpoint.Hit(failpoint.SendAfterStats)
		if err := tries.insert(ctx, q); err != nil {
			return err
		}
		failpoint.Hit(failpoint.SendBeforeCommit)
		return nil
	})
	if err != nil {
		return nil, err
	}
	states := make([]campaign.MessageState, len(answers))
	for i, a := range answers {
		states[i] = after[a.CommunicationID]
	}
	return states, failpoint.Err(failpoint.SendAfterCommit)
}

// merger holds the locked rows of one transaction while answers or receipts change them.
type merger struct{ rows []mergeRow }

type mergeRow struct {
	id, campaignID uuid.UUID
	from, to       campaign.MessageState
	isAnswer       bool
	at             time.Time
}

func (r *mergeRow) merge(to campaign.MessageState, at time.Time, isAnswer bool) {
	r.to, r.at, r.isAnswer = to, at, isAnswer || r.isAnswer
}

// lockForMerge locks the rows in the order of their ids; ids that are not in the ledger are absent.
func lockForMerge(ctx context.Context, q *businesssql.Queries, ids []uuid.UUID) (*merger, error) {
	rows, err := q.LockMessages(ctx, ids)
	if err != nil {
		return nil, err
	}
	m := &merger{rows: make([]mergeRow, len(rows))}
	for i, r := range rows {
		state := campaign.MessageState{
			Status: campaign.MessageStatus(r.Status), Attempts: int(r.Attempts), MaxAttempts: int(r.MaxAttempts),
			HandedOver: r.HandedOver, VendorRef: deref(r.VendorRef), Code: deref(r.FailureCode),
			Reason: deref(r.FailureReason), SkipReason: campaign.SkipReason(deref(r.SkipReason)),
		}
		m.rows[i] = mergeRow{id: r.CommunicationID, campaignID: r.CampaignID, from: state, to: state}
	}
	return m, nil
}

// writeRows stores the rows that changed and gives what that changes in the books. They are written
// next, in the same transaction.
func (m *merger) writeRows(ctx context.Context, q *businesssql.Queries) (map[uuid.UUID]campaign.Totals, error) {
	var p businesssql.UpdateMessagesParams
	deltas := map[uuid.UUID]campaign.Totals{}
	for _, r := range m.rows {
		if r.from == r.to && !r.isAnswer {
			continue
		}
		appendUpdate(&p, r)
		d := deltas[r.campaignID]
		d.Move(r.from, r.to)
		deltas[r.campaignID] = d
	}
	if len(p.Ids) == 0 {
		return deltas, nil
	}
	return deltas, q.UpdateMessages(ctx, p)
}

// writeBooks adds the differences to the books, campaigns in the order of their ids, so that two
// transactions never wait for each other in a circle. It gives the new books.
func writeBooks(
	ctx context.Context, q *businesssql.Queries, deltas map[uuid.UUID]campaign.Totals,
) (map[uuid.UUID]campaign.Totals, error) {
	books := make(map[uuid.UUID]campaign.Totals, len(deltas))
	for _, id := range slices.SortedFunc(maps.Keys(deltas), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }) {
		if deltas[id].IsZero() {
			continue
		}
		t, err := applyStats(ctx, q, id, deltas[id])
		if err != nil {
			return nil, err
		}
		books[id] = t
	}
	return books, nil
}

func appendUpdate(p *businesssql.UpdateMessagesParams, r mergeRow) {
	p.Ids = append(p.Ids, r.id)
	p.Statuses = append(p.Statuses, string(r.to.Status))
	p.Attempts = append(p.Attempts, int32(r.to.Attempts)) //nolint:gosec // counted by one up to max_attempts
	p.VendorRefs = append(p.VendorRefs, r.to.VendorRef)
	p.FailureCodes = append(p.FailureCodes, r.to.Code)
	p.FailureReasons = append(p.FailureReasons, r.to.Reason)
	p.SkipReasons = append(p.SkipReasons, string(r.to.SkipReason))
	p.HandedOver = append(p.HandedOver, r.to.HandedOver)
	p.IsAnswer = append(p.IsAnswer, r.isAnswer)
	p.HappenedAt = append(p.HappenedAt, r.at)
}

// attemptRows collects rows of send_attempts.
type attemptRows struct {
	p businesssql.InsertAttemptsParams
}

func (t *attemptRows) add(id uuid.UUID, attempt int, a campaign.Answer) {
	if a.Kind == campaign.AnswerSkipped {
		return // nothing was tried
	}
	if a.Kind == campaign.AnswerExpired {
		attempt++ // giving up is not an answer, it stands after the last one
	}
	if a.Number > 0 {
		attempt = a.Number
	}
	t.p.Ids = append(t.p.Ids, id)
	t.p.Attempts = append(t.p.Attempts, int32(attempt)) //nolint:gosec // see appendUpdate
	t.p.Outcomes = append(t.p.Outcomes, string(a.Kind))
	t.p.Codes = append(t.p.Codes, a.Code)
	t.p.LatenciesMs = append(t.p.LatenciesMs, int32(a.Latency.Milliseconds())) //nolint:gosec // bounded by the HTTP timeout
	t.p.AttemptedAt = append(t.p.AttemptedAt, a.At)
}

func (t *attemptRows) insert(ctx context.Context, q *businesssql.Queries) error {
	if len(t.p.Ids) == 0 {
		return nil
	}
	return q.InsertAttempts(ctx, t.p)
}
