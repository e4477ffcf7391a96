package api

import (
	"context"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/cursor"
)

// The reference pages campaigns by number and segments not at all. Both go on so; a cursor is the way
// that neither repeats nor hides what is made meanwhile, and costs the same on every page.

// campaignPage is one page of campaigns, by number or by cursor.
type campaignPage struct {
	Success    bool           `json:"success" doc:"Always true." example:"true"`
	Data       []campaignView `json:"data" nullable:"false" doc:"The records of this page."`
	Pagination *pagination    `json:"pagination,omitempty" doc:"Where this page stands; absent when a cursor asked for it."`
	NextCursor string         `json:"next_cursor,omitempty" doc:"The cursor of the next page; absent on the last." example:"eyJpIjoiMDE5N2U1YjUifQ"`
}

type campaignQuery struct {
	Limit  limitParam `query:"limit" doc:"Records per page; more than 100 is taken as 100." example:"10"`
	Page   pageParam  `query:"page" doc:"The page's number, from 1; not together with cursor." example:"1"`
	Cursor string     `query:"cursor" doc:"next_cursor of the page before." example:"eyJpIjoiMDE5N2U1YjUifQ"`
}

func campaignScope() []string { return []string{"campaigns"} }

func (c campaigns) list(ctx context.Context, in *campaignQuery) (*reply[campaignPage], error) {
	if in.Cursor != "" {
		return c.listAfter(ctx, in)
	}
	request, err := paging{Limit: in.Limit, Page: in.Page}.request()
	if err != nil {
		return nil, err
	}
	found, err := c.service.List(ctx, request)
	if err != nil {
		return nil, err
	}
	at := paginate(request, found.Total)
	out := campaignPage{Success: true, Data: convert(found.Items, viewCampaign), Pagination: &at}
	if n := len(found.Items); at.HasNext && n > 0 {
		out.NextCursor = cursor.Encode(found.Items[n-1].Position(), campaignScope()...)
	}
	return &reply[campaignPage]{Body: out}, nil
}

func (c campaigns) listAfter(ctx context.Context, in *campaignQuery) (*reply[campaignPage], error) {
	if in.Page != "" {
		return nil, refusedParam("page", "must not be given together with cursor")
	}
	limit, err := in.Limit.number()
	if err != nil {
		return nil, err
	}
	after, err := newestAfter(in.Cursor, campaignScope())
	if err != nil {
		return nil, err
	}
	found, err := c.service.ListAfter(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	return &reply[campaignPage]{Body: campaignPage{
		Success: true, Data: convert(found.Items, viewCampaign), NextCursor: cursor.Encode(found.Next, campaignScope()...),
	}}, nil
}

type segmentQuery struct {
	Limit  limitParam `query:"limit" doc:"Records per page; more than 100 is taken as 100. Without limit and cursor there is one page of up to 1,000." example:"10"`
	Cursor string     `query:"cursor" doc:"next_cursor of the page before." example:"eyJpIjoiMDE5N2U1YjUifQ"`
}

func (s segments) list(ctx context.Context, in *segmentQuery) (*reply[slice[segmentView]], error) {
	if in.Limit == "" && in.Cursor == "" {
		list, err := s.service.List(ctx)
		if err != nil {
			return nil, err
		}
		return &reply[slice[segmentView]]{Body: slice[segmentView]{Success: true, Data: convert(list, viewSegment)}}, nil
	}
	limit, err := in.Limit.number()
	if err != nil {
		return nil, err
	}
	scope := []string{"segments"}
	after, err := newestAfter(in.Cursor, scope)
	if err != nil {
		return nil, err
	}
	found, err := s.service.ListAfter(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	return sliced(found, viewSegment, scope), nil
}

// newestAfter reads a cursor of a list that is newest first. One that was made up with our scope and no
// time in it is refused here, as a faulty parameter.
func newestAfter(raw string, scope []string) (cursor.Position, error) {
	after, err := positionOf(raw, scope)
	if err != nil {
		return after, err
	}
	if _, _, err := campaign.NewestBefore(after); err != nil {
		return after, refusedParam("cursor", err.Error())
	}
	return after, nil
}
