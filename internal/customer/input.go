package customer

import (
	"time"

	"github.com/shopspring/decimal"

	"github.com/xencrm/xencrm/internal/event"
)

// Statuses of a customer.
const (
	StatusActive   = "ACTIVE"
	StatusInactive = "INACTIVE"
)

// maxName is the width of the column.
const maxName = 255

// Input is a posted customer, normalised. A nil field was not named (D40).
type Input struct {
	Name        string
	Email       string
	Phone       *string
	TotalSpend  *decimal.Decimal
	TotalVisits *int32
	LastOrderAt *time.Time
	Status      *string
}

// OrderInput is a posted order, normalised.
type OrderInput struct {
	CustomerEmail string
	Amount        decimal.Decimal
	Status        OrderStatus
	ExternalID    *string
	Source        string
	// OrderedAt is nil when the client did not say; the time of the message stands in.
	OrderedAt *time.Time
}

// ParseInput reads a posted customer. Everything wrong with it is told at once, in an errs.Invalid
// with the reference's texts and JSON pointers.
func ParseInput(raw []byte, s Strictness) (Input, error) {
	o, err := readObject(raw, s, Columns()...)
	if err != nil {
		return Input{}, err
	}
	return o.input()
}

// input reads the fields of a customer.
func (o *object) input() (Input, error) {
	name, _ := o.shortText("name", true, maxName)
	in := Input{
		Name: name, Email: o.email("email"), Phone: o.phone("phone"),
		TotalSpend:  o.money("total_spend", false, decimal.Zero, maxSpend),
		TotalVisits: o.visits("total_visits"), LastOrderAt: o.date("last_order_at"),
		Status: o.oneOf("status", StatusActive, StatusInactive),
	}
	return in, o.err()
}

// ParseOrderInput reads a posted order; see ParseInput.
func ParseOrderInput(raw []byte, s Strictness, now time.Time) (OrderInput, error) {
	o, err := readObject(raw, s, "customer_email", "order_amount", "order_status", "external_id", "order_source", "ordered_at")
	if err != nil {
		return OrderInput{}, err
	}
	const longestID, longestSource = 100, 50
	in := OrderInput{CustomerEmail: o.email("customer_email"), Status: OrderCompleted}
	if amount := o.money("order_amount", true, minAmount, maxAmount); amount != nil {
		in.Amount = *amount
	}
	status := o.oneOf("order_status", string(OrderPending), string(OrderCompleted), string(OrderCancelled), string(OrderRefunded))
	if status != nil {
		in.Status = OrderStatus(*status)
	}
	if id, ok := o.shortText("external_id", false, longestID); ok {
		in.ExternalID = &id
	}
	in.Source, _ = o.shortText("order_source", false, longestSource)
	in.OrderedAt = o.instant("ordered_at", now)
	return in, o.err()
}

// event gives the wire form.
func (in Input) event() event.CustomerReceived {
	return event.CustomerReceived{
		Name: in.Name, Email: in.Email, Phone: in.Phone, TotalSpend: in.TotalSpend,
		TotalVisits: in.TotalVisits, LastOrderAt: in.LastOrderAt, Status: in.Status,
	}
}

// event gives the wire form.
func (in OrderInput) event() event.OrderReceived {
	e := event.OrderReceived{
		CustomerEmail: in.CustomerEmail, OrderAmount: in.Amount, OrderStatus: string(in.Status),
		ExternalID: in.ExternalID, OrderedAt: in.OrderedAt,
	}
	if in.Source != "" {
		e.Source = &in.Source
	}
	return e
}
