package api

import (
	"context"
	"encoding/json"

	"github.com/xencrm/xencrm/internal/campaign"
)

// previewBody holds rules that were not saved yet.
type previewBody struct {
	Rules rules `json:"rules" doc:"The rules to try; an empty list matches nobody."`
}

// countView never holds the SQL, which the reference gave away as query (D5).
type countView struct {
	Success bool `json:"success" doc:"Always true." example:"true"`
	Count   int  `json:"count" doc:"Customers that match now." example:"42"`
}

func (s segments) count(ctx context.Context, in *struct{ Body jsonBody[previewBody] }) (*reply[countView], error) {
	said, err := in.Body.decode()
	if err != nil {
		return nil, err
	}
	if !said.Rules.isList() {
		return nil, refused("/rules", "Rules array is required")
	}
	out := &reply[countView]{Body: countView{Success: true}}
	if said.Rules.isEmpty() {
		return out, nil
	}
	out.Body.Count, err = s.service.Count(ctx, json.RawMessage(said.Rules))
	if err != nil {
		return nil, badRules(underRules(err))
	}
	return out, nil
}

// sampleInput has the rules as JSON in the query. The reference decoded them twice, so that a
// literal % made them unreadable (D57).
type sampleInput struct {
	Rules string     `query:"rules" required:"true" doc:"The rules to try, as JSON." example:"[{\"operator\":\"AND\",\"rules\":[{\"field\":\"total_spend\",\"operator\":\">\",\"value\":5000}]}]"`
	Limit limitParam `query:"limit" doc:"Customers to show; more than 100 is taken as 100." example:"10"`
}

// sampleView is one customer of a preview.
type sampleView struct {
	CustomerID         string  `json:"customer_id" format:"uuid" doc:"The customer's id." example:"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	Name               *string `json:"name" doc:"The customer's name." example:"Asha"`
	Email              *string `json:"email" doc:"The customer's address." example:"asha@shop.in"`
	TotalSpend         string  `json:"total_spend" doc:"An exact decimal." example:"1234.5"`
	TotalVisits        int     `json:"total_visits" doc:"Visits so far." example:"7"`
	TotalOrders        int     `json:"total_orders" doc:"Orders so far." example:"3"`
	Status             string  `json:"status" doc:"ACTIVE or INACTIVE." example:"ACTIVE"`
	DaysSinceLastOrder *int    `json:"days_since_last_order" doc:"Whole days since the last order, null when there was none." example:"12"`
}

type sampleAnswer struct {
	Success bool         `json:"success" doc:"Always true." example:"true"`
	Data    []sampleView `json:"data" nullable:"false" doc:"Some who match, the highest spenders first."`
	Count   int          `json:"count" doc:"Rows in data." example:"10"`
	Limit   int          `json:"limit,omitempty" doc:"The limit that was applied." example:"10"`
}

func (s segments) sample(ctx context.Context, in *sampleInput) (*reply[sampleAnswer], error) {
	limit, err := in.Limit.number()
	if err != nil {
		return nil, err
	}
	raw := rules(in.Rules)
	switch {
	case in.Rules == "":
		return nil, refused("", "Rules parameter is required")
	case unreadable(raw) != "":
		return nil, refused("", "Invalid rules format")
	case !raw.isList() || raw.isEmpty():
		return &reply[sampleAnswer]{Body: sampleAnswer{Success: true, Data: []sampleView{}}}, nil
	}
	found, err := s.service.Sample(ctx, json.RawMessage(raw), limit)
	if err != nil {
		return nil, badRules(err)
	}
	data := convert(found, viewSample)
	return &reply[sampleAnswer]{Body: sampleAnswer{Success: true, Data: data, Count: len(data), Limit: limit}}, nil
}

func viewSample(c campaign.SampleCustomer) sampleView {
	return sampleView{
		CustomerID: c.ID.String(), Name: c.Name, Email: c.Email, TotalSpend: c.TotalSpend.String(),
		TotalVisits: c.TotalVisits, TotalOrders: c.TotalOrders, Status: c.Status, DaysSinceLastOrder: c.DaysSinceLastOrder,
	}
}
