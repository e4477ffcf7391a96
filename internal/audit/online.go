package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Online compares stats and log in one snapshot after the other, Poll apart, while campaigns run, for
// the given time. The first snapshot looks at every campaign, later ones at those that are open or
// have changed. It needs the business database alone.
func Online(ctx context.Context, o Options, during time.Duration) (Verdict, error) {
	if err := o.Validate(); err != nil {
		return Verdict{}, err
	}
	o.ApplyDefaults()
	conn, err := connect(ctx, o.BusinessURL, "business")
	if err != nil {
		return Verdict{}, err
	}
	defer disconnect(ctx, conn)
	end := time.NewTimer(during)
	defer end.Stop()
	ticker := time.NewTicker(o.Poll)
	defer ticker.Stop()
	f := newFindings()
	v := Verdict{Mode: "online", Outcome: Holds, Conservation: []Conservation{}, NotChecked: []NotChecked{}}
	w := watch{seen: map[string]int64{}}
	for over := false; !over; {
		err := snapshot(ctx, conn, func(tx pgx.Tx) error { return w.compare(ctx, f, tx) })
		if err != nil {
			return Verdict{}, fmt.Errorf("compare snapshot %d: %w", v.Snapshots+1, err)
		}
		v.Snapshots++
		select {
		case <-ctx.Done():
			return Verdict{}, ctx.Err()
		case <-end.C:
			over = true
		case <-ticker.C:
		}
	}
	v.Violations = f.list(o.Skip)
	if len(v.Violations) > 0 {
		v.Outcome = Violated
	}
	return v, nil
}

// watch remembers at which revision each campaign's books were compared.
type watch struct{ seen map[string]int64 }

func (w *watch) compare(ctx context.Context, f *findings, tx pgx.Tx) error {
	//nolint:rowserrcheck // pgx.ForEachRow checks it
	rows, err := tx.Query(ctx, `SELECT c.campaign_id::text, coalesce(s.revision, -1),
			c.status NOT IN ('COMPLETED', 'CANCELLED', 'FAILED')
		FROM campaigns c LEFT JOIN campaign_stats s USING (campaign_id)`)
	if err != nil {
		return err
	}
	ids := []string{}
	var id string
	var revision int64
	var open bool
	_, err = pgx.ForEachRow(rows, []any{&id, &revision, &open}, func() error {
		if before, known := w.seen[id]; open || !known || before != revision {
			ids = append(ids, id)
		}
		w.seen[id] = revision
		return nil
	})
	if err != nil {
		return err
	}
	return f.run(ctx, tx, []query{{id: statsAlways, text: statsQuery, args: []any{ids}}})
}
