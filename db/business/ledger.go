package business

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/internal/businesssql"
	"github.com/xencrm/xencrm/internal/campaign"
)

// LedgerEntries gives up to f.Limit rows of a campaign's ledger after number f.After.
func (s *Store) LedgerEntries(ctx context.Context, f campaign.EntryFilter) ([]campaign.Entry, error) {
	statuses := make([]string, len(f.Statuses))
	for i, st := range f.Statuses {
		statuses[i] = string(st)
	}
	var rows []businesssql.ListEntriesRow
	err := s.inTx(ctx, func(_ pgx.Tx, q *businesssql.Queries) error {
		if err := q.PlanEachTime(ctx); err != nil {
			return err
		}
		var err error
		rows, err = q.ListEntries(ctx, businesssql.ListEntriesParams{
			CampaignID: f.CampaignID, Statuses: statuses, FailureCode: f.FailureCode,
			AfterSeq: int32(f.After), N: int32(f.Limit), //nolint:gosec // a number of ours, and a page of a thousand at most
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]campaign.Entry, len(rows))
	for i := range rows {
		out[i] = entryOf(&rows[i])
	}
	return out, nil
}

// EntryDetail finds the message to a customer, by his id or by its own, with all that came back for it.
func (s *Store) EntryDetail(ctx context.Context, campaignID, ref uuid.UUID) (campaign.EntryDetail, error) {
	var d campaign.EntryDetail
	// One snapshot: a row that is DELIVERED is never shown without its receipt.
	o := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := db.InTxOptions(ctx, s.pool, o, func(tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		row, err := q.GetEntry(ctx, businesssql.GetEntryParams{CampaignID: campaignID, Ref: ref})
		if err != nil {
			return db.Translate(err)
		}
		tries, err := q.ListEntryAttempts(ctx, row.CommunicationLog.CommunicationID)
		if err != nil {
			return err
		}
		receipts, err := q.ListEntryReceipts(ctx, row.CommunicationLog.CommunicationID)
		if err != nil {
			return err
		}
		d = detailOf(&row.CommunicationLog, tries, receipts)
		d.CampaignStatus = campaign.Status(row.CampaignStatus)
		return nil
	})
	return d, err
}

func detailOf(
	r *businesssql.CommunicationLog, tries []businesssql.ListEntryAttemptsRow, receipts []businesssql.ListEntryReceiptsRow,
) campaign.EntryDetail {
	d := campaign.EntryDetail{Text: r.MessageText, Entry: entryOf(&businesssql.ListEntriesRow{
		CommunicationID: r.CommunicationID, CustomerID: r.CustomerID, Seq: r.Seq, CustomerEmail: r.CustomerEmail,
		CustomerName: r.CustomerName, Status: r.Status, Attempts: r.Attempts, MaxAttempts: r.MaxAttempts,
		VendorRef: r.VendorRef, FailureCode: r.FailureCode, FailureReason: r.FailureReason, SkipReason: r.SkipReason,
		CreatedAt: r.CreatedAt, LastAttemptAt: r.LastAttemptAt, SentAt: r.SentAt, DeliveredAt: r.DeliveredAt,
	})}
	for _, t := range tries {
		d.Tries = append(d.Tries, campaign.EntryTry{
			Number: int(t.Attempt), Outcome: campaign.AnswerKind(t.Outcome), Code: deref(t.Code),
			Latency: time.Duration(t.LatencyMs) * time.Millisecond, At: t.AttemptedAt,
		})
	}
	for _, got := range receipts {
		d.Receipts = append(d.Receipts, campaign.EntryReceipt{ReceivedAt: got.ReceivedAt, Receipt: campaign.Receipt{
			ReceiptID: got.ReceiptID, CommunicationID: r.CommunicationID, Attempt: int(got.Attempt),
			VendorRef: deref(got.VendorRef), Delivered: got.ReceiptStatus == string(campaign.MessageDelivered),
			Code: deref(got.FailureCode), Reason: deref(got.FailureReason), OccurredAt: got.OccurredAt,
		}})
	}
	return d
}

func entryOf(r *businesssql.ListEntriesRow) campaign.Entry {
	return campaign.Entry{
		CommunicationID: r.CommunicationID, CustomerID: r.CustomerID, Seq: int(r.Seq), CustomerName: r.CustomerName,
		CustomerEmail: r.CustomerEmail, CreatedAt: r.CreatedAt, LastAttemptAt: r.LastAttemptAt, SentAt: r.SentAt,
		DeliveredAt: r.DeliveredAt,
		MessageState: campaign.MessageState{
			Status: campaign.MessageStatus(r.Status), Attempts: int(r.Attempts), MaxAttempts: int(r.MaxAttempts),
			HandedOver: r.SentAt != nil, VendorRef: deref(r.VendorRef), Code: deref(r.FailureCode),
			Reason: deref(r.FailureReason), SkipReason: campaign.SkipReason(deref(r.SkipReason)),
		},
	}
}
