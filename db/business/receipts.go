package business

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xencrm/xencrm/db/internal/businesssql"
	"github.com/xencrm/xencrm/internal/campaign"
)

// ApplyReceipts stores the receipts and merges them into the ledger and the books in one
// transaction. It gives the new books of every campaign that changed, and the receipts whose message
// is not ours. A receipt that is stored already changes nothing.
func (s *Store) ApplyReceipts(ctx context.Context, receipts []campaign.Receipt) (
	books map[uuid.UUID]campaign.Totals, unknown []campaign.Receipt, err error,
) {
	err = s.inTx(ctx, func(_ pgx.Tx, q *businesssql.Queries) error {
		byMessage := make(map[uuid.UUID][]campaign.Receipt, len(receipts))
		for _, r := range receipts {
			byMessage[r.CommunicationID] = append(byMessage[r.CommunicationID], r)
		}
		m, err := lockForMerge(ctx, q, slices.Collect(maps.Keys(byMessage)))
		if err != nil {
			return err
		}
		var known []campaign.Receipt
		known, unknown = splitKnown(receipts, m)
		fresh, err := insertReceipts(ctx, q, known)
		if err != nil {
			return err
		}
		for i := range m.rows {
			for _, r := range byMessage[m.rows[i].id] {
				if fresh[r.ReceiptID] {
					m.rows[i].merge(m.rows[i].to.AfterReceipt(r), r.OccurredAt, false)
				}
			}
		}
		books, err = m.write(ctx, q)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return books, unknown, nil
}

func splitKnown(receipts []campaign.Receipt, m *merger) (known, unknown []campaign.Receipt) {
	ours := make(map[uuid.UUID]bool, len(m.rows))
	for _, r := range m.rows {
		ours[r.id] = true
	}
	for _, r := range receipts {
		if ours[r.CommunicationID] {
			known = append(known, r)
		} else {
			unknown = append(unknown, r)
		}
	}
	return known, unknown
}

func insertReceipts(ctx context.Context, q *businesssql.Queries, receipts []campaign.Receipt) (map[uuid.UUID]bool, error) {
	if len(receipts) == 0 {
		return nil, nil
	}
	var p businesssql.InsertReceiptsParams
	for _, r := range receipts {
		status := string(campaign.MessageFailed)
		if r.Delivered {
			status = string(campaign.MessageDelivered)
		}
		p.ReceiptIds = append(p.ReceiptIds, r.ReceiptID)
		p.Ids = append(p.Ids, r.CommunicationID)
		p.Attempts = append(p.Attempts, int32(r.Attempt)) //nolint:gosec // bounded when parsed
		p.VendorRefs = append(p.VendorRefs, r.VendorRef)
		p.Statuses = append(p.Statuses, status)
		p.FailureCodes = append(p.FailureCodes, r.Code)
		p.FailureReasons = append(p.FailureReasons, r.Reason)
		p.OccurredAt = append(p.OccurredAt, r.OccurredAt)
	}
	ids, err := q.InsertReceipts(ctx, p)
	if err != nil {
		return nil, err
	}
	fresh := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		fresh[id] = true
	}
	return fresh, nil
}

// Parked is a message that can never be processed as it is.
type Parked struct {
	Queue     string
	MessageID string
	Reason    string
	Body      []byte
	Headers   []byte
}

// Quarantine keeps a message with its raw bytes and the reason, for an operator to look at and to
// replay. The id is derived from queue and body, so a redelivered copy is kept once.
func (s *Store) Quarantine(ctx context.Context, p Parked) error {
	headers := p.Headers
	if len(headers) == 0 {
		headers = []byte("{}")
	}
	id := uuid.NewSHA1(uuid.NameSpaceOID, slices.Concat([]byte(p.Queue+"\x00"+p.MessageID+"\x00"+p.Reason+"\x00"), p.Body))
	return s.inTx(ctx, func(_ pgx.Tx, q *businesssql.Queries) error {
		return q.InsertQuarantine(ctx, businesssql.InsertQuarantineParams{
			QuarantineID: id, Queue: p.Queue, MessageID: p.MessageID, Reason: p.Reason, Body: p.Body, Headers: headers,
		})
	})
}

// receiptQueue is the source of parked receipts.
const receiptQueue = "message_response_queue"

// ParkReceipt keeps a receipt whose message is not ours.
func (s *Store) ParkReceipt(ctx context.Context, messageID, reason string, body []byte) error {
	return s.Quarantine(ctx, Parked{Queue: receiptQueue, MessageID: messageID, Reason: reason, Body: body})
}
