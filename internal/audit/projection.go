package audit

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// projectedColumns are those that both sides have.
func projectedColumns() []string {
	return []string{
		"version", "name", "email", "phone", "total_spend", "total_visits", "total_orders", "last_order_at", "status",
	}
}

// side is a stream of one database's customers in the order of their ids.
type side struct {
	rows   pgx.Rows
	id     string
	values []*string
	done   bool
}

// compareProjection walks both databases side by side, one row of each in memory at a time.
func compareProjection(ctx context.Context, f *findings, master, business pgx.Tx) error {
	columns := projectedColumns()
	a, err := openSide(ctx, master, "customers", columns)
	if err != nil {
		return err
	}
	defer a.rows.Close()
	b, err := openSide(ctx, business, "customers_mv", columns)
	if err != nil {
		return err
	}
	defer b.rows.Close()
	for !a.done || !b.done {
		var move []*side
		switch {
		case b.done || (!a.done && a.id < b.id):
			f.add(projectionExact, "customer %s is not in the projection", a.id)
			move = []*side{a}
		case a.done || b.id < a.id:
			f.add(projectionExact, "customer %s is in the projection only", b.id)
			move = []*side{b}
		default:
			if wrong := differing(columns, a.values, b.values); len(wrong) > 0 {
				f.add(projectionExact, "customer %s: %s differ", a.id, strings.Join(wrong, ", "))
			}
			move = []*side{a, b}
		}
		for _, s := range move {
			if err := s.next(); err != nil {
				return err
			}
		}
	}
	return nil
}

func openSide(ctx context.Context, tx pgx.Tx, table string, columns []string) (*side, error) {
	text := "SELECT customer_id::text, " + strings.Join(columns, "::text, ") + "::text FROM " + table + " ORDER BY customer_id"
	rows, err := tx.Query(ctx, text) //nolint:rowserrcheck // side.next checks it
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", table, err)
	}
	s := &side{rows: rows, values: make([]*string, len(columns))}
	return s, s.next()
}

func (s *side) next() error {
	if !s.rows.Next() {
		s.done = true
		return s.rows.Err()
	}
	into := []any{&s.id}
	for i := range s.values {
		into = append(into, &s.values[i])
	}
	return s.rows.Scan(into...)
}

func differing(columns []string, a, b []*string) []string {
	var out []string
	for i, c := range columns {
		if (a[i] == nil) != (b[i] == nil) || (a[i] != nil && *a[i] != *b[i]) {
			out = append(out, c)
		}
	}
	return out
}
