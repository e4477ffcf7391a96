package business

import (
	"context"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/internal/businesssql"
	"github.com/xencrm/xencrm/internal/campaign"
)

// DashboardRows gives one page of customers, newest synchronised first. No value is null: the
// reference's page cannot bear one (D53).
func (s *Store) DashboardRows(
	ctx context.Context, p campaign.PageRequest,
) (campaign.Page[campaign.DashboardRow], error) {
	var page campaign.Page[campaign.DashboardRow]
	total, err := s.q.CountCustomers(ctx)
	if err != nil {
		return page, db.Translate(err)
	}
	rows, err := s.q.ListDashboard(ctx, businesssql.ListDashboardParams{
		MaxRows: int32(p.Limit), SkipRows: int32(p.Offset()), //nolint:gosec // paging is capped by its callers
	})
	if err != nil {
		return page, db.Translate(err)
	}
	page.Total = int(total)
	page.Items = make([]campaign.DashboardRow, len(rows))
	for i, r := range rows {
		page.Items[i] = campaign.DashboardRow{
			Name: deref(r.Name), Email: deref(r.Email), TotalSpend: r.TotalSpend.String(),
			TotalOrders: int(r.TotalOrders), TotalVisits: int(r.TotalVisits), Status: r.Status,
		}
	}
	return page, nil
}
