package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"

	"golang.org/x/sync/errgroup"
)

// work is what the system has to do while something goes wrong. The zero value is a plain campaign
// over everyone, and the stream of orders that every round has.
type work struct {
	// steer is what is done to the campaign meanwhile.
	steer steering
	// waiting orders come before their customer does.
	waiting int
	// poison messages can never be processed.
	poison int
	// file is how many customers come by one file beside the others.
	file int
	// startLate has Temporal away when the campaign is launched.
	startLate bool
	// holdReceipts keeps the vendor's receipts back until the fault is over.
	holdReceipts bool
	// paged sends the first attempts page by page.
	paged bool
	// slow paces the campaign so that a fault meant for its middle lands there.
	slow bool
}

type steering string

const (
	steerNot    steering = ""
	steerPause  steering = "pause and resume"
	steerCancel steering = "cancel"
	steerRetry  steering = "retry the failed"
	steerRate   steering = "change the rate"
)

const (
	// orders of a round, posted one after the other by each of posters: together they outlast the sends.
	orders, posters = 40, 4
	newCustomers    = 3
	// fileRows are two batches of an import, which takes 5,000 rows at a time: there is a middle.
	fileRows = 5_050
	// rate makes 200 sends last a second, some dozen of group commits; slowRate four.
	rate, slowRate = 200, 50
	source         = "chaos"
)

// seedCustomers gives a step that posts n customers, then an order for each, and waits for both.
func (w *world) seedCustomers(n int) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := w.each(ctx, n, func(ctx context.Context, i int) error { return w.postCustomer(ctx, "seed", i) }); err != nil {
			return err
		}
		if err := w.projected(ctx, n, 0); err != nil {
			return err
		}
		if err := w.each(ctx, n, func(ctx context.Context, i int) error {
			return w.postOrder(ctx, "seed", i, address("seed", i), "COMPLETED")
		}); err != nil {
			return err
		}
		if err := w.makeSegment(ctx); err != nil {
			return err
		}
		return w.projected(ctx, n, 1)
	}
}

// projected waits until so many customers with so many orders at least are in the projection.
func (w *world) projected(ctx context.Context, n, orders int) error {
	return poll(ctx, func() (bool, error) {
		var there int
		err := w.businessDB.QueryRow(ctx, "SELECT count(*) FROM customers_mv WHERE total_orders >= $1", orders).Scan(&there)
		return there == n, err
	})
}

func (w *world) makeSegment(ctx context.Context) error {
	o := &op{Round: "seed", Kind: "segment", Path: "/api/segments"}
	if err := w.accepted(ctx, o, everyoneWhoOrdered("chaos")); err != nil {
		return err
	}
	var got struct {
		Data struct {
			SegmentID string `json:"segment_id"`
		} `json:"data"`
	}
	err := json.Unmarshal(o.Answer, &got)
	w.segment = got.Data.SegmentID
	return err
}

// everyoneWhoOrdered is the segment of every round: exactly the seeded customers.
func everyoneWhoOrdered(name string) map[string]any {
	return map[string]any{"name": name, "rules": []any{map[string]any{
		"id": "g", "operator": "AND", "rules": []any{map[string]any{"id": "r", "field": "total_orders", "operator": ">=", "value": 1}},
	}}}
}

// each runs fn for 0..n-1, posters at a time.
func (w *world) each(ctx context.Context, n int, fn func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(posters)
	for i := range n {
		group.Go(func() error { return fn(ctx, i) })
	}
	return group.Wait()
}

func address(round string, i int) string { return fmt.Sprintf("c%d@%s.example.com", i, round) }

func customerKey(round string, i int) string { return fmt.Sprintf("%s-customer-%d", round, i) }

func (w *world) postCustomer(ctx context.Context, round string, i int) error {
	return w.accepted(ctx, &op{Round: round, Kind: "customer", Key: customerKey(round, i), Path: "/customers"}, map[string]any{
		"name": fmt.Sprintf("Customer %d", i), "email": address(round, i),
	})
}

