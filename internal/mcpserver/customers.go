package mcpserver

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/segment"
)

func customerTools() []tool {
	return []tool{
		define(tool{
			name: "add_customer", title: "Add a customer", needs: auth.WriteCustomers, effect: adds, repeatable: true,
			description: "Adds a customer, or changes the one with this e-mail address: only the fields that are given are changed. " +
				"The customer is queued and appears in searches and segments within a second or two.",
		}, addCustomer),
		define(tool{
			name: "add_order", title: "Record an order", needs: auth.WriteOrders, effect: adds,
			description: "Records an order of a customer who is there already; name the customer by customer_email or by customer_id. " +
				"A COMPLETED order adds to the customer's total spend and visits. Two calls are two orders, unless they share an " +
				"external_id or an idempotency_key.",
		}, addOrder),
		define(tool{
			name: "search_customers", title: "Search customers", needs: auth.ReadCustomers, effect: reads,
			description: "Lists customers whose name or e-mail address begins with a text, newest first.",
		}, searchCustomers),
	}
}

type customerIn struct {
	Name           string  `json:"name"                      jsonschema_description:"Full name."                                                   length:"255"`
	Email          string  `json:"email"                     jsonschema_description:"E-mail address; it tells customers apart. Stored in lower case." length:"254"`
	Phone          string  `json:"phone,omitempty"           jsonschema_description:"Telephone number, with country code if it has one."            length:"20"`
	TotalSpend     float64 `json:"total_spend,omitempty"     jsonschema_description:"Rupees spent so far, with at most two decimals."              min:"0"`
	TotalVisits    int     `json:"total_visits,omitempty"    jsonschema_description:"Visits so far."                                               min:"0"`
	LastOrderAt    string  `json:"last_order_at,omitempty"   jsonschema_description:"When the customer last ordered, RFC 3339 with a zone or a date."`
	Status         string  `json:"status,omitempty"          jsonschema:"enum=ACTIVE,enum=INACTIVE"                                                jsonschema_description:"ACTIVE unless said otherwise."`
	IdempotencyKey string  `json:"idempotency_key,omitempty" jsonschema_description:"Any text of your own; calls with the same one count once."    length:"255"`
}

type customerOut struct {
	Queued bool   `json:"queued" jsonschema_description:"It is stored safely and will be there in a moment."`
	Name   string `json:"name"`
	Email  string `json:"email"`
}

// Text says what happened.
func (customerOut) Text() string {
	return "The customer is queued and will be ready for orders, segments and campaigns in a moment."
}

func addCustomer(ctx context.Context, c call, in customerIn) (customerOut, error) {
	// As it was said: a number that was not given is another thing than 0.
	raw, err := object(c.request.Params.Arguments, "idempotency_key")
	if err != nil {
		return customerOut{}, err
	}
	got, err := c.Ingest.AcceptCustomer(ctx, raw, in.IdempotencyKey)
	return customerOut{Queued: true, Name: cleanName(got.Name), Email: cleanName(got.Email)}, err
}

type orderIn struct {
	OrderAmount    float64 `json:"order_amount"              jsonschema_description:"Rupees, with at most two decimals, such as 1200 or 1234.50."  min:"0.01"`
	CustomerEmail  string  `json:"customer_email,omitempty"  jsonschema_description:"E-mail address of the customer; this or customer_id."         length:"254"`
	CustomerID     string  `json:"customer_id,omitempty"     jsonschema_description:"Id of the customer; it wins over customer_email."             length:"36"`
	OrderStatus    string  `json:"order_status,omitempty"    jsonschema:"enum=COMPLETED,enum=PENDING,enum=CANCELLED,enum=REFUNDED"                 jsonschema_description:"COMPLETED unless said otherwise."`
	ExternalID     string  `json:"external_id,omitempty"     jsonschema_description:"The order's number in the shop: the same number is the same order." length:"100"`
	OrderedAt      string  `json:"ordered_at,omitempty"      jsonschema_description:"When it was ordered, RFC 3339 with a zone or a date; now unless said otherwise."`
	IdempotencyKey string  `json:"idempotency_key,omitempty" jsonschema_description:"Any text of your own; calls with the same one count once."    length:"255"`
}

type orderOut struct {
	Queued        bool   `json:"queued" jsonschema_description:"It is stored safely and counts in a moment."`
	CustomerEmail string `json:"customer_email"`
	OrderAmount   string `json:"order_amount" jsonschema_description:"Rupees, an exact decimal."`
	Amount        string `json:"amount_text" jsonschema_description:"The amount as people write it."`
	OrderStatus   string `json:"order_status"`
}

// Text says what happened.
func (o orderOut) Text() string {
	return fmt.Sprintf("The order of %s is queued; the customer's totals follow in a moment.", o.Amount)
}

