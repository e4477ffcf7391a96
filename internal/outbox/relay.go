// Package outbox publishes what the master database's transactions have left to be told. The relay
// runs in any number of processes at once; none of them leads.
//
// An event leaves at least once and in no certain order: consumers tell repeats by its id, and newer
// from older by its version.
package outbox

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/xencrm/xencrm/internal/event"
)

// Store hands out unpublished events; see master.Store.
type Store interface {
	Relay(ctx context.Context, limit int, publish func(context.Context, []event.Message) []error) (claimed, published int, err error)
	PurgeOutbox(ctx context.Context, before time.Time, limit int) (int, error)
	PurgeInbox(ctx context.Context, before time.Time, limit int) (int, error)
	OutboxBacklog(ctx context.Context) (waiting, parked int, oldest time.Time, err error)
}

// Publisher publishes messages and gives one result each; nil means that the broker has it safe.
type Publisher interface {
	PublishBatch(ctx context.Context, ms []event.Message) []error
}

// Options tunes a relay.
type Options struct {
	// Batch is the most events in one transaction; 200 when 0. Confirms come back together, so a larger
	// batch gains little, and its rows are locked for longer.
	Batch int
	// Idle is the pause when nothing waits; 100 ms when 0: a projection that old is still fresh to a
	// person, and ten empty index look-ups a second cost nothing.
	Idle time.Duration
	// KeepPublished is how long published events are kept for questions; 7 days when 0.
	KeepPublished time.Duration
	// KeepInbox is how long handled messages are remembered; 30 days when 0. No copy may come later.
	KeepInbox time.Duration
	Log       *slog.Logger
	// Now gives the time against which rows are old.
	Now func() time.Time
}

// ApplyDefaults fills in what was left zero.
func (o *Options) ApplyDefaults() {
	const day = 24 * time.Hour
	if o.Batch == 0 {
		o.Batch = 200
	}
	if o.Idle == 0 {
		o.Idle = 100 * time.Millisecond
	}
	if o.KeepPublished == 0 {
		o.KeepPublished = 7 * day
	}
	if o.KeepInbox == 0 {
		o.KeepInbox = 30 * day
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Relay moves events from the store to the broker.
type Relay struct {
	store     Store
	publisher Publisher
	opt       Options
}

// New makes a relay.
func New(s Store, p Publisher, o Options) *Relay {
	o.ApplyDefaults()
	return &Relay{store: s, publisher: p, opt: o}
}

const (
	pauseMin, pauseMax = 100 * time.Millisecond, 5 * time.Second
	// batchTimeout bounds one batch: the publisher's own deadline, and a statement before and after.
	batchTimeout = 20 * time.Second
	// purgeEvery is short, so that each round has little to do; the tables stay flat.
	purgeEvery = 10 * time.Minute
	// purgeBatch bounds how long one statement of the purge holds its locks.
	purgeBatch = 5000
	// reportAfter is how old the oldest event may be before it is worth a warning.
	reportAfter = time.Minute
)

// Run relays until ctx ends; the batch in progress is finished, which the publisher's deadline bounds.
func (r *Relay) Run(ctx context.Context) error {
	next := r.opt.Now().Add(time.Duration(rand.Int64N(int64(purgeEvery))))
	failed := pauseMin
	for ctx.Err() == nil {
		claimed, published, err := r.once(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // we were told to stop; what was not relayed is still there
		case err != nil || published < claimed:
			r.complain(ctx, claimed-published, err)
			wait(ctx, failed)
			failed = min(2*failed, pauseMax)
		case claimed == 0:
			failed = pauseMin
			wait(ctx, r.opt.Idle)
		default:
			failed = pauseMin // more may be waiting: look again at once
		}
		if now := r.opt.Now(); now.After(next) {
			r.Tidy(ctx)
			next = now.Add(purgeEvery)
		}
	}
	return nil
}

// once relays one batch. A stop lets it finish: what is confirmed is worth marking.
func (r *Relay) once(ctx context.Context) (claimed, published int, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), batchTimeout)
	defer cancel()
	return r.store.Relay(ctx, r.opt.Batch, r.publisher.PublishBatch)
}

func (r *Relay) complain(ctx context.Context, left int, err error) {
	if err != nil {
		r.opt.Log.WarnContext(ctx, "outbox not relayed", "error", err)
		return
	}
	r.opt.Log.WarnContext(ctx, "events not published, will be tried again", "events", left)
}

// Tidy deletes what is old and warns of what is stuck. Run calls it now and then.
func (r *Relay) Tidy(ctx context.Context) {
	now := r.opt.Now()
	r.purge(ctx, "outbox", now.Add(-r.opt.KeepPublished), r.store.PurgeOutbox)
	r.purge(ctx, "inbox", now.Add(-r.opt.KeepInbox), r.store.PurgeInbox)
	waiting, parked, oldest, err := r.store.OutboxBacklog(ctx)
	if err == nil && (parked > 0 || waiting > 0 && now.Sub(oldest) > reportAfter) {
		r.opt.Log.WarnContext(ctx, "outbox has a backlog", "waiting", waiting, "parked", parked, "oldest", oldest)
	}
}

func (r *Relay) purge(ctx context.Context, table string, before time.Time, purge func(context.Context, time.Time, int) (int, error)) {
	for ctx.Err() == nil {
		n, err := purge(ctx, before, purgeBatch)
		if err != nil {
			r.opt.Log.WarnContext(ctx, "table not purged", "table", table, "error", err)
			return
		}
		if n < purgeBatch {
			return
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
