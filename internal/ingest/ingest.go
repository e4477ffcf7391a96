// Package ingest takes posted customers and orders off their queues: it reads the envelopes, by the
// same rules as the API, and has the master store apply them.
//
// It owns no transport and no transaction. A message is handled any number of times and counts once:
// the store knows its id.
package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
	"github.com/xencrm/xencrm/internal/failpoint"
)

// Store applies posts in one transaction. It gives one result a post, in their order, or an error
// when the transaction as a whole failed and nothing was applied.
type Store interface {
	ApplyCustomers(ctx context.Context, posts []customer.Posted) ([]error, error)
	ApplyOrders(ctx context.Context, posts []customer.PostedOrder) ([]error, error)
}

// Handler handles both ingestion queues.
type Handler struct {
	store Store
	now   func() time.Time
}

// NewHandler makes a handler.
func NewHandler(s Store, now func() time.Time) *Handler { return &Handler{store: s, now: now} }

// Customers handles deliveries of customer_ingestion_queue: one result each.
func (h *Handler) Customers(ctx context.Context, ds []event.Delivery) []error {
	return handle(ctx, ds, h.customer, h.store.ApplyCustomers)
}

// Orders handles deliveries of order_ingestion_queue: one result each.
func (h *Handler) Orders(ctx context.Context, ds []event.Delivery) []error {
	return handle(ctx, ds, h.order, h.store.ApplyOrders)
}

// handle parses all, applies together what can be parsed, and puts the results in their places.
func handle[T any](
	ctx context.Context, ds []event.Delivery,
	parse func(event.Delivery) (T, error), apply func(context.Context, []T) ([]error, error),
) []error {
	failpoint.Hit(failpoint.ConsumeReceived)
	results := make([]error, len(ds))
	var posts []T
	var at []int
	for i, d := range ds {
		post, err := parse(d)
		if err != nil {
			results[i] = err
			continue
		}
		posts, at = append(posts, post), append(at, i)
	}
	if len(posts) == 0 {
		return results
	}
	each, err := apply(ctx, posts)
	for n, i := range at {
		if err != nil {
			results[i] = fmt.Errorf("apply %d posts: %w", len(posts), err)
		} else {
			results[i] = each[n]
		}
	}
	return results
}

func (h *Handler) customer(d event.Delivery) (customer.Posted, error) {
	data, meta, err := h.open(d, event.TypeCustomerReceived)
	if err != nil {
		return customer.Posted{}, err
	}
	in, err := customer.ParseInput(data, customer.Lenient)
	if err != nil {
		return customer.Posted{}, explain(err)
	}
	return customer.NewPosted(meta, in)
}

func (h *Handler) order(d event.Delivery) (customer.PostedOrder, error) {
	data, meta, err := h.open(d, event.TypeOrderReceived)
	if err != nil {
		return customer.PostedOrder{}, err
	}
	// The clock that accepted it may be ahead of ours.
	const skew = 24 * time.Hour
	in, err := customer.ParseOrderInput(data, customer.Lenient, h.now().Add(skew))
	if err != nil {
		return customer.PostedOrder{}, explain(err)
	}
	return customer.NewPostedOrder(meta, in)
}

// explain spells the faults out: an operator reads them next to the parked message.
func explain(err error) error {
	e, ok := errors.AsType[*errs.Error](err)
	if !ok || len(e.Fields) == 0 {
		return err
	}
	texts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		texts[i] = f.Message
	}
	return errs.Errorf(e.Code, "data is not valid: %s", strings.Join(texts, "; "))
}

// open reads the envelope.
func (h *Handler) open(d event.Delivery, wantType string) (json.RawMessage, customer.Meta, error) {
	e, err := event.ReadEnvelope(d.Body, wantType)
	if err != nil {
		return nil, customer.Meta{}, err
	}
	return e.Data, customer.Meta{
		MessageID: idOf(d), Traceparent: traceparent(d), At: h.publishedAt(e, d), Body: d.Body,
	}, nil
}

// idOf gives the message's id. A publisher that sets none is taken at its word: the same bytes are the
// same message.
func idOf(d event.Delivery) string {
	if d.ID != "" {
		return d.ID
	}
	sum := sha256.Sum256(d.Body)
	return "sha256-" + hex.EncodeToString(sum[:])
}

func traceparent(d event.Delivery) string {
	const longest = 60
	if tp := d.Headers["traceparent"]; len(tp) <= longest {
		return tp
	}
	return ""
}

// publishedAt is the time of an order that names none. A claim that cannot be right is not believed.
func (h *Handler) publishedAt(e event.Envelope, d event.Delivery) time.Time {
	now := h.now().UTC()
	// The bus keeps messages for as long as it takes, but the product is younger than this.
	earliest := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, claim := range []time.Time{e.Timestamp, d.Timestamp} {
		if claim.After(earliest) && claim.Before(now.Add(24*time.Hour)) {
			return claim.UTC()
		}
	}
	return now
}
