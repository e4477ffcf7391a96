package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"

	"golang.org/x/sync/errgroup"
)

const (
	// ordersEach is how many orders a seeded customer gets: 500 customers make 2,000 orders.
	ordersEach = 4
	// seedParallel is how many requests are under way; each waits for a confirm of the broker.
	seedParallel = 32
)

// seedCustomer is one customer of the demo and what it ordered.
type seedCustomer struct {
	Name, Email, Phone string
	orders             []seedOrder
}

type seedOrder struct {
	Amount string
	Status string
}

// population makes n customers; the same seed gives the same ones.
func population(seed uint64, n int) []seedCustomer {
	first := []string{"Aarav", "Diya", "Ishaan", "Kavya", "Rohan", "Ananya", "Vivaan", "Meera", "Arjun", "Saanvi", "Kabir", "Zara"}
	last := []string{"Sharma", "Patel", "Iyer", "Khan", "Reddy", "Das", "Nair", "Singh", "Gupta", "Mehta", "Bose", "Joshi"}
	out := make([]seedCustomer, n)
	for i := range out {
		// A generator for each, so that a larger population begins with the smaller one.
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		c := seedCustomer{
			Name:  first[r.IntN(len(first))] + " " + last[r.IntN(len(last))],
			Email: fmt.Sprintf("user%d%s", i+1, domain(seed)),
			Phone: fmt.Sprintf("+9198%08d", r.IntN(100_000_000)),
		}
		for range ordersEach {
			c.orders = append(c.orders, randomOrder(r))
		}
		out[i] = c
	}
	return out
}

// randomOrder is usually completed: the others must not count towards what a customer spent.
func randomOrder(r *rand.Rand) seedOrder {
	const most, cents, completed = 1_500_000, 100, 0.88
	paise := r.IntN(most) + cents
	status := "COMPLETED"
	if r.Float64() > completed {
		status = []string{"PENDING", "CANCELLED", "REFUNDED"}[r.IntN(3)] //nolint:mnd // one of the three
	}
	return seedOrder{Amount: strconv.Itoa(paise/cents) + fmt.Sprintf(".%02d", paise%cents), Status: status}
}

// domain is that of the addresses of one seed, by which its customers are told from others.
func domain(seed uint64) string { return fmt.Sprintf("@demo%d.example.com", seed) }

// byOrders counts the customers by how many of their orders are completed.
func byOrders(customers []seedCustomer) [ordersEach + 1]int {
	var out [ordersEach + 1]int
	for _, c := range customers {
		n := 0
		for _, o := range c.orders {
			if o.Status == "COMPLETED" {
				n++
			}
		}
		out[n]++
	}
	return out
}

// seed posts customers and their orders through the public ingest endpoints, and so through RabbitMQ.
// Every request has a key of its own, so that seeding again after a crash changes nothing.
func (d *Demo) seed(ctx context.Context, customers []seedCustomer, run string) error {
	if err := d.postAll(ctx, "customers", len(customers), func(ctx context.Context, i int) error {
		c := customers[i]
		return d.api.post(ctx, "/customers", fmt.Sprintf("%s-customer-%d", run, i), map[string]any{
			"name": c.Name, "email": c.Email, "phone": c.Phone,
		}, http.StatusAccepted)
	}); err != nil {
		return err
	}
	return d.postAll(ctx, "orders", len(customers)*ordersEach, func(ctx context.Context, i int) error {
		c := customers[i/ordersEach]
		o := c.orders[i%ordersEach]
		return d.api.post(ctx, "/orders", fmt.Sprintf("%s-order-%d", run, i), map[string]any{
			"customer_email": c.Email, "order_amount": jsonNumber(o.Amount), "order_status": o.Status,
			"external_id": fmt.Sprintf("%s-%d", run, i), "order_source": "demo",
		}, http.StatusAccepted)
	})
}

func (d *Demo) postAll(ctx context.Context, what string, n int, post func(ctx context.Context, i int) error) error {
	done := make(chan struct{}, n)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(seedParallel)
	bar := d.screen.bar("posting "+what, n)
	go func() {
		for range done {
			bar.step()
		}
	}()
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			defer func() { done <- struct{}{} }()
			return post(ctx, i)
		})
	}
	err := group.Wait()
	close(done)
	bar.end()
	return err
}
