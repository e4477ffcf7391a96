package api

import (
	"context"

	"github.com/xencrm/xencrm/internal/campaign"
)

// maxRecent caps the one list of the reference that has no pages (D54).
const maxRecent = 1000

type figures struct {
	campaigns Campaigns
	dashboard campaign.Dashboard
}

// campaignFigures is one campaign of /api/campaignstats. The id is ours: the reference's rows had
// nothing to tell two campaigns of one name apart (D58).
type campaignFigures struct {
	CampaignID          string              `json:"campaign_id" format:"uuid" doc:"The campaign's id." example:"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	Name                string              `json:"name" doc:"The campaign's name." example:"Diwali"`
	CampaignType        string              `json:"campaign_type" doc:"PROMOTIONAL, TRANSACTIONAL, NEWSLETTER or REMINDER." example:"PROMOTIONAL"`
	TargetAudienceCount int                 `json:"target_audience_count" doc:"The audience, never null." example:"42"`
	Status              string              `json:"status" doc:"The campaign's status, never null." example:"COMPLETED"`
	CreatedAt           instant             `json:"created_at" doc:"When it was made." example:"2025-09-14T12:00:00.000Z"`
	CampaignStats       orNull[resultsView] `json:"campaign_stats" doc:"The results, null while there are none."`
}

// resultsView is the part of the books that the reference's page shows.
type resultsView struct {
	TotalSent      int     `json:"total_sent" doc:"Messages handed to the vendor at least once." example:"40"`
	TotalDelivered int     `json:"total_delivered" doc:"Messages that the vendor delivered." example:"38"`
	TotalFailed    int     `json:"total_failed" doc:"Messages that failed for good." example:"2"`
	DeliveryRate   string  `json:"delivery_rate" doc:"Delivered of sent in percent, an exact decimal." example:"95"`
	LastUpdated    instant `json:"last_updated" doc:"When they last changed." example:"2025-09-14T12:05:00.000Z"`
}

func (f figures) campaignStats(ctx context.Context, _ *struct{}) (*reply[answer[[]campaignFigures]], error) {
	list, err := f.campaigns.Recent(ctx, maxRecent)
	if err != nil {
		return nil, err
	}
	return ok(convert(list, viewFigures)), nil
}

// dashboardRow is one customer as the reference's page reads it; null in any of these would blank
// the page (D53).
type dashboardRow struct {
	Name        string `json:"name" doc:"The customer's name, never null." example:"Asha"`
	Email       string `json:"email" doc:"The customer's address, never null." example:"asha@shop.in"`
	TotalSpend  string `json:"total_spend" doc:"An exact decimal." example:"1234.5"`
	TotalOrders int    `json:"total_orders" doc:"Orders so far." example:"3"`
	TotalVisits int    `json:"total_visits" doc:"Visits so far." example:"7"`
	Status      string `json:"status" doc:"ACTIVE or INACTIVE." example:"ACTIVE"`
}

func (f figures) dashboardRows(ctx context.Context, in *paging) (*reply[page[dashboardRow]], error) {
	request, err := in.request()
	if err != nil {
		return nil, err
	}
	found, err := f.dashboard.DashboardRows(ctx, request)
	if err != nil {
		return nil, err
	}
	return &reply[page[dashboardRow]]{Body: page[dashboardRow]{
		Success: true, Data: convert(found.Items, viewRow), Pagination: paginate(request, found.Total),
	}}, nil
}

func viewRow(r campaign.DashboardRow) dashboardRow {
	return dashboardRow{
		Name: r.Name, Email: r.Email, TotalSpend: r.TotalSpend, TotalOrders: r.TotalOrders,
		TotalVisits: r.TotalVisits, Status: r.Status,
	}
}

func viewFigures(c campaign.Campaign) campaignFigures {
	view := campaignFigures{
		CampaignID: c.ID.String(), Name: c.Name, CampaignType: string(c.Type), TargetAudienceCount: c.TargetCount,
		Status: string(c.Status), CreatedAt: instant{c.CreatedAt},
	}
	if s := c.Stats; s != nil {
		view.CampaignStats.value = &resultsView{
			TotalSent: s.Sent, TotalDelivered: s.Delivered, TotalFailed: s.Failed,
			DeliveryRate: s.DeliveryRate.String(), LastUpdated: instant{s.LastUpdated},
		}
	}
	return view
}
