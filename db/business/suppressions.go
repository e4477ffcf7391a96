package business

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/internal/businesssql"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
)

// Suppress gives the stored suppression, which may be an earlier one, and whether it is new.
func (s *Store) Suppress(ctx context.Context, in campaign.Suppression) (campaign.Suppression, bool, error) {
	var row businesssql.Suppression
	var created bool
	err := s.inTx(ctx, func(_ pgx.Tx, q *businesssql.Queries) error {
		made, err := insertSuppression(ctx, q, in)
		if err != nil {
			return err
		}
		if created = len(made) > 0; created {
			row = made[0]
			return nil
		}
		row, err = q.GetSuppression(ctx, in.Email)
		return err
	})
	return suppressionOf(row), created, err
}

// SuppressRecipient suppresses the address that a campaign's message to a customer has.
func (s *Store) SuppressRecipient(
	ctx context.Context, l campaign.Link, reason campaign.SuppressionReason, by string,
) error {
	return s.inTx(ctx, func(_ pgx.Tx, q *businesssql.Queries) error {
		email, err := q.RecipientAddress(ctx, businesssql.RecipientAddressParams{
			CampaignID: l.CampaignID, CustomerID: l.CustomerID,
		})
		if err != nil {
			return err
		}
		if email == "" {
			return errs.Errorf(errs.NotFound, "the message has no address")
		}
		if strings.HasSuffix(email, customer.ErasedDomain) {
			return nil // suppressed when it was erased, and not to be known again
		}
		_, err = insertSuppression(ctx, q, campaign.Suppression{Email: email, Reason: reason, CreatedBy: by})
		return err
	})
}

func insertSuppression(ctx context.Context, q *businesssql.Queries, in campaign.Suppression) ([]businesssql.Suppression, error) {
	return q.InsertSuppression(ctx, businesssql.InsertSuppressionParams{
		Email: in.Email, Reason: string(in.Reason), CreatedBy: in.CreatedBy,
	})
}

// Unsuppress reports whether the address was suppressed, also as that of an erased customer.
func (s *Store) Unsuppress(ctx context.Context, email string) (bool, error) {
	var n int64
	err := s.inTx(ctx, func(_ pgx.Tx, q *businesssql.Queries) error {
		listed, err := q.DeleteSuppression(ctx, email)
		if err != nil {
			return err
		}
		hashed, err := q.DeleteErasedAddress(ctx, email)
		n = listed + hashed
		return err
	})
	return n > 0, err
}

// Suppressions gives up to f.Limit suppressions after f.After, in the order of their addresses.
func (s *Store) Suppressions(ctx context.Context, f campaign.SuppressionFilter) ([]campaign.Suppression, error) {
	if f.Email != "" {
		return s.suppressionOf(ctx, f)
	}
	rows, err := s.q.ListSuppressions(ctx, businesssql.ListSuppressionsParams{
		After: f.After.Key, Reason: string(f.Reason),
		N: int32(f.Limit), //nolint:gosec // a page of some hundred at most
	})
	out := make([]campaign.Suppression, len(rows))
	for i, r := range rows {
		out[i] = suppressionOf(r)
	}
	return out, db.Translate(err)
}

// suppressionOf gives the suppression of one address, if it has one for the filter's reason.
func (s *Store) suppressionOf(ctx context.Context, f campaign.SuppressionFilter) ([]campaign.Suppression, error) {
	rows, err := s.q.FindSuppression(ctx, f.Email)
	if err != nil {
		return nil, db.Translate(err)
	}
	var out []campaign.Suppression
	for _, r := range rows {
		if f.Reason == "" || string(f.Reason) == r.Reason {
			out = append(out, suppressionOf(businesssql.Suppression(r)))
		}
	}
	return out, nil
}

func suppressionOf(r businesssql.Suppression) campaign.Suppression {
	return campaign.Suppression{
		Email: r.Email, Reason: campaign.SuppressionReason(r.Reason), CreatedBy: r.CreatedBy, CreatedAt: r.CreatedAt,
	}
}
