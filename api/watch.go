package api

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
)

const (
	// maxViewers bounds the streams of a process: each holds a connection and some 50 KB. A browser allows
	// itself six to one host, so this is a floor of people at their desks.
	maxViewers = 200
	// watchPeriod is how often a campaign that somebody watches is read. The workflow's own view of the
	// books is no newer than a second either.
	watchPeriod = time.Second
	// watchRead is how long one reading may take; it is a row by its key.
	watchRead = 5 * time.Second
)

// snapshot is what viewers of a campaign are told.
type snapshot struct {
	status campaign.Status
	totals campaign.Totals
}

func snapshotOf(c campaign.Campaign) snapshot {
	s := snapshot{status: c.Status}
	if c.Stats != nil {
		s.totals = c.Stats.Totals
	}
	return s
}

// watches reads each campaign that somebody watches once a second, for however many do.
type watches struct {
	read func(context.Context, uuid.UUID) (campaign.Campaign, error)
	log  *slog.Logger

	mu      sync.Mutex
	viewers int
	feeds   map[uuid.UUID]*feed
}

func newWatches(read func(context.Context, uuid.UUID) (campaign.Campaign, error), log *slog.Logger) *watches {
	return &watches{read: read, log: log, feeds: map[uuid.UUID]*feed{}}
}

// feed is one campaign that is watched. watches.mu guards it.
type feed struct {
	latest  snapshot
	viewers map[*viewer]struct{}
	stop    context.CancelFunc
}

// viewer is one who watches. Whoever joins must leave.
type viewer struct {
	of *watches
	id uuid.UUID
	in *feed
	// news holds one token while there is something that the viewer has not looked at.
	news chan struct{}
}

// join takes a place and gives it back if the campaign cannot be watched. It gives errs.Unavailable when
// all places are taken.
func (w *watches) join(ctx context.Context, id uuid.UUID) (*viewer, error) {
	v := &viewer{of: w, id: id, news: make(chan struct{}, 1)}
	v.news <- struct{}{} // how it stands now
	w.mu.Lock()
	if w.viewers >= maxViewers {
		w.mu.Unlock()
		return nil, errs.Errorf(errs.Unavailable,
			"%d streams are open, which is the most that this server serves; try again, or ask /progress now and then", maxViewers)
	}
	w.viewers++
	running := w.feeds[id] != nil
	if running {
		w.admit(v)
	}
	w.mu.Unlock()
	if running {
		return v, nil
	}
	return v, w.begin(ctx, v)
}

// begin reads a campaign that nobody watches yet, outside of the lock, and admits its first viewer.
func (w *watches) begin(ctx context.Context, v *viewer) error {
	ctx, cancel := context.WithTimeout(ctx, watchRead)
	defer cancel()
	c, err := w.read(ctx, v.id)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.viewers--
		return err
	}
	if w.feeds[v.id] == nil { // another first viewer may have been faster
		life, stop := context.WithCancel(context.WithoutCancel(ctx)) // the feed outlives whoever opened it
		f := &feed{latest: snapshotOf(c), viewers: map[*viewer]struct{}{}, stop: stop}
		w.feeds[v.id] = f
		go w.poll(life, v.id, f)
	}
	w.admit(v)
	return nil
}

// admit is called with the lock held.
func (w *watches) admit(v *viewer) {
	v.in = w.feeds[v.id]
	v.in.viewers[v] = struct{}{}
}

// leave gives the place back; the last one out ends the feed.
func (v *viewer) leave() {
	w := v.of
	w.mu.Lock()
	defer w.mu.Unlock()
	w.viewers--
	delete(v.in.viewers, v)
	if len(v.in.viewers) == 0 {
		v.in.stop()
		delete(w.feeds, v.id)
	}
}

// latest is how the campaign stands.
func (v *viewer) latest() snapshot {
	v.of.mu.Lock()
	defer v.of.mu.Unlock()
	return v.in.latest
}

func (w *watches) poll(ctx context.Context, id uuid.UUID, f *feed) {
	tick := time.NewTicker(watchPeriod)
	defer tick.Stop()
	healthy := true
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := w.look(ctx, id, f)
		if err != nil && healthy && ctx.Err() == nil {
			// Once an outage; the streams stay open and go on when the database is back.
			w.log.WarnContext(ctx, "watched campaign cannot be read", "campaign_id", id, "error", err)
		}
		healthy = err == nil
	}
}

// look reads the campaign and tells the viewers if something is new.
func (w *watches) look(ctx context.Context, id uuid.UUID, f *feed) error {
	ctx, cancel := context.WithTimeout(ctx, watchRead)
	defer cancel()
	c, err := w.read(ctx, id)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := snapshotOf(c)
	if now == f.latest {
		return nil
	}
	f.latest = now
	for v := range f.viewers {
		select {
		case v.news <- struct{}{}:
		default: // it has not looked at the last news; it will see this with them
		}
	}
	return nil
}
