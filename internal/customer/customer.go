package customer

import (
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
)

// Customer is one customer with everything that its totals are made of:
// total = opening + what completed orders contribute.
type Customer struct {
	ID                 uuid.UUID
	Version            int64
	Name               string
	Email              string
	Phone              *string
	Status             string
	OpeningSpend       decimal.Decimal
	OpeningVisits      int32
	OpeningLastOrderAt *time.Time
	TotalSpend         decimal.Decimal
	TotalVisits        int32
	TotalOrders        int32
	LastOrderAt        *time.Time

	staleLatest bool
	// erasedAddress is set by Erase, for the event.
	erasedAddress []byte
}

// New makes the customer that a first post describes; the reference's defaults stand for what it
// does not name.
func New(id uuid.UUID, in Input) *Customer {
	c := &Customer{ID: id, Email: in.Email, Status: StatusActive}
	c.Post(in)
	return c
}

// Post applies a posted customer: it changes the fields that are named and no others (D40). A posted
// total becomes the total: the opening value is what completed orders do not account for.
func (c *Customer) Post(in Input) {
	c.Name = in.Name
	if in.Phone != nil {
		c.Phone = in.Phone
	}
	if in.Status != nil {
		c.Status = *in.Status
	}
	if in.TotalSpend != nil {
		c.OpeningSpend = c.OpeningSpend.Add(in.TotalSpend.Sub(c.TotalSpend))
		c.TotalSpend = *in.TotalSpend
	}
	if in.TotalVisits != nil {
		c.OpeningVisits += *in.TotalVisits - c.TotalVisits
		c.TotalVisits = *in.TotalVisits
	}
	if in.LastOrderAt != nil {
		c.OpeningLastOrderAt = in.LastOrderAt
		c.LastOrderAt = later(in.LastOrderAt, c.LastOrderAt)
		c.staleLatest = true // the posted time may be earlier than the one that it replaces
	}
}

// Count adds a completed order. A visit counts with it, as in the reference. A total beyond what can
// be stored gives errs.Invalid and changes nothing.
func (c *Customer) Count(amount decimal.Decimal, at time.Time) error {
	if c.TotalSpend.Add(amount).GreaterThan(maxSpend) {
		return errs.Errorf(errs.Invalid, "total_spend would exceed %s", maxSpend)
	}
	if c.TotalVisits == math.MaxInt32 || c.TotalOrders == math.MaxInt32 {
		return errs.Errorf(errs.Invalid, "total_visits would exceed %d", math.MaxInt32)
	}
	c.TotalSpend = c.TotalSpend.Add(amount)
	c.TotalVisits++
	c.TotalOrders++
	c.LastOrderAt = later(c.LastOrderAt, &at)
	return nil
}

// Uncount takes an order back that is completed no longer.
func (c *Customer) Uncount(amount decimal.Decimal) {
	c.TotalSpend = c.TotalSpend.Sub(amount)
	c.TotalVisits--
	c.TotalOrders--
	c.staleLatest = true
}

// NeedsLatest reports whether LastOrderAt depends on orders that are not at hand here: Latest must be
// called before the customer is stored.
func (c *Customer) NeedsLatest() bool { return c.staleLatest }

// Latest sets LastOrderAt, given the time of the last completed order, nil if there is none.
func (c *Customer) Latest(completed *time.Time) {
	c.LastOrderAt, c.staleLatest = later(c.OpeningLastOrderAt, completed), false
}

// Event gives the customer as the projection shows it.
func (c *Customer) Event(operation string) event.CustomerMV {
	return event.CustomerMV{
		CustomerID: c.ID, Version: c.Version, Name: c.Name, Email: c.Email, Phone: c.Phone,
		TotalSpend: c.TotalSpend, TotalVisits: c.TotalVisits, TotalOrders: c.TotalOrders,
		LastOrderAt: c.LastOrderAt, Status: c.Status, Operation: operation, ErasedAddress: c.erasedAddress,
	}
}

func later(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.After(*a) {
		return b
	}
	return a
}
