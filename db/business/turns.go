package business

import (
	"context"
	"errors"
	"time"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/internal/businesssql"
	"github.com/xencrm/xencrm/internal/batch"
	"github.com/xencrm/xencrm/internal/errs"
)

const (
	// turnsLinger is how long the first send waits for others to take turns with it: a commit for each would
	// be a thousand a second where the vendor takes as many. The pace makes them wait anyway.
	turnsLinger = 10 * time.Millisecond
	// turnsMax bounds how far the last of them lies behind the first.
	turnsMax = 100
	// turnsCatchUp is what is made up for after nothing was sent for a while: a fortieth of ten seconds.
	turnsCatchUp = 250 * time.Millisecond
	// turnsAhead is how far ahead turns are given. Temporal hands out a second's worth at most beyond the rate;
	// a send that had to wait for longer would run out of its time.
	turnsAhead = 2 * time.Second
)

// Turns spaces the sends of all workers: each gets the moment at which it may post, so that over any ten seconds
// no more go out than the vendor's rate allows. Temporal's own limit, which hands the sends out, lets a second's
// worth through at once after a standstill.
type Turns struct {
	store *Store
	gap   time.Duration
	group *batch.Group[struct{}, time.Time]
}

// NewTurns makes turns for a number of sends a second, which is to be the same in all workers; Close it before
// the pool.
func NewTurns(s *Store, perSecond float64) *Turns {
	t := &Turns{store: s, gap: time.Duration(float64(time.Second) / perSecond)}
	t.group = batch.New(batch.Options{MaxSize: turnsMax, Linger: turnsLinger}, t.flush)
	return t
}

// Take gives the moment of the next turn, by this process's clock: some seconds ahead at most. A turn that is
// taken and not used is lost, which is harmless.
func (t *Turns) Take(ctx context.Context) (time.Time, error) {
	at, err := t.group.Do(ctx, struct{}{})
	if err != nil && (ctx.Err() != nil || errors.Is(err, batch.ErrClosed)) {
		err = errs.Wrap(errs.Unavailable, err, "no turn was taken")
	}
	return at, err
}

// Close waits for those that are being taken.
func (t *Turns) Close() { t.group.Close() }

func (t *Turns) flush(ctx context.Context, takers []struct{}) ([]time.Time, error) {
	away, err := t.store.q.TakeTurns(ctx, businesssql.TakeTurnsParams{
		CatchUp: turnsCatchUp.Seconds(), MostAhead: turnsAhead.Seconds(), Taken: t.gap.Seconds() * float64(len(takers)),
	})
	if err != nil {
		return nil, db.Translate(err)
	}
	// By the distance and not by the moment: the database's clock may be another.
	first := time.Now().Add(time.Duration(away * float64(time.Second)))
	out := make([]time.Time, len(takers))
	for i := range out {
		out[i] = first.Add(time.Duration(i) * t.gap)
	}
	return out, nil
}
