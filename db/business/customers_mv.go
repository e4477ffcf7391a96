package business

import (
	"context"

	"github.com/xencrm/xencrm/db/internal/businesssql"
	"github.com/xencrm/xencrm/internal/event"
	"github.com/xencrm/xencrm/internal/failpoint"

	"github.com/jackc/pgx/v5"
)

// ApplyCustomerVersions brings customers_mv to the newest of the versions; older ones than stored
// change nothing, so events may come twice, late and in any order. An erasure is carried out whatever
// its version, and as often as it comes.
func (s *Store) ApplyCustomerVersions(ctx context.Context, versions []event.CustomerMV) error {
	arg := upsertOf(newest(versions))
	erased := erasuresOf(versions)
	err := s.inTx(ctx, func(_ pgx.Tx, q *businesssql.Queries) error {
		if err := erased.apply(ctx, q); err != nil {
			return err
		}
		if _, err := q.UpsertCustomersMV(ctx, arg); err != nil {
			return err
		}
		failpoint.Hit(failpoint.ProjectBeforeCommit)
		return nil
	})
	if err != nil {
		return err
	}
	return failpoint.Err(failpoint.ProjectAfterCommit)
}

// newest keeps one version a customer: one statement cannot write a row twice.
func newest(versions []event.CustomerMV) []*event.CustomerMV {
	at := make(map[[16]byte]int, len(versions))
	var out []*event.CustomerMV
	for i := range versions {
		v := &versions[i]
		n, seen := at[v.CustomerID]
		switch {
		case !seen:
			at[v.CustomerID] = len(out)
			out = append(out, v)
		case out[n].Version < v.Version:
			out[n] = v
		}
	}
	return out
}

func upsertOf(versions []*event.CustomerMV) businesssql.UpsertCustomersMVParams {
	var p businesssql.UpsertCustomersMVParams
	for _, v := range versions {
		p.CustomerIds = append(p.CustomerIds, v.CustomerID)
		p.Versions = append(p.Versions, v.Version)
		p.Names = append(p.Names, v.Name)
		p.Emails = append(p.Emails, v.Email)
		p.HasPhones = append(p.HasPhones, v.Phone != nil)
		p.Phones = append(p.Phones, deref(v.Phone))
		p.TotalSpends = append(p.TotalSpends, v.TotalSpend)
		p.TotalVisits = append(p.TotalVisits, v.TotalVisits)
		p.TotalOrders = append(p.TotalOrders, v.TotalOrders)
		p.HasLastOrders = append(p.HasLastOrders, v.LastOrderAt != nil)
		p.LastOrdersAt = append(p.LastOrdersAt, deref(v.LastOrderAt))
		p.Statuses = append(p.Statuses, v.Status)
	}
	return p
}
