package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/xencrm/xencrm/internal/config"
	"github.com/xencrm/xencrm/internal/event"
	"github.com/xencrm/xencrm/internal/ingest"
	"github.com/xencrm/xencrm/internal/projection"
	"github.com/xencrm/xencrm/internal/rabbit"
	"github.com/xencrm/xencrm/internal/receipts"
	"github.com/xencrm/xencrm/internal/runner"
)

// receiptBatch is how many messages one transaction takes in: at up to 100 receipts each, more would
// hold row locks for longer than a send should wait.
const receiptBatch = 20

// Consumer consumes every queue until ctx ends.
func Consumer(ctx context.Context, cfg config.Consumer, log *slog.Logger) error {
	r := newRole("consumer", log)
	defer r.close()
	on, err := r.connect(ctx, cfg.Master, cfg.Business, cfg.Temporal)
	if err != nil {
		return err
	}
	customers, store := on.customers, on.business
	notifier := receipts.NewCoalescer(on.engine, store, log)
	posted := ingest.NewHandler(customers, time.Now)
	services := []runner.Service{
		{Name: "notifier", Run: notifier.Run},
		{Name: "sweeper", Run: ingest.NewSweeper(customers, time.Now, log).Run},
	}
	for _, c := range []rabbit.ConsumerConfig{
		{Queue: event.QueueCustomers, Handle: posted.Customers, Quarantine: customers, Ready: customers.Ping},
		{Queue: event.QueueOrders, Handle: posted.Orders, Quarantine: customers, Ready: customers.Ping},
		{Queue: event.QueueCustomersMV, Handle: projection.NewHandler(store).Handle, Quarantine: store, Ready: store.Ping},
		{
			Queue: event.QueueReceipts, Quarantine: store, Ready: store.Ping, MaxBatch: receiptBatch,
			Handle: receipts.NewHandler(store, store, notifier, time.Now).Handle,
		},
	} {
		c.URL, c.Name, c.Log = cfg.RabbitURL, "xencrm-consumer", log
		consumer, err := rabbit.NewConsumer(c)
		if err != nil {
			return err
		}
		services = append(services, runner.Service{Name: c.Queue, Run: consumer.Run})
	}
	log.InfoContext(ctx, "ready")
	return runner.Run(ctx, services...)
}
