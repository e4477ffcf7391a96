package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/xencrm/xencrm/internal/config"
	"github.com/xencrm/xencrm/internal/engine"
	"github.com/xencrm/xencrm/internal/outbox"
	"github.com/xencrm/xencrm/internal/rabbit"
	"github.com/xencrm/xencrm/internal/runner"
)

// Relay publishes the outbox, starts postponed campaigns and keeps schedules in line until ctx ends.
func Relay(ctx context.Context, cfg config.Relay, log *slog.Logger) error {
	r := newRole("relay", log)
	defer r.close()
	on, err := r.connect(ctx, cfg.Master, cfg.Business, cfg.Temporal)
	if err != nil {
		return err
	}
	publisher, err := rabbit.NewPublisher(rabbit.PublisherConfig{URL: cfg.RabbitURL, Name: "xencrm-relay", Log: log})
	if err != nil {
		return err
	}
	relay := outbox.New(on.customers, publisher, outbox.Options{Now: time.Now, Log: log})
	starter := engine.NewStarter(on.engine, on.business, log)
	log.InfoContext(ctx, "ready")
	return runner.Run(ctx,
		runner.Service{Name: "publisher", Run: publisher.Run},
		runner.Service{Name: "outbox", Run: relay.Run},
		runner.Service{Name: "starter", Run: starter.Run},
		runner.Service{Name: "syncer", Run: engine.NewSyncer(on.engine, on.business, log).Run},
	)
}
