package api

import (
	"context"
	"net/http"

	"github.com/xencrm/xencrm/internal/errs"
)

// ingest is the reference's ingestion service. The body goes to the customer service as it came:
// the consumer reads the same bytes by the same rules, so nothing is accepted that it would refuse.
type ingest struct{ service Customers }

// customerBody documents POST /customers.
type customerBody struct {
	Name        string   `json:"name" required:"true" minLength:"1" maxLength:"255" doc:"The customer's name; trimmed." example:"Asha"`
	Email       string   `json:"email" required:"true" format:"email" maxLength:"255" doc:"Names the customer; trimmed and lower-cased." example:"asha@shop.in"`
	Phone       *string  `json:"phone,omitempty" maxLength:"20" doc:"Kept as it is if absent." example:"+91 98765 43210"`
	TotalSpend  *amount  `json:"total_spend,omitempty" doc:"The opening spend; kept as it is if absent (D40)." example:"1234.5"`
	TotalVisits *int32   `json:"total_visits,omitempty" minimum:"0" doc:"The opening visits; kept as they are if absent." example:"7"`
	LastOrderAt *instant `json:"last_order_at,omitempty" doc:"When the last order was; kept as it is if absent." example:"2025-09-01T10:00:00.000Z"`
	Status      *string  `json:"status,omitempty" enum:"ACTIVE,INACTIVE" doc:"ACTIVE for a new customer; kept as it is if absent." example:"ACTIVE"`
}

// orderBody documents POST /orders.
type orderBody struct {
	CustomerEmail string   `json:"customer_email" required:"true" format:"email" doc:"Whose order it is; the customer must exist." example:"asha@shop.in"`
	OrderAmount   amount   `json:"order_amount" required:"true" doc:"From 0.01 to 99999999.99, rounded to two decimals." example:"499.9"`
	OrderStatus   *string  `json:"order_status,omitempty" enum:"PENDING,COMPLETED,CANCELLED,REFUNDED" doc:"COMPLETED if absent; only that counts towards spend and visits." example:"COMPLETED"`
	ExternalID    *string  `json:"external_id,omitempty" minLength:"1" maxLength:"100" doc:"Your own id of the order, unique within order_source: a repeat is the same order (D43)." example:"shop-1001"`
	OrderSource   *string  `json:"order_source,omitempty" maxLength:"50" doc:"Where external_id is unique." example:"webshop"`
	OrderedAt     *instant `json:"ordered_at,omitempty" doc:"When it was ordered; now if absent." example:"2025-09-14T12:00:00.000Z"`
}

type customerInput struct {
	IdempotencyKey string `header:"Idempotency-Key" minLength:"1" maxLength:"255" doc:"Makes a repeated request one effect." example:"shop-1001"`
	Body           jsonBody[customerBody]
}

type orderInput struct {
	IdempotencyKey string `header:"Idempotency-Key" minLength:"1" maxLength:"255" doc:"Makes a repeated request one effect." example:"shop-1001"`
	Body           jsonBody[orderBody]
}

type queuedCustomer struct {
	Email  string `json:"email" doc:"The address as it is stored." example:"asha@shop.in"`
	Name   string `json:"name" doc:"The name as it is stored." example:"Asha"`
	Status string `json:"status" doc:"Always queued." example:"queued"`
}

type queuedOrder struct {
	CustomerEmail string `json:"customer_email" doc:"The address as it is stored." example:"asha@shop.in"`
	OrderAmount   amount `json:"order_amount" doc:"The amount as it is stored; a JSON number." example:"499.9"`
	OrderStatus   string `json:"order_status" doc:"The status as it is stored." example:"COMPLETED"`
	Status        string `json:"status" doc:"Always queued." example:"queued"`
}

// queued is the reference's answer to what is on its way.
type queued[T any] struct {
	Success bool   `json:"success" doc:"Always true." example:"true"`
	Message string `json:"message" doc:"That it is queued." example:"Order data received and queued for processing"`
	Data    T      `json:"data" doc:"What was queued."`
}

func (i ingest) customer(ctx context.Context, in *customerInput) (*reply[queued[queuedCustomer]], error) {
	if p := in.Body.unreadable(); p != nil {
		return nil, p
	}
	accepted, err := i.service.AcceptCustomer(ctx, in.Body.raw, in.IdempotencyKey)
	if err != nil {
		return nil, ingestProblem(err)
	}
	return &reply[queued[queuedCustomer]]{Body: queued[queuedCustomer]{
		Success: true, Message: "Customer data received and queued for processing",
		Data: queuedCustomer{Email: accepted.Email, Name: accepted.Name, Status: "queued"},
	}}, nil
}

func (i ingest) order(ctx context.Context, in *orderInput) (*reply[queued[queuedOrder]], error) {
	if p := in.Body.unreadable(); p != nil {
		return nil, p
	}
	accepted, err := i.service.AcceptOrder(ctx, in.Body.raw, in.IdempotencyKey)
	if err != nil {
		return nil, ingestProblem(err)
	}
	return &reply[queued[queuedOrder]]{Body: queued[queuedOrder]{
		Success: true, Message: "Order data received and queued for processing",
		Data: queuedOrder{
			CustomerEmail: accepted.CustomerEmail, OrderAmount: amount(accepted.OrderAmount.String()),
			OrderStatus: accepted.OrderStatus, Status: "queued",
		},
	}}, nil
}

// ingestProblem gives the texts and the 400 of the reference's ingestion service. Here message is
// the short text and error, where there is one, the long.
func ingestProblem(err error) error {
	switch errs.CodeOf(err) {
	case errs.Invalid:
		p := asProblem(err, "")
		p.Status, p.Message = http.StatusBadRequest, "Validation failed"
		if len(p.Errors) > 0 {
			p.Detail, p.ErrorText = p.Errors[0].Message, p.Errors[0].Message
		}
		return p
	case errs.NotFound:
		p := asProblem(err, "")
		p.Message = "Customer not found"
		p.ErrorText = "The specified customer email does not exist. Please create the customer first."
		p.Detail = p.ErrorText
		return p
	case errs.Unavailable:
		p := asProblem(err, "")
		p.Message = "Service temporarily unavailable - messaging system down"
		return p
	case errs.Conflict, errs.Unauthorized, errs.Forbidden, errs.RateLimited, errs.Unknown, errs.Internal:
	}
	return err
}