func addOrder(ctx context.Context, c call, in orderIn) (orderOut, error) {
	var fields map[string]any
	if err := decode(c.request.Params.Arguments, &fields); err != nil {
		return orderOut{}, err
	}
	delete(fields, "idempotency_key")
	delete(fields, "customer_id")
	switch {
	case in.CustomerID != "":
		email, err := c.emailOf(ctx, in.CustomerID)
		if err != nil {
			return orderOut{}, err
		}
		fields["customer_email"] = email
	case in.CustomerEmail == "":
		return orderOut{}, errs.InvalidFields("whose order is it? Give customer_email or customer_id",
			[]errs.Field{{Pointer: "/customer_email", Message: "is required unless customer_id is given"}})
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		return orderOut{}, err
	}
	got, err := c.Ingest.AcceptOrder(ctx, raw, in.IdempotencyKey)
	return orderOut{
		Queued: true, CustomerEmail: c.eyes().email(got.CustomerEmail), OrderAmount: got.OrderAmount.String(),
		Amount: segment.Rupees(got.OrderAmount.StringFixed(paise)), OrderStatus: got.OrderStatus,
	}, err
}

// paise are the decimals of a rupee.
const paise = 2

func (c call) emailOf(ctx context.Context, raw string) (string, error) {
	id, err := uuid.Parse(raw)
	if err != nil {
		return "", errs.InvalidFields("customer_id is no id: it has the form 0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11; "+
			"search_customers finds it, or give customer_email",
			[]errs.Field{{Pointer: "/customer_id", Message: "must be a UUID"}})
	}
	found, err := c.Records.Get(ctx, id)
	return found.Email, err
}

type searchIn struct {
	Query  string `json:"query,omitempty"  jsonschema_description:"How the name or the e-mail address begins, in any case; everybody if left out." length:"255"`
	Status string `json:"status,omitempty" jsonschema:"enum=ACTIVE,enum=INACTIVE" jsonschema_description:"Only customers with this status."`
	Limit  int    `json:"limit,omitempty"  jsonschema_description:"How many to list, 10 unless said otherwise."                              min:"1" max:"50"`
	Cursor string `json:"cursor,omitempty" jsonschema_description:"next_cursor of the page before, with the same query and status."          length:"4096"`
}

type searchOut struct {
	Customers  []customerView `json:"customers"`
	NextCursor string         `json:"next_cursor,omitempty" jsonschema_description:"Where the next page begins; absent on the last."`
}

// customerView is a customer as an assistant sees one. Name, e-mail address and phone were typed by others.
type customerView struct {
	CustomerID  string `json:"customer_id"`
	Name        string `json:"name"`
	Email       string `json:"email"`
	Phone       string `json:"phone,omitempty"`
	TotalSpend  string `json:"total_spend" jsonschema_description:"Rupees, an exact decimal."`
	Spend       string `json:"total_spend_text" jsonschema_description:"The same as people write it."`
	TotalVisits int    `json:"total_visits"`
	TotalOrders int    `json:"total_orders"`
	LastOrderAt string `json:"last_order_at,omitempty"`
	Status      string `json:"status"`
}

// Text says how many there are.
func (o searchOut) Text() string {
	if len(o.Customers) == 0 {
		return "No customer matches."
	}
	more := ""
	if o.NextCursor != "" {
		more = ", and there are more"
	}
	return fmt.Sprintf("Found %d customer(s)%s.", len(o.Customers), more)
}

// defaultLimit is the reference's.
const defaultLimit = 10

func searchCustomers(ctx context.Context, c call, in searchIn) (searchOut, error) {
	scope := []string{"mcp-customers", in.Query, in.Status}
	after, err := cursor.Decode(in.Cursor, scope...)
	if err != nil {
		return searchOut{}, errs.InvalidFields("cursor "+err.Error(), []errs.Field{{Pointer: "/cursor", Message: err.Error()}})
	}
	page, err := c.Records.List(ctx, customer.Filter{
		Status: in.Status, Prefix: in.Query, Sort: customer.SortNewest, After: after, Limit: orDefault(in.Limit, defaultLimit),
	})
	out := searchOut{Customers: []customerView{}, NextCursor: cursor.Encode(page.Next, scope...)}
	for _, r := range page.Items {
		out.Customers = append(out.Customers, c.eyes().customer(r.Customer))
	}
	return out, err
}

func (e eyes) customer(r customer.Customer) customerView {
	v := customerView{
		CustomerID: r.ID.String(), Name: cleanName(r.Name), Email: e.email(r.Email), Phone: e.phone(r.Phone),
		TotalSpend: r.TotalSpend.String(), Spend: segment.Rupees(r.TotalSpend.StringFixed(paise)),
		TotalVisits: int(r.TotalVisits), TotalOrders: int(r.TotalOrders), Status: r.Status,
	}
	if r.LastOrderAt != nil {
		v.LastOrderAt = r.LastOrderAt.UTC().Format(time.RFC3339)
	}
	return v
}

func orDefault(n, fallback int) int {
	if n == 0 {
		return fallback
	}
	return n
}
