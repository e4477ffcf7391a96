package mock

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/vendor"
)

// Entry is all that the ledger holds under one key. Times are Unix milliseconds, as in the file.
type Entry struct {
	Key         string        `json:"key"`
	Seed        uint64        `json:"seed"`
	SuccessRate float64       `json:"success_rate"`
	Answers     []AnswerRow   `json:"answers"`
	Asked       int           `json:"asked"`
	Reused      int           `json:"reused"`
	Settled     bool          `json:"settled"`
	Deliveries  []DeliveryRow `json:"deliveries"`
	Receipts    []ReceiptRow  `json:"receipts"`
}

// AnswerRow is one answer that was decided on; it may have been lost on the way.
type AnswerRow struct {
	N          int         `json:"n"`
	HTTPStatus int         `json:"http_status"`
	Code       vendor.Code `json:"code"`
	At         int64       `json:"at"`
}

// DeliveryRow is the physical delivery.
type DeliveryRow struct {
	VendorRef       string `json:"vendor_ref"`
	CommunicationID string `json:"communication_id"`
	CampaignID      string `json:"campaign_id"`
	CustomerID      string `json:"customer_id"`
	BodySHA256      string `json:"body_sha256"`
	AcceptedAt      int64  `json:"accepted_at"`
}

// ReceiptRow is the receipt and how far it got.
type ReceiptRow struct {
	ReceiptID  string               `json:"receipt_id"`
	Status     vendor.ReceiptStatus `json:"status"`
	Code       vendor.Code          `json:"code"`
	DueAt      int64                `json:"due_at"`
	Confirmed  bool                 `json:"confirmed"`
	CopiesSent int                  `json:"copies_sent"`
}

// Summary is the whole ledger in numbers.
type Summary struct {
	Keys     int `json:"keys"`
	Requests int `json:"requests"`
	// KeyReused counts requests with another body under a used key; it must stay 0 (faults.md G18).
	KeyReused int `json:"key_reused"`
	// Answers counts decided answers by code, "SUCCESS" for none.
	Answers             map[string]int `json:"answers"`
	Deliveries          int            `json:"deliveries"`
	MaxDeliveriesPerKey int            `json:"max_deliveries_per_key"`
	ReceiptsConfirmed   int            `json:"receipts_confirmed"`
	ReceiptsUnconfirmed int            `json:"receipts_unconfirmed"`
	// ReceiptsQueued counts what this process still has to post or is posting, extra copies included.
	ReceiptsQueued int `json:"receipts_queued"`
}

// Summary reads the whole ledger; it is for tests and operators, not for every second.
func (s *Server) Summary(ctx context.Context) (Summary, error) {
	// The queue is asked first: whatever it has let go of by now is in the ledger that is read next.
	sum := Summary{Answers: map[string]int{}, ReceiptsQueued: s.queue.len()}
	err := s.ledger.read.QueryRowContext(ctx, `SELECT
		(SELECT count(*) FROM requests), (SELECT coalesce(sum(asked), 0) FROM requests),
		(SELECT coalesce(sum(reused), 0) FROM requests), (SELECT count(*) FROM deliveries),
		(SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM deliveries GROUP BY key)),
		(SELECT count(*) FROM receipts WHERE confirmed_at IS NOT NULL),
		(SELECT count(*) FROM receipts WHERE confirmed_at IS NULL)`).Scan(&sum.Keys, &sum.Requests, &sum.KeyReused,
		&sum.Deliveries, &sum.MaxDeliveriesPerKey, &sum.ReceiptsConfirmed, &sum.ReceiptsUnconfirmed)
	if err != nil {
		return Summary{}, fmt.Errorf("read ledger totals: %w", err)
	}
	type count struct {
		code string
		n    int
	}
	counts, err := query(ctx, s.ledger.read, "SELECT code, count(*) FROM answers GROUP BY code",
		func(c *count) []any { return []any{&c.code, &c.n} })
	if err != nil {
		return Summary{}, fmt.Errorf("read answers: %w", err)
	}
	for _, c := range counts {
		if c.code == "" {
			c.code = "SUCCESS"
		}
		sum.Answers[c.code] = c.n
	}
	return sum, nil
}

