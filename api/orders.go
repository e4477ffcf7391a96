package api

import (
	"context"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/customer"
)

// orders shows orders and moves their status; what is posted goes through ingest.
type orders struct{ service Orders }

// orderView is an order as clients see it.
type orderView struct {
	OrderID     string  `json:"order_id" format:"uuid" doc:"The order's id." example:"0197e5b5-4444-7a64-8a3c-3a5ef2c43a11"`
	CustomerID  string  `json:"customer_id" format:"uuid" doc:"Whose order it is." example:"0197e5b5-3333-7a64-8a3c-3a5ef2c43a11"`
	OrderAmount string  `json:"order_amount" doc:"An exact decimal." example:"499.9"`
	OrderStatus string  `json:"order_status" doc:"PENDING, COMPLETED, CANCELLED or REFUNDED." example:"COMPLETED"`
	ExternalID  *string `json:"external_id" doc:"The client's own id of the order, null when it gave none." example:"shop-1001"`
	OrderSource string  `json:"order_source" doc:"Where external_id is unique." example:"webshop"`
	OrderedAt   instant `json:"ordered_at" doc:"When it was ordered." example:"2025-09-14T12:00:00.000Z"`
	CreatedAt   instant `json:"created_at" doc:"When it was stored." example:"2025-09-14T12:00:00.000Z"`
	UpdatedAt   instant `json:"updated_at" doc:"When it was last changed." example:"2025-09-14T12:00:00.000Z"`
}

type orderQuery struct {
	CustomerID string     `query:"customer_id" format:"uuid" doc:"Whose orders; everybody's if absent." example:"0197e5b5-3333-7a64-8a3c-3a5ef2c43a11"`
	Status     string     `query:"status" doc:"PENDING, COMPLETED, CANCELLED or REFUNDED; any if absent." example:"COMPLETED"`
	Limit      limitParam `query:"limit" doc:"Records per page; more than 100 is taken as 100." example:"10"`
	Cursor     string     `query:"cursor" doc:"next_cursor of the page before, with the same filter." example:"eyJpIjoiMDE5N2U1YjUifQ"`
}

func orderStatuses() []string {
	return []string{
		string(customer.OrderPending), string(customer.OrderCompleted), string(customer.OrderCancelled), string(customer.OrderRefunded),
	}
}

func (q orderQuery) filter() (customer.OrderFilter, []string, error) {
	status, err := oneOf("status", q.Status, "", orderStatuses()...)
	if err != nil {
		return customer.OrderFilter{}, nil, err
	}
	var owner uuid.UUID
	if q.CustomerID != "" {
		id, valid := parseID(q.CustomerID)
		if !valid {
			return customer.OrderFilter{}, nil, refusedParam("customer_id", "must be the id of a customer")
		}
		owner = id
	}
	limit, err := q.Limit.number()
	if err != nil {
		return customer.OrderFilter{}, nil, err
	}
	scope := []string{"orders", owner.String(), status}
	after, err := positionOf(q.Cursor, scope)
	return customer.OrderFilter{
		CustomerID: owner, Status: customer.OrderStatus(status), After: after, Limit: limit,
	}, scope, err
}

func (o orders) list(ctx context.Context, in *orderQuery) (*reply[slice[orderView]], error) {
	filter, scope, err := in.filter()
	if err != nil {
		return nil, err
	}
	found, err := o.service.ListOrders(ctx, filter)
	if err != nil {
		return nil, err
	}
	return sliced(found, viewOrder, scope), nil
}

type orderID struct {
	ID string `path:"id" format:"uuid" doc:"The order's id." example:"0197e5b5-4444-7a64-8a3c-3a5ef2c43a11"`
}

func (o orders) get(ctx context.Context, in *orderID) (*reply[answer[orderView]], error) {
	id, err := idOf(in.ID, "Order")
	if err != nil {
		return nil, err
	}
	found, err := o.service.GetOrder(ctx, id)
	if err != nil {
		return nil, err
	}
	return ok(viewOrder(found)), nil
}

type orderEdit struct {
	OrderStatus *string `json:"order_status" required:"true" nullable:"false" enum:"PENDING,COMPLETED,CANCELLED,REFUNDED" doc:"The new status. An order moves from PENDING over COMPLETED and CANCELLED to REFUNDED, never back." example:"REFUNDED"`
}

type orderPatch struct {
	ID   string `path:"id" format:"uuid" doc:"The order's id." example:"0197e5b5-4444-7a64-8a3c-3a5ef2c43a11"`
	Body jsonBody[orderEdit]
}

// move needs no If-Match: a status only moves one way, so a stale request is refused or changes nothing.
func (o orders) move(ctx context.Context, in *orderPatch) (*reply[answer[orderView]], error) {
	id, err := idOf(in.ID, "Order")
	if err != nil {
		return nil, err
	}
	said, err := in.Body.decode()
	if err != nil {
		return nil, err
	}
	moved, err := o.service.MoveOrder(ctx, id, customer.OrderStatus(deref(said.OrderStatus)))
	if err != nil {
		return nil, err
	}
	return ok(viewOrder(moved)), nil
}

func viewOrder(o customer.OrderRecord) orderView {
	return orderView{
		OrderID: o.ID.String(), CustomerID: o.CustomerID.String(), OrderAmount: o.Amount.String(),
		OrderStatus: string(o.Status), ExternalID: o.ExternalID, OrderSource: o.Source,
		OrderedAt: instant{o.OrderedAt}, CreatedAt: instant{o.CreatedAt}, UpdatedAt: instant{o.UpdatedAt},
	}
}
