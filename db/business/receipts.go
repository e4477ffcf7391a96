package business

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/internal/businesssql"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/event"
	"github.com/xencrm/xencrm/internal/failpoint"
)

// ApplyReceipts stores the receipts and merges them into the ledger and the books in one
// transaction. It gives the new books of every campaign that changed, and the receipts whose message
// is not ours; those of test sends are noted there and are of no campaign. A receipt that is stored already
// changes nothing.
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
		if unknown, err = withoutTests(ctx, q, unknown); err != nil {
			return err
		}
		fresh, err := insertReceipts(ctx, q, known)
		if err != nil {
			return err
		}
		failpoint.Hit(failpoint.ReceiptAfterInsert)
		m.mergeReceipts(byMessage, fresh)
		deltas, err := m.writeRows(ctx, q)
		if err != nil {
			return err
		}
		failpoint.Hit(failpoint.ReceiptAfterLog)
		if books, err = writeBooks(ctx, q, deltas); err != nil {
			return err
		}
		failpoint.Hit(failpoint.ReceiptAfterStats)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return books, unknown, failpoint.Err(failpoint.ReceiptAfterCommit)
}

// mergeReceipts merges those that were not stored before.
func (m *merger) mergeReceipts(byMessage map[uuid.UUID][]campaign.Receipt, fresh map[uuid.UUID]bool) {
	for i := range m.rows {
		for _, r := range byMessage[m.rows[i].id] {
			if fresh[r.ReceiptID] {
				m.rows[i].merge(m.rows[i].to.AfterReceipt(r), r.OccurredAt, false)
			}
		}
	}
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
	fresh := make(map[uuid.UUID]bool, len(receipts))
	if len(receipts) == 0 {
		return fresh, nil
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
	for _, id := range ids {
		fresh[id] = true
	}
	return fresh, nil
}

// Park keeps a message that can never be processed as it is, with its raw bytes and the reason, for an
// operator to look at and to replay. The id is derived from what it is, so a copy is kept once.
func (s *Store) Park(ctx context.Context, d event.Delivery, reason string) error {
	headers, err := json.Marshal(d.Properties())
	if err != nil {
		return fmt.Errorf("encode headers: %w", err)
	}
	failpoint.Hit(failpoint.ParkBeforeInsert)
	err = s.q.InsertQuarantine(ctx, businesssql.InsertQuarantineParams{
		QuarantineID: d.ParkID(), Queue: d.Queue, MessageID: d.ID, Reason: reason, Body: d.Body, Headers: headers,
	})
	if err != nil {
		return db.Translate(err)
	}
	return failpoint.Err(failpoint.ParkAfterInsert)
}
