package main

import (
	"context"
	"maps"
	"time"
)

// million is one paged campaign over everyone, from the launch to the closed books, with its rate over
// time. It is run by itself, with -audience 1000000.
func (b *bench) million(ctx context.Context) (figures, error) {
	begin := time.Now()
	id, err := b.launch(ctx, ordersAnybody, map[string]any{"fan_out": "paged"})
	if err != nil {
		return nil, err
	}
	meter, err := b.startMeter(ctx)
	if err != nil {
		return nil, err
	}
	resolved, err := b.await(ctx, id, "audience_resolved_at - created_at", b.audienceN)
	if err != nil {
		return nil, err
	}
	// When each tenth of the audience had left PENDING.
	var tenths []time.Time
	if err := b.until(ctx, often, func() (bool, error) {
		var pending int
		err := b.business.QueryRow(ctx, "SELECT pending_count FROM campaign_stats WHERE campaign_id = $1", id).Scan(&pending)
		for err == nil && len(tenths) < 10 && b.audienceN-pending >= (len(tenths)+1)*b.audienceN/10 {
			tenths = append(tenths, time.Now())
		}
		return len(tenths) == 10, err //nolint:mnd // tenths
	}); err != nil {
		return nil, err
	}
	if _, err := b.await(ctx, id, "finished_at - created_at", b.audienceN); err != nil {
		return nil, err
	}
	took := time.Since(begin)
	out, err := meter.figures(ctx, b.audienceN)
	if err != nil {
		return nil, err
	}
	work, err := b.histories(ctx, id)
	if err != nil {
		return nil, err
	}
	var size int64
	err = b.business.QueryRow(ctx, "SELECT pg_database_size(current_database())").Scan(&size)
	first := tenths[0].Sub(begin) - resolved
	last := tenths[9].Sub(tenths[8])
	for name, n := range map[string]int{"second": 1, "ninth": 8, "last": 9} {
		// What the machine gave meanwhile.
		during := b.yard.between(tenths[n-1], tenths[n])
		out["machine_memory_read_ns_"+name+"_tenth"] = during["machine_memory_read_ns"]
	}
	const mb = 1 << 20
	maps.Copy(out, b.peaks())
	maps.Copy(out, figures{
		"per_s": float64(b.audienceN) / took.Seconds(), "total_s": took.Seconds(), "audience_s": resolved.Seconds(),
		// The last tenth holds the second and third attempts, which wait; the ninth does not.
		"last_tenth_rate_over_first":  first.Seconds() / last.Seconds(),
		"ninth_tenth_rate_over_first": first.Seconds() / tenths[8].Sub(tenths[7]).Seconds(),
		"largest_history_events":      float64(work.largest), "events_per_recipient": float64(work.events) / float64(b.audienceN),
		"business_database_mb": float64(size) / mb,
	})
	return out, err
}
