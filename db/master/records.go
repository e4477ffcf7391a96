package master

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/internal/mastersql"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
)

// ListCustomers gives up to f.Limit customers after f.After.
func (s *Store) ListCustomers(ctx context.Context, f customer.Filter) ([]customer.Record, error) {
	var rows []mastersql.Customer
	err := s.inTx(ctx, func(q *mastersql.Queries) error {
		if err := q.PlanEachTime(ctx); err != nil {
			return err
		}
		var err error
		rows, err = listCustomers(ctx, q, f)
		return err
	})
	out := make([]customer.Record, len(rows))
	for i := range rows {
		out[i] = recordOf(&rows[i])
	}
	return out, err
}

func listCustomers(ctx context.Context, q *mastersql.Queries, f customer.Filter) ([]mastersql.Customer, error) {
	n := int32(f.Limit) //nolint:gosec // a page of some hundred at most
	after := f.After
	switch f.Sort {
	case customer.SortEmail:
		return q.ListCustomersByEmail(ctx, mastersql.ListCustomersByEmailParams{
			AfterKey: after.Key, Status: f.Status, Prefix: f.Prefix, N: n,
		})
	case customer.SortName:
		return q.ListCustomersByName(ctx, mastersql.ListCustomersByNameParams{
			AfterKey: after.Key, AfterID: after.ID, Status: f.Status, Prefix: f.Prefix, N: n,
		})
	case customer.SortOldest:
		return q.ListCustomersOldest(ctx, mastersql.ListCustomersOldestParams{
			AfterID: after.ID, Status: f.Status, Prefix: f.Prefix, N: n,
		})
	case customer.SortNewest:
	}
	if after.IsZero() {
		after.ID = uuid.Max
	}
	return q.ListCustomersNewest(ctx, mastersql.ListCustomersNewestParams{
		AfterID: after.ID, Status: f.Status, Prefix: f.Prefix, N: n,
	})
}

// Customer gives one customer.
func (s *Store) Customer(ctx context.Context, id uuid.UUID) (customer.Record, error) {
	row, err := s.q.GetCustomer(ctx, id)
	return recordOf(&row), db.Translate(err)
}

// ListOrders gives up to f.Limit orders after f.After, the last ordered first.
func (s *Store) ListOrders(ctx context.Context, f customer.OrderFilter) ([]customer.OrderRecord, error) {
	// No order is of a later time than this.
	before, id := time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), uuid.Max
	if !f.After.IsZero() {
		at, err := time.Parse(time.RFC3339Nano, f.After.Key)
		if err != nil {
			return nil, errs.Errorf(errs.Invalid, "the cursor is not one of this list")
		}
		before, id = at, f.After.ID
	}
	var rows []mastersql.Order
	err := s.inTx(ctx, func(q *mastersql.Queries) error {
		if err := q.PlanEachTime(ctx); err != nil {
			return err
		}
		var err error
		rows, err = q.ListOrders(ctx, mastersql.ListOrdersParams{
			AfterTime: before, AfterID: id, CustomerID: f.CustomerID, Status: string(f.Status),
			N: int32(f.Limit), //nolint:gosec // a page of some hundred at most
		})
		return err
	})
	out := make([]customer.OrderRecord, len(rows))
	for i := range rows {
		out[i] = orderRecordOf(&rows[i])
	}
	return out, err
}

// Order gives one order.
func (s *Store) Order(ctx context.Context, id uuid.UUID) (customer.OrderRecord, error) {
	row, err := s.q.GetOrder(ctx, id)
	return orderRecordOf(&row), db.Translate(err)
}

func recordOf(r *mastersql.Customer) customer.Record {
	return customer.Record{
		Customer: customer.Customer{
			ID: r.CustomerID, Version: r.Version, Name: r.Name, Email: r.Email, Phone: r.Phone, Status: r.Status,
			OpeningSpend: r.OpeningSpend, OpeningVisits: r.OpeningVisits, OpeningLastOrderAt: r.OpeningLastOrderAt,
			TotalSpend: r.TotalSpend, TotalVisits: r.TotalVisits, TotalOrders: r.TotalOrders, LastOrderAt: r.LastOrderAt,
		},
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}

func orderRecordOf(r *mastersql.Order) customer.OrderRecord {
	return customer.OrderRecord{
		Order: customer.Order{
			ID: r.OrderID, CustomerID: r.CustomerID, Amount: r.OrderAmount, Status: customer.OrderStatus(r.OrderStatus),
			ExternalID: r.ExternalID, Source: r.Source, OrderedAt: r.OrderedAt,
		},
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}
