package business

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/internal/businesssql"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/message"
)

// BeginTestSend takes one of limit test sends within a time; errs.RateLimited if there is none left. One that
// was begun already takes none.
func (s *Store) BeginTestSend(ctx context.Context, id uuid.UUID, principal string, limit int, within time.Duration) error {
	return s.inTx(ctx, func(_ pgx.Tx, q *businesssql.Queries) error {
		if err := q.LockTestSends(ctx, principal); err != nil {
			return err
		}
		n, err := q.CountTestSends(ctx, businesssql.CountTestSendsParams{
			Principal: principal, CommunicationID: id, WithinMs: within.Milliseconds(),
		})
		if err != nil {
			return err
		}
		if n >= int64(limit) {
			return errs.Errorf(errs.RateLimited, "more than %d test sends within %s: wait, or make a campaign", limit, within)
		}
		return q.InsertTestSend(ctx, businesssql.InsertTestSendParams{CommunicationID: id, Principal: principal})
	})
}

// IsSuppressed reports whether nobody writes to the address, which is in lower case.
func (s *Store) IsSuppressed(ctx context.Context, email string) (bool, error) {
	found, err := s.q.IsSuppressed(ctx, email)
	return found != nil && *found, db.Translate(err)
}

// ExampleRecipient gives what a template may name of a customer.
func (s *Store) ExampleRecipient(ctx context.Context, customerID uuid.UUID) (message.Recipient, error) {
	row, err := s.q.ExampleCustomer(ctx, customerID)
	if err := db.Translate(err); err != nil {
		if errs.Is(err, errs.NotFound) {
			return message.Recipient{}, errs.Wrap(errs.NotFound, err, "Customer not found")
		}
		return message.Recipient{}, err
	}
	return message.Recipient{
		Name: row.Name, Email: row.Email, TotalSpend: &row.TotalSpend, TotalOrders: &row.TotalOrders, TotalVisits: &row.TotalVisits,
	}, nil
}

// withoutTests takes the receipts of test sends out of those whose message is in no ledger.
func withoutTests(ctx context.Context, q *businesssql.Queries, unknown []campaign.Receipt) ([]campaign.Receipt, error) {
	var left []campaign.Receipt
	for _, r := range unknown {
		n, err := q.NoteTestReceipt(ctx, businesssql.NoteTestReceiptParams{CommunicationID: r.CommunicationID, Delivered: r.Delivered})
		if err != nil {
			return nil, err
		}
		if n == 0 {
			left = append(left, r)
		}
	}
	return left, nil
}
