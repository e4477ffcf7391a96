package api

import (
	"context"
	"unicode/utf8"

	"github.com/xencrm/xencrm/internal/customer"
)

// customers shows and changes customers that are stored; what is posted goes through ingest.
type customers struct{ service Records }

// CustomerView is a customer as clients see it.
type CustomerView struct {
	CustomerID  string   `json:"customer_id" format:"uuid" doc:"The customer's id." example:"0197e5b5-3333-7a64-8a3c-3a5ef2c43a11"`
	Name        string   `json:"name" doc:"The customer's name; [erased] when it was erased." example:"Asha"`
	Email       string   `json:"email" doc:"The customer's address." example:"asha@shop.in"`
	Phone       *string  `json:"phone" doc:"The customer's phone, null when not known." example:"+91 98765 43210"`
	Status      string   `json:"status" doc:"ACTIVE or INACTIVE." example:"ACTIVE"`
	TotalSpend  string   `json:"total_spend" doc:"An exact decimal: the opening value and all completed orders." example:"1234.5"`
	TotalVisits int      `json:"total_visits" doc:"Visits so far." example:"7"`
	TotalOrders int      `json:"total_orders" doc:"Completed orders so far." example:"3"`
	LastOrderAt *instant `json:"last_order_at" nullable:"true" doc:"When the last completed order was." example:"2025-09-01T10:00:00.000Z"`
	Erased      bool     `json:"erased" doc:"Whether it was erased." example:"false"`
	Version     int64    `json:"version" doc:"Counts its changes from 1; also its ETag." example:"4"`
	CreatedAt   instant  `json:"created_at" doc:"When it was made." example:"2025-09-14T12:00:00.000Z"`
	UpdatedAt   instant  `json:"updated_at" doc:"When it was last changed." example:"2025-09-14T12:00:00.000Z"`
}

// customerDetail is a customer with its last orders.
type customerDetail struct {
	CustomerView

	LastOrders []orderView `json:"last_orders" nullable:"false" doc:"Its last ten orders, the newest first."`
}

// customerEdit is what a client changes of a customer. The service reads the body for itself: it tells
// null from absent.
type customerEdit struct {
	Name   *string `json:"name,omitempty" minLength:"1" maxLength:"255" doc:"The new name; kept as it is if absent." example:"Asha Rao"`
	Phone  *string `json:"phone,omitempty" nullable:"true" maxLength:"20" doc:"The new phone; null takes it away, absent keeps it." example:"+91 98765 43210"`
	Status *string `json:"status,omitempty" enum:"ACTIVE,INACTIVE" doc:"The new status; kept as it is if absent." example:"INACTIVE"`
}

type customerID struct {
	ID string `path:"id" format:"uuid" doc:"The customer's id." example:"0197e5b5-3333-7a64-8a3c-3a5ef2c43a11"`
}

// customerOutput is one customer and its version.
type customerOutput[T any] struct {
	ETag string `header:"ETag" doc:"The version, for If-Match." example:"\"4\""`
	Body answer[T]
}

type customerQuery struct {
	Status string     `query:"status" doc:"ACTIVE or INACTIVE; any if absent." example:"ACTIVE"`
	Q      string     `query:"q" maxLength:"255" doc:"How the address or the name begins, in whatever case." example:"ash"`
	Sort   string     `query:"sort" doc:"-created (newest first), created, name or email." example:"-created"`
	Limit  limitParam `query:"limit" doc:"Records per page; more than 100 is taken as 100." example:"10"`
	Cursor string     `query:"cursor" doc:"next_cursor of the page before, with the same filter and sort." example:"eyJpIjoiMDE5N2U1YjUifQ"`
}

// longestPrefix is the width of the columns that are searched.
const longestPrefix = 255

