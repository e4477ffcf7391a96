package engine

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/failpoint"
)

const (
	// starterAge leaves a new campaign to the request that made it.
	starterAge = 5 * time.Second
	// starterEvery is how soon a campaign starts after Temporal is back.
	starterEvery = 2 * time.Second
	// starterBatch bounds one look; the rest comes with the next.
	starterBatch = 100
)

// StartStore is what the starter reads and writes.
type StartStore interface {
	Unstarted(ctx context.Context, age time.Duration, limit int) ([]campaign.Campaign, error)
	ConfirmStart(ctx context.Context, id uuid.UUID, round int) error
}

// Starter starts the campaigns whose start is not confirmed: Temporal was away when they were
// launched, or a process died between the commit and the start. Any number may run: a start that is
// repeated changes nothing.
type Starter struct {
	engine campaign.Engine
	store  StartStore
	log    *slog.Logger
}

// NewStarter makes a starter.
func NewStarter(e campaign.Engine, s StartStore, log *slog.Logger) *Starter {
	return &Starter{engine: e, store: s, log: log}
}

// Run looks until the context ends.
func (s *Starter) Run(ctx context.Context) error {
	return every(ctx, s.log, "start unstarted campaigns", s.RunOnce)
}

// every does something now and again until the context ends; what fails is tried again at the next turn.
func every(ctx context.Context, log *slog.Logger, task string, once func(context.Context) error) error {
	ticker := time.NewTicker(starterEvery)
	defer ticker.Stop()
	for {
		if err := once(ctx); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "not done yet, trying again", "task", task, "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// RunOnce starts what is unstarted now.
func (s *Starter) RunOnce(ctx context.Context) error {
	campaigns, err := s.store.Unstarted(ctx, starterAge, starterBatch)
	if err != nil {
		return err
	}
	for _, c := range campaigns {
		failpoint.Hit(failpoint.StarterBeforeStart)
		if err := s.engine.Start(ctx, c); err != nil {
			return err
		}
		failpoint.Hit(failpoint.StarterAfterStart)
		if err := s.store.ConfirmStart(ctx, c.ID, c.Round); err != nil {
			return err
		}
		s.log.InfoContext(ctx, "campaign started late", "campaign_id", c.ID, "round", c.Round)
	}
	return nil
}
