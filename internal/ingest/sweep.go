package ingest

import (
	"context"
	"log/slog"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
)

// WaitingRoom holds the orders whose customer is not known yet; see master.Store.
type WaitingRoom interface {
	ApplyWaiting(ctx context.Context, limit int) (int, error)
	ParkExpired(ctx context.Context, before time.Time, limit int) (int, error)
}

// Sweeper counts waiting orders once their customer is there, and parks those whose customer does not
// come. Several may run at once.
type Sweeper struct {
	room WaitingRoom
	now  func() time.Time
	log  *slog.Logger
}

// NewSweeper makes a sweeper.
func NewSweeper(r WaitingRoom, now func() time.Time, log *slog.Logger) *Sweeper {
	return &Sweeper{room: r, now: now, log: log}
}

const (
	// sweepEvery is what an order loses that overtook its customer.
	sweepEvery = 500 * time.Millisecond
	// sweepBatch bounds one transaction.
	sweepBatch = 200
	// maxWait is how long an order waits for its customer: a day covers a bulk import that is done in
	// the wrong order, and an outage.
	maxWait = 24 * time.Hour
	// troubled is the pause after a failure: the database is away.
	troubled = 5 * time.Second
)

// Run sweeps until ctx ends.
func (s *Sweeper) Run(ctx context.Context) error {
	timer := time.NewTimer(sweepEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		pause := sweepEvery
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "waiting orders not swept", "error_code", string(errs.CodeOf(err)), "error", err)
			pause = troubled
		}
		timer.Reset(pause)
	}
}

// sweep goes on until nothing moves any more.
func (s *Sweeper) sweep(ctx context.Context) error {
	for ctx.Err() == nil {
		n, err := s.room.ApplyWaiting(ctx, sweepBatch)
		if err != nil {
			return err
		}
		if n < sweepBatch {
			break
		}
	}
	n, err := s.room.ParkExpired(ctx, s.now().Add(-maxWait), sweepBatch)
	if n > 0 && err == nil {
		s.log.WarnContext(ctx, "orders parked whose customer has not come", "orders", n)
	}
	return err
}
