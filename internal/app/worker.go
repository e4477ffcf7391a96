package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/xencrm/xencrm/activities"
	"github.com/xencrm/xencrm/db/business"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/config"
	"github.com/xencrm/xencrm/internal/engine"
	"github.com/xencrm/xencrm/internal/runner"
	"github.com/xencrm/xencrm/internal/vendors/httpvendor"
	"github.com/xencrm/xencrm/worker"
)

// Worker runs campaign workflows and sends until ctx ends; sends under way are finished first.
func Worker(ctx context.Context, cfg config.Worker, log *slog.Logger) error {
	r := newRole("worker", log)
	defer r.close()
	s := businessSchema(cfg.BusinessURL)
	s.conns = cfg.DBConns
	pool, err := r.open(ctx, s)
	if err != nil {
		return err
	}
	temporal, err := r.dial(cfg.Temporal)
	if err != nil {
		return err
	}
	vendor, err := httpvendor.New(httpvendor.Config{
		BaseURL: cfg.VendorURL, Token: cfg.VendorToken, Timeout: cfg.VendorTimeout, MaxIdleConns: cfg.MaxSends,
	})
	if err != nil {
		return err
	}
	store := business.New(pool)
	answers := business.NewRecorder(store)
	r.onClose(answers.Close)
	messages := business.NewReader(store)
	r.onClose(messages.Close)
	links := campaign.NewLinks(cfg.LinkBase(), cfg.LinkKey())
	on := backend{business: store, engine: engine.New(temporal)}
	campaigns := campaignService(on, campaign.NewSegments(store, store), links, cfg.FanOut, log)
	deps := activities.Deps{
		Occurrences:    campaign.NewSchedules(store, campaigns, on.engine, log),
		UnsubscribeURL: links.Unsubscribe,
		Audience:       store, Messages: messages, Answers: answers, Books: store, Vendor: vendor, Now: time.Now, Log: log,
		PagedAbove: cfg.PagedAbove, PageSize: cfg.PageSize, MaxPosts: cfg.MaxSends,
	}
	if cfg.VendorRate > 0 {
		turns := business.NewTurns(store, cfg.VendorRate)
		r.onClose(turns.Close)
		deps.Turns = turns
	}
	acts := activities.New(deps)
	w := worker.New(temporal, acts, worker.Options{MaxSends: cfg.MaxSends, VendorRate: cfg.VendorRate})
	always := func(error) bool { return ctx.Err() == nil }
	if err := runner.Retry(ctx, log, "Temporal", always, func(context.Context) error { return w.Start() }); err != nil {
		return err
	}
	log.InfoContext(ctx, "ready", "task_queue", "campaigns", "max_sends", cfg.MaxSends)
	<-ctx.Done()
	w.Stop()
	return nil
}
