package app

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/xencrm/xencrm/api"
	"github.com/xencrm/xencrm/db/business"
	"github.com/xencrm/xencrm/db/master"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/config"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/engine"
	"github.com/xencrm/xencrm/internal/rabbit"
	"github.com/xencrm/xencrm/internal/receipts"
	"github.com/xencrm/xencrm/internal/runner"
)

// API serves the REST door until ctx ends.
func API(ctx context.Context, cfg config.API, log *slog.Logger) error {
	r := newRole("api", log)
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
	publisher, err := rabbit.NewPublisher(rabbit.PublisherConfig{URL: cfg.RabbitURL, Name: "xencrm-api", Log: log})
	if err != nil {
		return err
	}
	customers, store, eng := master.New(masterPool), business.New(businessPool), engine.New(temporal)
	segments := campaign.NewSegments(store, store)
	deps := api.Deps{
		Customers: customer.NewService(publisher, customers, time.Now, log),
		Segments:  segments,
		Campaigns: campaign.NewService(campaign.Deps{
			Store: store, Segments: segments, Audience: store, Engine: eng, Now: time.Now, Log: log,
		}),
		Dashboard: store,
		Receipts:  receipts.NewPublisher(publisher, time.Now),
		Readiness: map[string]func(context.Context) error{
			"master_database": customers.Ping, "business_database": store.Ping, "temporal": eng.Ping,
			"rabbitmq": func(context.Context) error { return publisher.Ready() },
		},
		WebhookSecret: cfg.Secret(), Logger: log, Version: version(), Now: time.Now,
	}
	if err := deps.Validate(); err != nil {
		return err
	}
	// The publisher outlives the server: requests under way at a stop still need it.
	return runner.Behind(ctx, runner.Service{Name: "publisher", Run: publisher.Run},
		serve(api.NewServer(cfg.Listen, api.New(deps)), log))
}

// version is the module's version, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version
}
