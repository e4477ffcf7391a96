package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/xencrm/xencrm/internal/event"
)

// deletions are what an operator's slip removes from the broker. A queue goes while it is empty:
// messages that were confirmed into it would be lost with it, which no client can prevent.
func deletions() []fault {
	var all []fault
	for _, queue := range queueNames() {
		all = append(all, fault{name: "rabbitmq/delete-queue/" + queue, phase: idle, strike: func(ctx context.Context, r *round) error {
			return deleteQueue(ctx, r.w, queue)
		}})
	}
	for _, b := range []struct {
		exchange, queue, key string
		in                   phase
	}{
		{event.ExchangeIngestion, event.QueueOrders, event.KeyOrder, ingest},
		{event.ExchangeIngestion, event.QueueCustomersMV, event.KeyCustomerMV, ingest},
		{event.ExchangeCampaign, event.QueueReceipts, event.KeyReceipt, send10},
	} {
		all = append(all, fault{
			name: "rabbitmq/delete-binding/" + b.queue, phase: b.in, work: work{slow: true},
			strike: func(ctx context.Context, r *round) error {
				list := fmt.Sprintf("/api/bindings/%s/e/%s/q/%s", url.PathEscape("/"), b.exchange, b.queue)
				return errors.Join(
					r.w.manage(ctx, http.MethodDelete, list+"/"+b.key, nil, nil), pause(ctx, hiccup),
					r.w.manage(context.WithoutCancel(ctx), http.MethodPost, list, map[string]any{"routing_key": b.key}, nil))
			},
		})
	}
	return all
}

// deleteQueue deletes a queue and returns when a consumer has made it anew and reads from it.
func deleteQueue(ctx context.Context, w *world, queue string) error {
	path := "/api/queues/" + url.PathEscape("/") + "/" + queue
	type figures struct {
		Consumers int `json:"consumers"`
		Messages  int `json:"messages"`
	}
	var got figures
	// A quorum queue cannot be deleted on the condition that it is empty. In the phase idle nothing is
	// published, so it stays as empty as it is found; the figures are at most a second old.
	err := poll(ctx, func() (bool, error) {
		err := w.manage(ctx, http.MethodGet, path, nil, &got)
		return err == nil && got.Messages == 0, ctx.Err()
	})
	if err != nil {
		return err
	}
	if err := w.manage(ctx, http.MethodDelete, path, nil, nil); err != nil {
		return err
	}
	return poll(ctx, func() (bool, error) {
		got = figures{}
		err := w.manage(ctx, http.MethodGet, path, nil, &got)
		return err == nil && got.Consumers > 0, ctx.Err() // it is not there at first
	})
}
