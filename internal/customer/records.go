package customer

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/errs"
)

// Record is a customer as it is stored.
type Record struct {
	Customer

	CreatedAt time.Time
	UpdatedAt time.Time
}

// OrderRecord is an order as it is stored.
type OrderRecord struct {
	Order

	CreatedAt time.Time
	UpdatedAt time.Time
}

// Sort is the order of a list of customers. There is none by totals: an index on what every order
// changes would make each order write every index.
type Sort string

// The orders of customers.
const (
	SortNewest Sort = "-created"
	SortOldest Sort = "created"
	SortEmail  Sort = "email"
	// SortName compares in lower case and by code point.
	SortName Sort = "name"
)

// Filter chooses customers. Status and Prefix are "" for any.
type Filter struct {
	Status string
	// Prefix is how the address or the name begins, in whatever case.
	Prefix string
	Sort   Sort
	After  cursor.Position
	Limit  int
}

// Position is where the customer stands in the filter's order.
func (f Filter) Position(r Record) cursor.Position {
	switch f.Sort {
	case SortEmail:
		return cursor.Position{Key: r.Email}
	case SortName:
		return cursor.Position{Key: r.Name, ID: r.ID}
	case SortNewest, SortOldest:
	}
	return cursor.Position{ID: r.ID}
}

// OrderFilter chooses orders, the last ordered first. The zero CustomerID and the empty Status are any.
type OrderFilter struct {
	CustomerID uuid.UUID
	Status     OrderStatus
	After      cursor.Position
	Limit      int
}

// Position is where the order stands in the list.
func (OrderFilter) Position(o OrderRecord) cursor.Position {
	return cursor.Position{Key: o.OrderedAt.UTC().Format(time.RFC3339Nano), ID: o.ID}
}

// RecordStore keeps customers and orders; see master.Store.
type RecordStore interface {
	// ListCustomers gives up to Limit customers after the position.
	ListCustomers(ctx context.Context, f Filter) ([]Record, error)
	Customer(ctx context.Context, id uuid.UUID) (Record, error)
	// ChangeCustomer locks the customer and stores what change makes of it under the next version, with
	// the event that tells of it, in one transaction. A change that reports false stores nothing.
	ChangeCustomer(ctx context.Context, id uuid.UUID, change func(*Customer) (bool, error)) (Record, error)
	// EraseCustomer is ChangeCustomer for Erase, and takes the address out of the events and the
	// quarantine too.
	EraseCustomer(ctx context.Context, id uuid.UUID) (Record, error)
}

// OrderStore keeps orders; see master.Store.
type OrderStore interface {
	ListOrders(ctx context.Context, f OrderFilter) ([]OrderRecord, error)
	Order(ctx context.Context, id uuid.UUID) (OrderRecord, error)
	// MoveOrder gives the order a status and its customer the totals that follow, in one transaction.
	MoveOrder(ctx context.Context, id uuid.UUID, to OrderStatus) (OrderRecord, error)
}

// Records is the service for customers and orders that are there already.
//
// It reads the master database and not the projection: what a client has just changed it sees, and the
// version it reads is the one that its next change is compared with.
type Records struct {
	customers RecordStore
	orders    OrderStore
}

// NewRecords makes the service.
func NewRecords(c RecordStore, o OrderStore) *Records { return &Records{customers: c, orders: o} }

// Detail is a customer with its last orders.
type Detail struct {
	Record

	Orders []OrderRecord
}

// lastOrders is how many orders are shown with their customer.
const lastOrders = 10

// List gives a page of customers.
func (r *Records) List(ctx context.Context, f Filter) (cursor.Page[Record], error) {
	limit := f.Limit
	f.Limit++ // one more shows whether anything follows
	found, err := r.customers.ListCustomers(ctx, f)
	return cursor.Cut(found, limit, f.Position), err
}

// Get gives one customer.
func (r *Records) Get(ctx context.Context, id uuid.UUID) (Detail, error) {
	c, err := r.customers.Customer(ctx, id)
	if err != nil {
		return Detail{}, named("Customer", err)
	}
	orders, err := r.orders.ListOrders(ctx, OrderFilter{CustomerID: id, Limit: lastOrders})
	return Detail{Record: c, Orders: orders}, err
}

// Edit changes the fields that raw names, if the customer's version matches; ErrStale otherwise, in an
// errs.Conflict.
func (r *Records) Edit(ctx context.Context, id uuid.UUID, m Match, raw []byte) (Record, error) {
	edit, err := ParseEdit(raw)
	if err != nil {
		return Record{}, err
	}
	return r.change(ctx, id, func(c *Customer) (bool, error) {
		if err := m.check(c.Version); err != nil {
			return false, err
		}
		return c.Edit(edit)
	})
}

// Deactivate makes the customer INACTIVE, if it is not already.
func (r *Records) Deactivate(ctx context.Context, id uuid.UUID) (Record, error) {
	inactive := StatusInactive
	return r.change(ctx, id, func(c *Customer) (bool, error) {
		if c.Status == inactive {
			return false, nil // so is an erased one
		}
		return c.Edit(Edit{Status: &inactive})
	})
}

func (r *Records) change(ctx context.Context, id uuid.UUID, change func(*Customer) (bool, error)) (Record, error) {
	c, err := r.customers.ChangeCustomer(ctx, id, change)
	return c, named("Customer", err)
}

// Erase takes everything personal about the customer away, here at once and everywhere else when the
// event has arrived. Erasing again changes nothing.
func (r *Records) Erase(ctx context.Context, id uuid.UUID) (Record, error) {
	c, err := r.customers.EraseCustomer(ctx, id)
	return c, named("Customer", err)
}

// ListOrders gives a page of orders.
func (r *Records) ListOrders(ctx context.Context, f OrderFilter) (cursor.Page[OrderRecord], error) {
	limit := f.Limit
	f.Limit++ // one more shows whether anything follows
	found, err := r.orders.ListOrders(ctx, f)
	return cursor.Cut(found, limit, f.Position), err
}

// GetOrder gives one order.
func (r *Records) GetOrder(ctx context.Context, id uuid.UUID) (OrderRecord, error) {
	o, err := r.orders.Order(ctx, id)
	return o, named("Order", err)
}

// MoveOrder gives the order a later status; a status that it has already changes nothing. An earlier
// one is errs.Conflict: a refund that was undone would count twice wherever it has been seen.
func (r *Records) MoveOrder(ctx context.Context, id uuid.UUID, to OrderStatus) (OrderRecord, error) {
	if to.rank() < 0 {
		text := "must be one of PENDING, COMPLETED, CANCELLED, REFUNDED"
		return OrderRecord{}, errs.InvalidFields("order_status "+text, []errs.Field{{Pointer: "/order_status", Message: text}})
	}
	o, err := r.orders.MoveOrder(ctx, id, to)
	return o, named("Order", err)
}

// named says what was not found.
func named(what string, err error) error {
	if errs.Is(err, errs.NotFound) {
		return errs.Wrap(errs.NotFound, err, what+" not found")
	}
	return err
}
