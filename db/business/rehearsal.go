package business

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
)

// rehearsalSample is how many messages are shown: a look, not an export.
const rehearsalSample = 5

// RehearseAudience does with an audience what ResolveAudience would do now, in one snapshot, and stores
// nothing. Everybody is counted; messages are rendered while there is time, and from there on those that
// could not be rendered are estimated from those that were tried.
func (s *Store) RehearseAudience(
	ctx context.Context, r campaign.AudienceRequest, within campaign.RehearsalLimits,
) (campaign.Rehearsal, error) {
	limited, cancel := context.WithTimeout(ctx, within.Whole)
	defer cancel()
	var w rehearsal
	opts := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := db.InTxOptions(limited, s.pool, opts, func(tx pgx.Tx) error {
		// The server stops as well when the connection to us is lost and the context cannot tell it.
		timeout := fmt.Sprintf("SET LOCAL statement_timeout = %d", max(within.Whole.Milliseconds(), 1))
		if _, err := tx.Exec(limited, timeout); err != nil {
			return err
		}
		w = rehearsal{request: r, until: time.Now().Add(within.Render)}
		return walkAudience(limited, tx, r.Rules, w.page)
	})
	if err != nil && ctx.Err() == nil && errors.Is(limited.Err(), context.DeadlineExceeded) {
		return campaign.Rehearsal{}, errs.Errorf(errs.Unavailable,
			"the audience could not be tried out within %s: narrow the segment, or try again when the database is less busy; "+
				"a launch has ten minutes for it", within.Whole)
	}
	if err != nil {
		return campaign.Rehearsal{}, err
	}
	return w.result(), nil
}

// rehearsal is a launch that only counts.
type rehearsal struct {
	request campaign.AudienceRequest
	until   time.Time
	out     campaign.Rehearsal
	failed  int
}

// page takes some customers. Whether there is time to render is asked once a page, so that the first
// page always is.
func (w *rehearsal) page(customers []audienceCustomer) error {
	inTime := w.out.Audience == 0 || time.Now().Before(w.until)
	for _, c := range customers {
		w.out.Audience++
		switch c.unreachable() {
		case campaign.SkipNoEmail:
			w.out.NoEmail++
		case campaign.SkipSuppressed:
			w.out.Suppressed++
		default:
			if inTime {
				w.render(c)
			}
		}
	}
	return nil
}

func (w *rehearsal) render(c audienceCustomer) {
	w.out.Rendered++
	text, skip := render(w.request, c)
	switch {
	case skip != "":
		w.failed++
	case len(w.out.Sample) < rehearsalSample:
		w.out.Sample = append(w.out.Sample, campaign.SampleMessage{
			CustomerID: c.id, Name: deref(c.name), Email: deref(c.email), Text: text,
		})
	}
}

func (w *rehearsal) result() campaign.Rehearsal {
	out := w.out
	out.RenderFailed = w.failed
	if reachable := out.Reachable(); out.Rendered < reachable {
		out.RenderFailed = int(math.Round(float64(w.failed) / float64(out.Rendered) * float64(reachable)))
		out.Estimated = true
	}
	return out
}
