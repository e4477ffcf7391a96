package bulk

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/errs"
)

// Ledger applies what is staged; see master.Store.
type Ledger interface {
	// ApplyImport applies the next batch of one import that no other process is at, and gives the
	// import's id, uuid.Nil when there is nothing to do. With an error, the id is that of the import
	// that met it.
	ApplyImport(ctx context.Context) (uuid.UUID, error)
	FailImport(ctx context.Context, id uuid.UUID, failure string) error
	// FailSilent fails imports whose upload has given no sign of life for so long, and gives how many.
	FailSilent(ctx context.Context, silence time.Duration, failure string) (int, error)
	// PurgeImports deletes up to limit imports that ended before the given time, and gives how many.
	PurgeImports(ctx context.Context, before time.Time, limit int) (int, error)
}

// Applier makes customers of staged rows. Any number may run at once, in any process: the lock of an
// import's row is the claim, so an applier that dies gives it back at once.
type Applier struct {
	ledger Ledger
	now    func() time.Time
	log    *slog.Logger
	// every is the pause between two looks when there is nothing to do, tidyEvery between two sweeps.
	every, tidyEvery time.Duration
}

const (
	// applyEvery is what a staged batch waits at most for an applier that is idle.
	applyEvery = 100 * time.Millisecond
	// tidyEvery is coarse against silence.
	tidyEvery = 10 * time.Second
	// troubled is the pause after a failure: the database is away.
	troubled = 5 * time.Second
	// keepImports is how long imports are remembered after their end: people look at last month's.
	keepImports = 31 * 24 * time.Hour
	// purgeBatch bounds one deletion, with up to MaxErrors rows an import.
	purgeBatch = 10
)

// NewApplier makes an applier.
func NewApplier(l Ledger, now func() time.Time, log *slog.Logger) *Applier {
	return &Applier{ledger: l, now: now, log: log, every: applyEvery, tidyEvery: tidyEvery}
}

// Run applies until ctx ends.
func (a *Applier) Run(ctx context.Context) error {
	timer := time.NewTimer(a.every)
	defer timer.Stop()
	var tidied time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		pause := a.every
		err := a.applyAll(ctx)
		if now := a.now(); err == nil && now.Sub(tidied) >= a.tidyEvery {
			tidied = now
			err = a.tidy(ctx)
		}
		if err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "imports not applied", "error_code", string(errs.CodeOf(err)), "error", err)
			pause = troubled
		}
		timer.Reset(pause)
	}
}

// applyAll goes on until nothing is staged.
func (a *Applier) applyAll(ctx context.Context) error {
	for ctx.Err() == nil {
		id, err := a.ledger.ApplyImport(ctx)
		switch {
		case err != nil && id != uuid.Nil && !passes(err) && ctx.Err() == nil:
			// What cannot be stored today cannot be stored tomorrow, and must not keep others waiting.
			a.log.ErrorContext(ctx, "import cannot be stored", "import_id", id, "error", err)
			err = a.ledger.FailImport(ctx, id, failedStore)
		case err == nil && id == uuid.Nil:
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *Applier) tidy(ctx context.Context) error {
	n, err := a.ledger.FailSilent(ctx, silence, failedUpload)
	if err != nil {
		return err
	}
	if n > 0 {
		a.log.WarnContext(ctx, "imports failed whose upload was cut off", "imports", n)
	}
	_, err = a.ledger.PurgeImports(ctx, a.now().Add(-keepImports), purgeBatch)
	return err
}
