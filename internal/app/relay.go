package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/xencrm/xencrm/db/business"
	"github.com/xencrm/xencrm/db/master"
	"github.com/xencrm/xencrm/internal/config"
	"github.com/xencrm/xencrm/internal/engine"
	"github.com/xencrm/xencrm/internal/outbox"
	"github.com/xencrm/xencrm/internal/rabbit"
	"github.com/xencrm/xencrm/internal/runner"
)

// Relay publishes the outbox and starts postponed campaigns until ctx ends.
func Relay(ctx context.Context, cfg config.Relay, log *slog.Logger) error {
	r := newRole("relay", log)
	defer r.close()
	masterPool, err := r.open(ctx, masterSchema(cfg.MasterURL))
	if err != nil {
		return err
	}
	businessPool, err := r.open(ctx, businessSchema(cfg.BusinessURL))
	if err != nil {
		return err
	}
	temporal, err := r.dial(cfg.Temporal)
	if err != nil {
		return err
	}
	publisher, err := rabbit.NewPublisher(rabbit.PublisherConfig{URL: cfg.RabbitURL, Name: "xencrm-relay", Log: log})
	if err != nil {
		return err
	}
	customers := master.New(masterPool)
	relay := outbox.New(customers, publisher, outbox.Options{Now: time.Now, Log: log})
	starter := engine.NewStarter(engine.New(temporal), business.New(businessPool), log)
	log.InfoContext(ctx, "ready")
	return runner.Run(ctx,
		runner.Service{Name: "publisher", Run: publisher.Run},
		runner.Service{Name: "outbox", Run: relay.Run},
		runner.Service{Name: "starter", Run: starter.Run},
	)
}
