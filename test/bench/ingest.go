package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// ingestClients post at once; each waits for the broker's confirm before its next order.
	ingestClients = 32
	ingestFor     = 15 * time.Second
	// lagRate is the offered load at which the projection's lag is measured, and lagFor how long.
	lagRate = 500
	lagFor  = 10 * time.Second
	// offeredRate is what two cores have to take in.
	offeredRate = 1000
	// ingestCustomers share the orders.
	ingestCustomers = 1000
)

// orders posts orders as fast as they are confirmed, and then at a fixed rate, to see how far the
// projection lags behind.
func (b *bench) orders(ctx context.Context) (figures, error) {
	run := fmt.Sprint(time.Now().UnixNano())
	if err := b.ingestCustomers(ctx, run); err != nil {
		return nil, err
	}
	out, err := b.flatOut(ctx, run)
	if err != nil {
		return nil, err
	}
	lags, posts, err := b.lags(ctx, run)
	if err != nil {
		return nil, err
	}
	maps.Copy(out, lags.figures("lag"))
	maps.Copy(out, posts.figures(fmt.Sprintf("at_%d_per_s", lagRate)))
	offered, err := b.offered(ctx, run)
	maps.Copy(out, offered.figures(fmt.Sprintf("at_%d_per_s", offeredRate)))
	return out, err
}

// flatOut posts orders as fast as they are confirmed, and waits for the projection: the lag is measured
// from rest.
func (b *bench) flatOut(ctx context.Context, run string) (figures, error) {
	var posted atomic.Int64
	var confirmed latencies
	until := time.Now().Add(ingestFor)
	begin := time.Now()
	var clients errgroup.Group
	for range ingestClients {
		clients.Go(func() error {
			for time.Now().Before(until) {
				at := time.Now()
				if err := b.order(ctx, run, posted.Add(1)); err != nil {
					return err
				}
				confirmed.since(at)
			}
			return nil
		})
	}
	if err := clients.Wait(); err != nil {
		return nil, err
	}
	n := float64(len(confirmed.ms))
	rate := n / time.Since(begin).Seconds()
	if err := b.projected(ctx, run, len(confirmed.ms)); err != nil {
		return nil, err
	}
	out := figures{"per_s": rate, "stored_per_s": n / time.Since(begin).Seconds()}
	maps.Copy(out, confirmed.figures("latency"))
	return out, nil
}

func (b *bench) order(ctx context.Context, run string, n int64) error {
	return b.send(ctx, http.MethodPost, b.system.API+"/orders", map[string]any{
		"customer_email": fmt.Sprintf("o%s-%d@example.com", run, n%ingestCustomers), "order_amount": 10,
		"external_id": fmt.Sprintf("%s-%d", run, n),
	}, nil)
}

func (b *bench) ingestCustomers(ctx context.Context, run string) error {
	var clients errgroup.Group
	clients.SetLimit(ingestClients)
	for i := range ingestCustomers {
		clients.Go(func() error {
			return b.send(ctx, http.MethodPost, b.system.API+"/customers", map[string]any{
				"name": "Bench", "email": fmt.Sprintf("o%s-%d@example.com", run, i),
			}, nil)
		})
	}
	return clients.Wait()
}

// projected waits until the projection has counted every order of the run.
func (b *bench) projected(ctx context.Context, run string, orders int) error {
	return b.until(ctx, often, func() (bool, error) {
		var n int
		err := b.business.QueryRow(ctx, "SELECT coalesce(sum(total_orders), 0) FROM customers_mv WHERE email LIKE $1", "o"+run+"-%").Scan(&n)
		return n >= orders, err
	})
}

// lags offers orders at a fixed rate and watches a customer of its own in each tenth of a second: how
// long after the answer to its order the projection shows it. The second are the orders' own latencies.
func (b *bench) lags(ctx context.Context, run string) (lags, posts *latencies, err error) {
	const probeEvery = lagRate / 10
	lags, posts = &latencies{}, &latencies{}
	err = offer(ctx, lagRate, lagFor, func(n int, due time.Time) error {
		if n%probeEvery != 0 {
			err := b.order(ctx, run, int64(1_000_000+n))
			posts.since(due)
			return err
		}
		lag, err := b.probe(ctx, fmt.Sprintf("p%s-%d@example.com", run, n))
		lags.add(lag)
		return err
	})
	return lags, posts, err
}

// offered posts orders at the rate that a machine like this has to bear.
func (b *bench) offered(ctx context.Context, run string) (*latencies, error) {
	posts := &latencies{}
	err := offer(ctx, offeredRate, lagFor, func(n int, due time.Time) error {
		err := b.order(ctx, run, int64(2_000_000+n))
		posts.since(due)
		return err
	})
	return posts, err
}

// probe posts a new customer and gives the time from the answer until the projection has it.
func (b *bench) probe(ctx context.Context, email string) (time.Duration, error) {
	err := b.send(ctx, http.MethodPost, b.system.API+"/customers", map[string]any{"name": "Probe", "email": email}, nil)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		var there bool
		if err := b.business.QueryRow(ctx, "SELECT EXISTS (SELECT FROM customers_mv WHERE email = $1)", email).Scan(&there); err != nil {
			return 0, err
		}
		if there {
			return time.Since(begin), nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-ticker.C:
		}
	}
}

// preview asks how many customers a tree of five rules selects.
func (b *bench) preview(ctx context.Context) (figures, error) {
	const asks = 40
	body := map[string]any{"rules": []any{
		map[string]any{"id": "g1", "operator": "AND", "rules": []any{
			rule("total_spend", ">", 5000), rule("total_visits", "<=", 40), rule("days_since_last_order", "<=", 90),
		}},
		map[string]any{"id": "g2", "operator": "OR", "rules": []any{rule("total_orders", ">=", 0), rule("status", "=", "ACTIVE")}},
	}}
	times := make([]float64, asks)
	for i := range times {
		at := time.Now()
		if err := b.send(ctx, http.MethodPost, b.system.API+"/api/segments/preview", body, nil); err != nil {
			return nil, err
		}
		times[i] = time.Since(at).Seconds() * 1000
	}
	return figures{"per_s": 1000 / percentile(times, 0.50), "ms_p50": percentile(times, 0.50), "ms_p95": percentile(times, 0.95)}, nil
}

func percentile(all []float64, p float64) float64 {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}
