package api

import (
	"context"
	"net/http"

	"github.com/xencrm/xencrm/internal/campaign"
)

// suppressions is the list of those who are not written to.
type suppressions struct{ service Suppressions }

// suppressionView is a suppression as clients see it.
type suppressionView struct {
	Email     string  `json:"email" doc:"The address, in lower case." example:"asha@shop.in"`
	Reason    string  `json:"reason" doc:"UNSUBSCRIBED, BOUNCED, COMPLAINED, MANUAL, or ERASED for the former address of an erased customer, which only a look for that address shows." example:"UNSUBSCRIBED"`
	CreatedBy string  `json:"created_by" doc:"Who suppressed it: a principal, or the campaign whose link was followed." example:"anonymous"`
	CreatedAt instant `json:"created_at" doc:"Since when." example:"2025-09-14T12:00:00.000Z"`
}

type suppressionBody struct {
	Email  *string `json:"email" required:"true" nullable:"false" format:"email" maxLength:"255" doc:"The address; trimmed and lower-cased." example:"asha@shop.in"`
	Reason *string `json:"reason,omitempty" nullable:"true" enum:"UNSUBSCRIBED,BOUNCED,COMPLAINED,MANUAL" doc:"Why; MANUAL if absent. The first reason of an address stands." example:"BOUNCED"`
}

type suppressionQuery struct {
	Email  string     `query:"email" doc:"One address; write + as %2B." example:"asha@shop.in"`
	Reason string     `query:"reason" doc:"UNSUBSCRIBED, BOUNCED, COMPLAINED or MANUAL; any if absent." example:"BOUNCED"`
	Limit  limitParam `query:"limit" doc:"Records per page; more than 100 is taken as 100." example:"10"`
	Cursor string     `query:"cursor" doc:"next_cursor of the page before, with the same filter." example:"eyJpIjoiMDE5N2U1YjUifQ"`
}

func (s suppressions) list(ctx context.Context, in *suppressionQuery) (*reply[slice[suppressionView]], error) {
	reason, err := oneOf("reason", in.Reason, "",
		convert(campaign.SuppressionReasons(), func(r campaign.SuppressionReason) string { return string(r) })...)
	if err != nil {
		return nil, err
	}
	limit, err := in.Limit.number()
	if err != nil {
		return nil, err
	}
	scope := []string{"suppressions", reason, in.Email}
	after, err := positionOf(in.Cursor, scope)
	if err != nil {
		return nil, err
	}
	found, err := s.service.List(ctx, campaign.SuppressionFilter{
		Email: in.Email, Reason: campaign.SuppressionReason(reason), After: after, Limit: limit,
	})
	if err != nil {
		return nil, err
	}
	return sliced(found, viewSuppression, scope), nil
}

type suppressionOutput struct {
	Status int
	Body   answer[suppressionView]
}

func (s suppressions) add(ctx context.Context, in *struct{ Body jsonBody[suppressionBody] }) (*suppressionOutput, error) {
	said, err := in.Body.decode()
	if err != nil {
		return nil, err
	}
	stored, created, err := s.service.Add(ctx, deref(said.Email), deref(said.Reason), principalOf(ctx))
	if err != nil {
		return nil, err
	}
	out := &suppressionOutput{Status: http.StatusOK, Body: answer[suppressionView]{Success: true, Data: viewSuppression(stored)}}
	if created {
		out.Status = http.StatusCreated
	}
	return out, nil
}

// removedView says whether there was anything to remove: a repeat is no fault.
type removedView struct {
	Removed bool `json:"removed" doc:"Whether the address was suppressed." example:"true"`
}

// The address is in the query, for one may hold a slash.
type suppressionAddress struct {
	Email string `query:"email" required:"true" doc:"The address; write + as %2B." example:"asha@shop.in"`
}

func (s suppressions) remove(ctx context.Context, in *suppressionAddress) (*reply[answer[removedView]], error) {
	removed, err := s.service.Remove(ctx, in.Email)
	if err != nil {
		return nil, err
	}
	return ok(removedView{Removed: removed}), nil
}

func viewSuppression(s campaign.Suppression) suppressionView {
	return suppressionView{
		Email: s.Email, Reason: string(s.Reason), CreatedBy: s.CreatedBy, CreatedAt: instant{s.CreatedAt},
	}
}
