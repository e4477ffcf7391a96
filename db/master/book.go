package master

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xencrm/xencrm/db/internal/mastersql"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/event"
)

// book holds the customers of one transaction, locked, while their changes are computed. Each gets
// one new version and one outbox row, however many messages of the batch changed it.
type book struct {
	entries map[string]*entry // by e-mail
}

type entry struct {
	customer    *customer.Customer
	isNew       bool
	operation   string // what the event says, "" while nothing changed
	traceparent string // of the last message that changed it
}

func (e *entry) touch(operation, traceparent string) {
	if e.operation == "" {
		e.operation = operation
	}
	e.traceparent = traceparent
}

// lockBook locks the customers that exist, in order of e-mail.
func lockBook(ctx context.Context, q *mastersql.Queries, emails []string) (*book, error) {
	b := &book{entries: make(map[string]*entry, len(emails))}
	if len(emails) == 0 {
		return b, nil
	}
	slices.Sort(emails)
	rows, err := q.LockCustomers(ctx, slices.Compact(emails))
	if err != nil {
		return nil, err
	}
	for i := range rows {
		r := &rows[i]
		b.entries[r.Email] = &entry{customer: &customer.Customer{
			ID: r.CustomerID, Version: r.Version, Name: r.Name, Email: r.Email, Phone: r.Phone, Status: r.Status,
			OpeningSpend: r.OpeningSpend, OpeningVisits: r.OpeningVisits, OpeningLastOrderAt: r.OpeningLastOrderAt,
			TotalSpend: r.TotalSpend, TotalVisits: r.TotalVisits, TotalOrders: r.TotalOrders, LastOrderAt: r.LastOrderAt,
		}}
	}
	return b, nil
}

func (b *book) add(c *customer.Customer, traceparent string) {
	b.entries[c.Email] = &entry{customer: c, isNew: true, operation: "created", traceparent: traceparent}
}

// settle stores every changed customer under its next version, and the event that tells of it.
func (b *book) settle(ctx context.Context, q *mastersql.Queries, source string) error {
	var changed []*entry
	for _, e := range b.entries {
		if e.operation != "" {
			changed = append(changed, e)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	// New customers are inserted in this order too; see the order of locks.
	slices.SortFunc(changed, func(x, y *entry) int { return strings.Compare(x.customer.Email, y.customer.Email) })
	if err := latest(ctx, q, changed); err != nil {
		return err
	}
	var inserts []mastersql.InsertCustomerParams
	var updates []mastersql.UpdateCustomerParams
	for _, e := range changed {
		e.customer.Version++
		if e.isNew {
			inserts = append(inserts, insertOf(e.customer))
		} else {
			updates = append(updates, updateOf(e.customer))
		}
	}
	if err := insertCustomers(ctx, q, inserts); err != nil {
		return err
	}
	if err := execBatch(q.UpdateCustomer(ctx, updates)); err != nil {
		return err
	}
	return tell(ctx, q, changed, source)
}

// latest looks up the last completed order where memory does not know it.
func latest(ctx context.Context, q *mastersql.Queries, changed []*entry) error {
	var ids []uuid.UUID
	for _, e := range changed {
		if e.customer.NeedsLatest() {
			ids = append(ids, e.customer.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := q.LastCompletedOrders(ctx, ids)
	if err != nil {
		return err
	}
	at := make(map[uuid.UUID]*time.Time, len(rows))
	for i := range rows {
		at[rows[i].CustomerID] = &rows[i].LastOrderAt
	}
	for _, e := range changed {
		if e.customer.NeedsLatest() {
			e.customer.Latest(at[e.customer.ID])
		}
	}
	return nil
}

func insertCustomers(ctx context.Context, q *mastersql.Queries, inserts []mastersql.InsertCustomerParams) error {
	var first error
	q.InsertCustomer(ctx, inserts).QueryRow(func(_ int, _ int64, err error) {
		if errors.Is(err, pgx.ErrNoRows) {
			err = errRaced
		}
		if first == nil {
			first = err
		}
	})
	return first
}

// tell writes the outbox rows: they carry the whole customer, so that one event is enough.
func tell(ctx context.Context, q *mastersql.Queries, changed []*entry, source string) error {
	rows := make([]mastersql.InsertOutboxParams, 0, len(changed))
	now := time.Now().UTC()
	for _, e := range changed {
		data, err := json.Marshal(e.customer.Event(e.operation))
		if err != nil {
			return fmt.Errorf("encode customer event: %w", err)
		}
		payload, err := json.Marshal(event.Envelope{
			EventType: event.TypeCustomerMVUpsert, SchemaVersion: event.SchemaVersion,
			Timestamp: now, Source: source, Data: data,
		})
		if err != nil {
			return fmt.Errorf("encode envelope: %w", err)
		}
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("make event id: %w", err)
		}
		rows = append(rows, mastersql.InsertOutboxParams{
			EventID: id, EventType: event.TypeCustomerMVUpsert, EntityID: e.customer.ID, EntityVersion: e.customer.Version,
			Exchange: event.ExchangeIngestion, RoutingKey: event.KeyCustomerMV, Payload: payload, Traceparent: e.traceparent,
		})
	}
	return execBatch(q.InsertOutbox(ctx, rows))
}

// execBatch gives the first error of a pipelined batch; the later ones only say that the transaction
// is aborted.
func execBatch(results interface{ Exec(fn func(int, error)) }) error {
	var first error
	results.Exec(func(_ int, err error) {
		if first == nil {
			first = err
		}
	})
	return first
}

func insertOf(c *customer.Customer) mastersql.InsertCustomerParams {
	return mastersql.InsertCustomerParams{
		CustomerID: c.ID, Name: c.Name, Email: c.Email, Phone: c.Phone, TotalSpend: c.TotalSpend,
		TotalVisits: c.TotalVisits, TotalOrders: c.TotalOrders, LastOrderAt: c.LastOrderAt,
		OpeningSpend: c.OpeningSpend, OpeningVisits: c.OpeningVisits, OpeningLastOrderAt: c.OpeningLastOrderAt,
		Status: c.Status, Version: c.Version,
	}
}

func updateOf(c *customer.Customer) mastersql.UpdateCustomerParams {
	return mastersql.UpdateCustomerParams{
		CustomerID: c.ID, Name: c.Name, Email: c.Email, Phone: c.Phone, TotalSpend: c.TotalSpend,
		TotalVisits: c.TotalVisits, TotalOrders: c.TotalOrders, LastOrderAt: c.LastOrderAt,
		OpeningSpend: c.OpeningSpend, OpeningVisits: c.OpeningVisits, OpeningLastOrderAt: c.OpeningLastOrderAt,
		Status: c.Status, Version: c.Version,
	}
}
