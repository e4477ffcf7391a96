package audit

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"

	_ "modernc.org/sqlite" // The driver.
)

// openLedger opens the vendor's file for reading. Readers are welcome while the vendor runs.
func openLedger(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro&_pragma=busy_timeout(5000)&_pragma=query_only(1)")
	if err != nil {
		return nil, fmt.Errorf("open vendor ledger: %w", err)
	}
	return db, nil
}

// owedReceipts counts receipts that the vendor still has to post.
func owedReceipts(ctx context.Context, db *sql.DB) (int, error) {
	var n int
	err := db.QueryRowContext(ctx, "SELECT count(*) FROM receipts WHERE confirmed_at IS NULL").Scan(&n)
	return n, err
}

// vendorQueries judge the vendor's ledger by itself; they have the form of findings.run.
func vendorQueries() []query {
	return []query{
		{id: oneDelivery, text: `SELECT 'message ' || key || ' was delivered ' || count(*) || ' times'
			FROM deliveries GROUP BY key HAVING count(*) > 1`},
		{id: oneDelivery, text: `SELECT 'campaign ' || campaign_id || ' wrote to customer ' || customer_id || ' ' || count(*) || ' times'
			FROM deliveries GROUP BY campaign_id, customer_id HAVING count(*) > 1`},
		{id: noGhosts, text: `SELECT 'message ' || key || ' was posted ' || reused || ' times with another body'
			FROM requests WHERE reused > 0`},
	}
}

func (f *findings) runLedger(ctx context.Context, db *sql.DB) error {
	for _, q := range vendorQueries() {
		if err := f.runLedgerQuery(ctx, db, q); err != nil {
			return fmt.Errorf("%s: %w", q.id, err)
		}
	}
	return nil
}

func (f *findings) runLedgerQuery(ctx context.Context, db *sql.DB, q query) error {
	rows, err := db.QueryContext(ctx, q.text)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells.
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		f.add(q.id, "%s", text)
	}
	return rows.Err()
}

// entry is what the vendor knows of one key.
type entry struct {
	key        string
	answers    int
	deliveries []delivery
	receipts   []posted
}

type delivery struct{ request, ref, communication, campaign, customer, bodySHA256 string }

type posted struct {
	id, status string
	confirmed  bool
	copies     int
}

// ledgerStream gives the ledger's entries in the order of their keys.
type ledgerStream struct {
	rows *sql.Rows
	// ahead is the first row of the next entry.
	ahead *ledgerRow
}

type ledgerRow struct {
	key                                      string
	answers                                  int
	request, ref, communication, campaign    sql.NullString
	customer, body, receiptID, receiptStatus sql.NullString
	confirmed                                bool
	copies                                   sql.NullInt64
}

func streamLedger(ctx context.Context, db *sql.DB) (*ledgerStream, error) {
	//nolint:rowserrcheck // advance checks it
	rows, err := db.QueryContext(ctx, `SELECT r.key, r.n, d.rowid, d.vendor_ref, d.communication_id, d.campaign_id,
			d.customer_id, d.body_sha256, v.receipt_id, v.status, v.confirmed_at IS NOT NULL, v.copies_sent
		FROM requests r LEFT JOIN deliveries d ON d.request = r.request LEFT JOIN receipts v ON v.request = r.request
		ORDER BY r.key`)
	if err != nil {
		return nil, fmt.Errorf("read vendor ledger: %w", err)
	}
	s := &ledgerStream{rows: rows}
	return s, s.advance()
}

func (s *ledgerStream) advance() error {
	s.ahead = nil
	if !s.rows.Next() {
		return s.rows.Err()
	}
	var r ledgerRow
	err := s.rows.Scan(&r.key, &r.answers, &r.request, &r.ref, &r.communication, &r.campaign, &r.customer, &r.body,
		&r.receiptID, &r.receiptStatus, &r.confirmed, &r.copies)
	s.ahead = &r
	return err
}

// next gives the next entry, or nil at the end.
func (s *ledgerStream) next() (*entry, error) {
	if s.ahead == nil {
		return nil, nil //nolint:nilnil // the end is not an error
	}
	e := &entry{key: s.ahead.key, answers: s.ahead.answers}
	for s.ahead != nil && s.ahead.key == e.key {
		e.add(s.ahead)
		if err := s.advance(); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// add takes a row of the join; the same delivery or receipt may stand in several.
func (e *entry) add(r *ledgerRow) {
	if r.request.Valid && !e.hasDelivery(r.request.String) {
		e.deliveries = append(e.deliveries, delivery{
			request: r.request.String, ref: r.ref.String, communication: r.communication.String,
			campaign: r.campaign.String, customer: r.customer.String, bodySHA256: r.body.String,
		})
	}
	if r.receiptID.Valid && !e.hasReceipt(r.receiptID.String) {
		e.receipts = append(e.receipts, posted{
			id: r.receiptID.String, status: r.receiptStatus.String, confirmed: r.confirmed, copies: int(r.copies.Int64),
		})
	}
}

func (e *entry) hasDelivery(row string) bool {
	for _, d := range e.deliveries {
		if d.request == row {
			return true
		}
	}
	return false
}

func (e *entry) hasReceipt(id string) bool {
	for _, r := range e.receipts {
		if r.id == id {
			return true
		}
	}
	return false
}