// Entry gives what the ledger holds under key, or errs.NotFound.
func (s *Server) Entry(ctx context.Context, key string) (Entry, error) {
	e := Entry{Key: key}
	var seed string
	var request int64
	db := s.ledger.read
	err := db.QueryRowContext(ctx, `SELECT r.request, p.seed, p.success_rate, r.asked, r.reused, r.settled_at <> 0
		FROM requests r JOIN profiles p USING (profile) WHERE r.key = ?`, key).
		Scan(&request, &seed, &e.SuccessRate, &e.Asked, &e.Reused, &e.Settled)
	if errors.Is(err, sql.ErrNoRows) {
		return Entry{}, errs.Errorf(errs.NotFound, "key was never seen")
	}
	if err != nil {
		return Entry{}, fmt.Errorf("read request: %w", err)
	}
	if e.Seed, err = strconv.ParseUint(seed, 10, 64); err != nil {
		return Entry{}, fmt.Errorf("read seed: %w", err)
	}
	e.Answers, err = query(ctx, db, "SELECT n, http_status, code, at FROM answers WHERE request = ? ORDER BY n",
		func(a *AnswerRow) []any { return []any{&a.N, &a.HTTPStatus, &a.Code, &a.At} }, request)
	if err != nil {
		return Entry{}, fmt.Errorf("read answers: %w", err)
	}
	e.Deliveries, err = query(ctx, db, `SELECT vendor_ref, communication_id, campaign_id, customer_id,
		body_sha256, accepted_at FROM deliveries WHERE request = ?`, func(d *DeliveryRow) []any {
		return []any{&d.VendorRef, &d.CommunicationID, &d.CampaignID, &d.CustomerID, &d.BodySHA256, &d.AcceptedAt}
	}, request)
	if err != nil {
		return Entry{}, fmt.Errorf("read deliveries: %w", err)
	}
	e.Receipts, err = query(ctx, db, `SELECT receipt_id, status, code, due_at, confirmed_at IS NOT NULL, copies_sent
		FROM receipts WHERE request = ?`, func(r *ReceiptRow) []any {
		return []any{&r.ReceiptID, &r.Status, &r.Code, &r.DueAt, &r.Confirmed, &r.CopiesSent}
	}, request)
	if err != nil {
		return Entry{}, fmt.Errorf("read receipts: %w", err)
	}
	return e, nil
}

// unconfirmed gives the receipts that a former process did not get confirmed.
func (l *ledger) unconfirmed(ctx context.Context) ([]*pending, error) {
	type row struct {
		p   pending
		due int64
	}
	rows, err := query(ctx, l.read, `SELECT r.request, r.key, r.due_at, r.receipt_id, r.status, r.code,
		d.communication_id, d.campaign_id, d.vendor_ref, d.n
		FROM receipts r JOIN deliveries d USING (request) WHERE r.confirmed_at IS NULL ORDER BY r.request`,
		func(w *row) []any {
			v := &w.p.receipt
			return []any{
				&w.p.request, &w.p.key, &w.due, &v.ReceiptID, &v.Status, &v.ErrorCode,
				&v.CommunicationID, &v.CampaignID, &v.VendorRef, &v.Attempt,
			}
		})
	if err != nil {
		return nil, err
	}
	all := make([]*pending, len(rows))
	for i := range rows {
		p := &rows[i].p
		p.due = time.UnixMilli(rows[i].due)
		p.receipt.ErrorMessage, p.receipt.OccurredAt = errorMessage(p.receipt.ErrorCode), occurredAt(rows[i].due)
		all[i] = p
	}
	return all, nil
}

// query reads all rows; into gives the places of one row's columns.
func query[T any](ctx context.Context, db *sql.DB, text string, into func(*T) []any, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells.
	all := []T{}
	for rows.Next() {
		var one T
		if err := rows.Scan(into(&one)...); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}