func (q customerQuery) filter() (customer.Filter, []string, error) {
	status, err := oneOf("status", q.Status, "", customer.StatusActive, customer.StatusInactive)
	if err != nil {
		return customer.Filter{}, nil, err
	}
	sort, err := oneOf("sort", q.Sort, string(customer.SortNewest), string(customer.SortNewest), string(customer.SortOldest),
		string(customer.SortName), string(customer.SortEmail))
	if err != nil {
		return customer.Filter{}, nil, err
	}
	if utf8.RuneCountInString(q.Q) > longestPrefix {
		return customer.Filter{}, nil, refusedParam("q", "must be at most 255 characters")
	}
	limit, err := q.Limit.number()
	if err != nil {
		return customer.Filter{}, nil, err
	}
	scope := []string{"customers", status, sort, q.Q}
	after, err := positionOf(q.Cursor, scope)
	return customer.Filter{
		Status: status, Prefix: q.Q, Sort: customer.Sort(sort), After: after, Limit: limit,
	}, scope, err
}

func (c customers) list(ctx context.Context, in *customerQuery) (*reply[slice[CustomerView]], error) {
	filter, scope, err := in.filter()
	if err != nil {
		return nil, err
	}
	found, err := c.service.List(ctx, filter)
	if err != nil {
		return nil, err
	}
	return sliced(found, viewCustomer, scope), nil
}

func (c customers) get(ctx context.Context, in *customerID) (*customerOutput[customerDetail], error) {
	id, err := idOf(in.ID, "Customer")
	if err != nil {
		return nil, err
	}
	found, err := c.service.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return tagged(found.Record, customerDetail{
		CustomerView: viewCustomer(found.Record), LastOrders: convert(found.Orders, viewOrder),
	}), nil
}

type customerPatch struct {
	ID      string `path:"id" format:"uuid" doc:"The customer's id." example:"0197e5b5-3333-7a64-8a3c-3a5ef2c43a11"`
	IfMatch string `header:"If-Match" doc:"The ETag that was read, or * for whatever there is. Required." example:"\"4\""`
	Body    jsonBody[customerEdit]
}

func (c customers) edit(ctx context.Context, in *customerPatch) (*customerOutput[CustomerView], error) {
	id, err := idOf(in.ID, "Customer")
	if err != nil {
		return nil, err
	}
	if _, err := in.Body.decode(); err != nil {
		return nil, err
	}
	match, err := matchOf(in.IfMatch)
	if err != nil {
		return nil, err
	}
	changed, err := c.service.Edit(ctx, id, match, in.Body.raw)
	if err != nil {
		return nil, stale(err)
	}
	return tagged(changed, viewCustomer(changed)), nil
}

func (c customers) deactivate(ctx context.Context, in *customerID) (*customerOutput[CustomerView], error) {
	id, err := idOf(in.ID, "Customer")
	if err != nil {
		return nil, err
	}
	changed, err := c.service.Deactivate(ctx, id)
	if err != nil {
		return nil, err
	}
	return tagged(changed, viewCustomer(changed)), nil
}

func (c customers) erase(ctx context.Context, in *customerID) (*customerOutput[CustomerView], error) {
	id, err := idOf(in.ID, "Customer")
	if err != nil {
		return nil, err
	}
	erased, err := c.service.Erase(ctx, id)
	if err != nil {
		return nil, err
	}
	return tagged(erased, viewCustomer(erased)), nil
}

func tagged[T any](r customer.Record, view T) *customerOutput[T] {
	return &customerOutput[T]{ETag: etagOf(r.Version), Body: answer[T]{Success: true, Data: view}}
}

func viewCustomer(r customer.Record) CustomerView {
	return CustomerView{
		CustomerID: r.ID.String(), Name: r.Name, Email: r.Email, Phone: r.Phone, Status: r.Status,
		TotalSpend: r.TotalSpend.String(), TotalVisits: int(r.TotalVisits), TotalOrders: int(r.TotalOrders),
		LastOrderAt: instantOf(r.LastOrderAt), Erased: r.Erased(), Version: r.Version,
		CreatedAt: instant{r.CreatedAt}, UpdatedAt: instant{r.UpdatedAt},
	}
}
