package business

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/internal/businesssql"
	"github.com/xencrm/xencrm/internal/idempotency"
)

// purgedKeys is how many old keys each claim removes: more than the one it adds, so they cannot pile up.
const purgedKeys = 10

// Claim takes the key or gives the answer that is kept under it; see idempotency.Store.
func (s *Store) Claim(ctx context.Context, r idempotency.Request) (*idempotency.Answer, error) {
	var answer *idempotency.Answer
	err := s.inTx(ctx, func(_ pgx.Tx, q *businesssql.Queries) error {
		answer = nil
		claimed, err := q.ClaimIdempotencyKey(ctx, businesssql.ClaimIdempotencyKeyParams{
			Owner: r.Owner, Key: r.Key, Fingerprint: r.Fingerprint[:],
			Lease: interval(idempotency.Lease), Keep: interval(idempotency.Keep),
		})
		if err != nil {
			return err
		}
		if len(claimed) > 0 {
			return q.PurgeIdempotencyKeys(ctx, businesssql.PurgeIdempotencyKeysParams{Keep: interval(idempotency.Keep), N: purgedKeys})
		}
		answer, err = keptAnswer(ctx, q, r)
		return err
	})
	return answer, err
}

func keptAnswer(ctx context.Context, q *businesssql.Queries, r idempotency.Request) (*idempotency.Answer, error) {
	rows, err := q.GetIdempotencyKey(ctx, businesssql.GetIdempotencyKeyParams{Owner: r.Owner, Key: r.Key})
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 { // released a moment ago
		return nil, idempotency.ErrRunning
	}
	row := rows[0]
	if string(row.Fingerprint) != string(r.Fingerprint[:]) {
		return nil, idempotency.ErrOther
	}
	if row.Status == nil {
		return nil, idempotency.ErrRunning
	}
	out := &idempotency.Answer{Status: int(*row.Status), Body: row.Body}
	if err := json.Unmarshal(row.Header, &out.Header); err != nil {
		return nil, fmt.Errorf("read the header of a kept answer: %w", err)
	}
	return out, nil
}

// Renew takes the key of a request for longer; see idempotency.Store.
func (s *Store) Renew(ctx context.Context, r idempotency.Request) error {
	return db.Translate(s.q.RenewIdempotencyKey(ctx, businesssql.RenewIdempotencyKeyParams{
		Owner: r.Owner, Key: r.Key, Fingerprint: r.Fingerprint[:], Lease: interval(idempotency.Lease),
	}))
}

// Settle keeps the answer of a request; see idempotency.Store.
func (s *Store) Settle(ctx context.Context, r idempotency.Request, a idempotency.Answer) error {
	header, err := json.Marshal(a.Header)
	if err != nil {
		return fmt.Errorf("encode the header of an answer: %w", err)
	}
	body := a.Body
	if body == nil {
		body = []byte{}
	}
	return db.Translate(s.q.SettleIdempotencyKey(ctx, businesssql.SettleIdempotencyKeyParams{
		Owner: r.Owner, Key: r.Key, Fingerprint: r.Fingerprint[:], Header: header, Body: body,
		Status: int16(a.Status), //nolint:gosec // an HTTP status has three digits
	}))
}

// Release gives the key of a request back; see idempotency.Store.
func (s *Store) Release(ctx context.Context, r idempotency.Request) error {
	return db.Translate(s.q.ReleaseIdempotencyKey(ctx, businesssql.ReleaseIdempotencyKeyParams{
		Owner: r.Owner, Key: r.Key, Fingerprint: r.Fingerprint[:],
	}))
}

func interval(d time.Duration) pgtype.Interval {
	return pgtype.Interval{Microseconds: d.Microseconds(), Valid: true}
}