// postFile imports a file of so many customers, and waits until it is applied. A client whose upload is not answered
// sends the whole file again, as the API says: what is stored already changes nothing.
func (w *world) postFile(ctx context.Context, round string, rows int) error {
	if rows == 0 {
		return nil
	}
	o := &op{Round: round, Kind: "import", Path: "/api/customers/import", Rows: rows, file: []byte("name,email\n")}
	for i := range rows {
		o.file = fmt.Appendf(o.file, "Customer %d,%s\n", i, address(round, i))
	}
	if err := w.accepted(ctx, o, nil); err != nil {
		return err
	}
	var got struct {
		Data struct {
			ImportID string `json:"import_id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(o.Answer, &got); err != nil {
		return err
	}
	return poll(ctx, func() (bool, error) {
		var state string
		err := w.masterDB.QueryRow(ctx, "SELECT state FROM imports WHERE import_id = $1", got.Data.ImportID).Scan(&state)
		if state == "FAILED" {
			return false, fmt.Errorf("%w: the import %s was acknowledged and is FAILED", errTooLong, got.Data.ImportID)
		}
		return state == "COMPLETED", err
	})
}

func (w *world) postOrder(ctx context.Context, round string, i int, email, status string) error {
	key := fmt.Sprintf("%s-order-%d", round, i)
	return w.accepted(ctx, &op{Round: round, Kind: "order", Key: key, Path: "/orders"}, map[string]any{
		// Seven digits before the point: a sum in floats of 32 bits would not hold the cents.
		"customer_email": email, "order_amount": json.Number(fmt.Sprintf("%d.%02d", 1_000_000+i, i%100)), "order_status": status,
		"external_id": key, "order_source": source,
	})
}

// accepted makes a request that has no reason to be refused.
func (w *world) accepted(ctx context.Context, o *op, body any) error {
	if err := w.client.do(ctx, o, body); err != nil {
		return err
	}
	if o.Outcome != acknowledged {
		return fmt.Errorf("%s %s is refused: %d %s", o.Method, o.Path, o.Status, o.Answer)
	}
	return nil
}

// ingest posts the orders of a round, some customers, and what the work adds to that.
func (r *round) ingest(ctx context.Context) error {
	w := r.w
	seeded := rand.New(rand.NewPCG(w.seed, r.number)) // repeatable on purpose
	targets := make([]int, orders)
	for i := range targets {
		targets[i] = seeded.IntN(r.recipients)
	}
	if err := w.each(ctx, r.work.waiting, func(ctx context.Context, i int) error {
		// The customer of this address is posted below.
		return w.publishEarlyOrder(ctx, fmt.Sprintf("%s-early-%d", r.key, i), address(r.key, i))
	}); err != nil {
		return err
	}
	if err := w.each(ctx, orders, func(ctx context.Context, i int) error {
		return w.postOrder(ctx, r.key, i, address("seed", targets[i]), "COMPLETED")
	}); err != nil {
		return err
	}
	if err := w.each(ctx, max(newCustomers, r.work.waiting), func(ctx context.Context, i int) error {
		return w.postCustomer(ctx, r.key, i)
	}); err != nil {
		return err
	}
	if err := w.postFile(ctx, r.key+"-file", r.work.file); err != nil {
		return err
	}
	for i := range r.work.poison {
		if err := w.publishPoison(ctx, fmt.Sprintf("%s-%d", r.key, i)); err != nil {
			return err
		}
	}
	return nil
}

// launch creates the campaign of a round, which starts it, and gives its id.
func (r *round) launch(ctx context.Context) error {
	body := map[string]any{
		"name": r.key, "segment_id": r.w.segment, "created_by": "chaos", "rate": rate,
		"message_template": "Hi {{ name }}, you have spent {{ total_spend }} with us", "fan_out": "per_customer",
	}
	if r.work.paged {
		body["fan_out"] = "paged"
	}
	if r.work.slow {
		body["rate"] = slowRate
	}
	if r.work.steer == steerRetry {
		body["max_attempts"] = 1 // so that some refusals are final and there is something to retry
	}
	o := &op{Round: r.key, Kind: "campaign", Key: r.key + "-campaign", Path: "/api/campaigns"}
	if err := r.w.accepted(ctx, o, body); err != nil {
		return err
	}
	var got struct {
		Data struct {
			CampaignID string `json:"campaign_id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(o.Answer, &got); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.campaign = got.Data.CampaignID
	return nil
}

// steerIt does to the campaign what the work says, and ends when the campaign has ended.
func (r *round) steerIt(ctx context.Context) error {
	const early = 0.2 // of the audience: before the middle, where most faults strike
	switch r.work.steer {
	case steerNot:
	case steerPause:
		if err := r.steps(ctx, early, "pause", "resume"); err != nil {
			return err
		}
	case steerCancel:
		if err := r.steps(ctx, early, "cancel"); err != nil {
			return err
		}
	case steerRate:
		if err := r.steps(ctx, early, "rate"); err != nil {
			return err
		}
	case steerRetry:
		if err := r.ended(ctx, 0); err != nil {
			return err
		}
		if err := r.control(ctx, "retry-failed"); err != nil {
			return err
		}
		return r.ended(ctx, 1)
	}
	return r.ended(ctx, 0)
}

// steps steers the campaign once a part of it is sent.
func (r *round) steps(ctx context.Context, part float64, all ...string) error {
	if err := r.sent(ctx, part); err != nil {
		return err
	}
	for _, what := range all {
		if err := r.control(ctx, what); err != nil {
			return err
		}
	}
	return nil
}

// control steers the campaign. A 409 after a try whose answer was lost is an answer too: what was asked
// for has been done, or the campaign was over before.
func (r *round) control(ctx context.Context, what string) error {
	o := &op{Round: r.key, Kind: "control", Path: "/api/campaigns/" + r.campaignID() + "/" + what}
	body := map[string]any{}
	if what == "rate" {
		body["rate"] = 2 * rate
	}
	if err := r.w.client.do(ctx, o, body); err != nil {
		return err
	}
	if o.Outcome == acknowledged || o.Status == http.StatusConflict {
		return nil
	}
	return fmt.Errorf("%s is refused: %d %s", o.Path, o.Status, o.Answer)
}
