package app

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/xencrm/xencrm/api"
	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/bulk"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/config"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/rabbit"
	"github.com/xencrm/xencrm/internal/receipts"
	"github.com/xencrm/xencrm/internal/runner"
)

// API serves the REST door until ctx ends.
func API(ctx context.Context, cfg config.API, log *slog.Logger) error {
	r := newRole("api", log)
	defer r.close()
	on, err := r.connect(ctx, cfg.Master, cfg.Business, cfg.Temporal)
	if err != nil {
		return err
	}
	publisher, err := rabbit.NewPublisher(rabbit.PublisherConfig{URL: cfg.RabbitURL, Name: "xencrm-api", Log: log})
	if err != nil {
		return err
	}
	who, err := access(cfg, on.business)
	if err != nil {
		return err
	}
	sender, err := testSender(cfg)
	if err != nil {
		return err
	}
	links := campaign.NewLinks(cfg.LinkBase(), cfg.LinkKey())
	segments := campaign.NewSegments(on.business, on.business)
	records := customer.NewRecords(on.customers, on.customers)
	campaigns := campaignService(on, segments, links, cfg.FanOut, log)
	deps := api.Deps{
		Customers:    customer.NewService(publisher, on.customers, time.Now, log),
		Records:      records,
		Imports:      bulk.NewService(on.customers, on.customers, log),
		Orders:       records,
		Suppressions: campaign.NewSuppressions(on.business, links),
		Segments:     segments,
		Campaigns:    campaigns,
		Schedules:    campaign.NewSchedules(on.business, campaigns, on.engine, log),
		TestSends:    campaign.NewTests(on.business, sender, links.Example()),
		Ledger:       campaign.NewLedger(on.business),
		Dashboard:    on.business,
		Receipts:     receipts.NewPublisher(publisher, time.Now),
		Repeats:      on.business,
		Keys:         auth.NewKeyAdmin(on.business, time.Now),
		AuditLog:     auth.NewAuditLog(on.business),
		Audit:        on.business,
		Access:       who,
		Readiness: map[string]func(context.Context) error{
			"master_database": on.customers.Ping, "business_database": on.business.Ping, "temporal": on.engine.Ping,
			"rabbitmq": func(context.Context) error { return publisher.Ready() },
		},
		WebhookSecret: cfg.Secret(), Logger: log, Version: version(), Now: time.Now,
	}
	if err := deps.Validate(); err != nil {
		return err
	}
	if deps.MCP, err = mcpDoor(cfg, deps, on, campaigns); err != nil {
		return err
	}
	front := []runner.Service{
		serve(api.NewServer(cfg.Listen, api.New(deps)), log),
		{Name: "imports", Run: bulk.NewApplier(on.customers, time.Now, log).Run},
	}
	// The publisher outlives the server: requests under way at a stop still need it.
	return runner.Behind(ctx, runner.Service{Name: "publisher", Run: publisher.Run},
		runner.Service{Name: "front", Run: func(ctx context.Context) error { return runner.Run(ctx, front...) }})
}

// campaignService makes the service for campaigns, as every role has it that makes some.
func campaignService(
	on backend, segments *campaign.Segments, links campaign.Links, f config.FanOut, log *slog.Logger,
) *campaign.Service {
	return campaign.NewService(campaign.Deps{
		Store: on.business, Segments: segments, Audience: on.business, Engine: on.engine, Now: time.Now, Log: log,
		Rehearser: on.business, ExampleLink: links.Example(), PagedAbove: f.PagedAbove,
	})
}

// version is the module's version, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version
}
