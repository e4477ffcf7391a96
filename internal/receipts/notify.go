package receipts

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/failpoint"
)

const (
	// notifyEvery is the least time between two signals to one campaign.
	notifyEvery = time.Second
	// progressSteps is about how many signals one campaign gets in all, whatever its size: at four
	// events a signal they stay under half of a run's history.
	progressSteps = 500
	// notifyTimeout bounds one signal; Temporal being away must not hold up the others for long.
	notifyTimeout = 3 * time.Second
	// notifyIdle is when a small remainder is told although it is less than a step.
	notifyIdle = 10 * time.Second
)

// Signaller signals one campaign's workflow.
type Signaller interface {
	Notify(ctx context.Context, id uuid.UUID, round int, t campaign.Totals) error
}

// Rounds gives the current round of a campaign.
type Rounds interface {
	Round(ctx context.Context, id uuid.UUID) (int, error)
}

// Coalescer tells campaigns their newest totals, at most once a second each. Signals are hints: what
// it forgets in a crash the workflow reads for itself.
type Coalescer struct {
	signal Signaller
	rounds Rounds
	log    *slog.Logger

	mu    sync.Mutex
	known map[uuid.UUID]*pending
	// settled wakes Run when a campaign has nothing left to wait for: its workflow is told at once.
	settled chan struct{}
}

type pending struct {
	newest campaign.Totals
	told   campaign.Totals
	toldAt time.Time
}

// NewCoalescer makes a coalescer; it signals only while Run runs.
func NewCoalescer(s Signaller, r Rounds, log *slog.Logger) *Coalescer {
	return &Coalescer{signal: s, rounds: r, log: log, known: map[uuid.UUID]*pending{}, settled: make(chan struct{}, 1)}
}

// Offer takes the newest books of a campaign.
func (c *Coalescer) Offer(id uuid.UUID, t campaign.Totals) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.known[id]
	if p == nil {
		p = &pending{}
		c.known[id] = p
	}
	p.newest = p.newest.Newer(t)
	if p.newest.Settled() {
		select {
		case c.settled <- struct{}{}:
		default: // it is awake already
		}
	}
}

// Run signals until the context ends.
func (c *Coalescer) Run(ctx context.Context) error {
	ticker := time.NewTicker(notifyEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.settled:
		case <-ticker.C:
		}
		c.flush(ctx, time.Now())
	}
}

func (c *Coalescer) flush(ctx context.Context, now time.Time) {
	for id, t := range c.due(now) {
		if err := c.tell(ctx, id, t); err != nil {
			c.log.WarnContext(ctx, "campaign not told of its receipts", "campaign_id", id, "error", err)
			continue
		}
		c.told(id, t, now)
	}
}

func (c *Coalescer) tell(ctx context.Context, id uuid.UUID, t campaign.Totals) error {
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	round, err := c.rounds.Round(ctx, id)
	if err != nil {
		return err
	}
	failpoint.Hit(failpoint.NudgeBefore)
	if err := c.signal.Notify(ctx, id, round, t); err != nil {
		return err
	}
	return failpoint.Err(failpoint.NudgeAfter)
}

// due gives the campaigns that have moved by a step, have settled, or have waited long enough.
func (c *Coalescer) due(now time.Time) map[uuid.UUID]campaign.Totals {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[uuid.UUID]campaign.Totals{}
	for id, p := range c.known {
		step := max(1, p.newest.Audience/progressSteps)
		switch {
		case p.newest.Revision == p.told.Revision:
			if now.Sub(p.toldAt) > time.Hour {
				delete(c.known, id) // an ended campaign; a late receipt brings it back
			}
		case p.newest.Settled():
			out[id] = p.newest
		case now.Sub(p.toldAt) < notifyEvery: // woken for another campaign
		case p.newest.Done()-p.told.Done() >= step, now.Sub(p.toldAt) >= notifyIdle:
			out[id] = p.newest
		}
	}
	return out
}

func (c *Coalescer) told(id uuid.UUID, t campaign.Totals, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.known[id]; p != nil {
		p.told, p.toldAt = t, now
	}
}
