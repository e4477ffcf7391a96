package customer

import (
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/xencrm/xencrm/internal/errs"
)

// OrderStatus is a status of an order; only completed ones count towards the totals (D44).
type OrderStatus string

// The statuses in which an order can be.
const (
	OrderPending   OrderStatus = "PENDING"
	OrderCompleted OrderStatus = "COMPLETED"
	OrderCancelled OrderStatus = "CANCELLED"
	OrderRefunded  OrderStatus = "REFUNDED"
)

// Order is one order.
type Order struct {
	ID         uuid.UUID
	CustomerID uuid.UUID
	Amount     decimal.Decimal
	Status     OrderStatus
	ExternalID *string
	Source     string
	OrderedAt  time.Time
}

// rank orders the statuses: an order only moves up. So posts of one order give the same result in
// whatever order, and however often, they arrive, and each of them counts or uncounts at most once.
func (s OrderStatus) rank() int {
	switch s {
	case OrderPending:
		return 0
	case OrderCompleted:
		return 1
	case OrderCancelled:
		return 2
	case OrderRefunded:
		return 3
	}
	return -1
}

// Repost applies a later post of an order that its client has named before, and gives what that does
// to the totals: +1 counts it, -1 takes it back, 0 neither. Another amount or customer gives
// errs.Conflict, for then one of the two posts is wrong and we cannot know which.
func (o *Order) Repost(customerID uuid.UUID, in OrderInput) (int, error) {
	if o.CustomerID != customerID {
		return 0, errs.Errorf(errs.Conflict, "external_id was posted before for another customer")
	}
	if !o.Amount.Equal(in.Amount) {
		return 0, errs.Errorf(errs.Conflict, "external_id was posted before with another order_amount")
	}
	if in.Status.rank() <= o.Status.rank() {
		return 0, nil
	}
	before := o.counts()
	o.Status = in.Status
	return o.counts() - before, nil
}

// Move gives the order a later status and what that does to the totals; see Repost. An earlier one is
// errs.Conflict.
func (o *Order) Move(to OrderStatus) (int, error) {
	if to.rank() < o.Status.rank() {
		return 0, errs.Errorf(errs.Conflict, "the order is %s and cannot become %s", o.Status, to)
	}
	return o.Repost(o.CustomerID, OrderInput{Amount: o.Amount, Status: to})
}

// counts gives 1 for an order that counts towards the totals, else 0.
func (o *Order) counts() int {
	if o.Status == OrderCompleted {
		return 1
	}
	return 0
}
