package main

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"
)

const (
	// readRate is what some fifty open pages ask, which look again every second.
	readRate = 50
	// readFor is shorter than the campaign that runs meanwhile.
	readFor = 10 * time.Second
	// readSend keeps the campaign running at a third of what the engine could do, so that the machine has
	// room: beside it the full engine is measured, which leaves none.
	readSend = 200
)

// reads offers the reads of a console's pages at rest, beside a campaign with a rate, and beside one that
// takes all of the machine.
func (b *bench) reads(ctx context.Context) (figures, error) {
	out := figures{}
	for _, phase := range []struct {
		name   string
		fields map[string]any
	}{
		{"at_rest", map[string]any{"launch": false}},
		{"beside_200_per_s", map[string]any{"fan_out": "per_customer", "rate": readSend}},
		{"beside_full_speed", map[string]any{"fan_out": "per_customer"}},
	} {
		got, err := b.readsBeside(ctx, phase.name, phase.fields)
		if err != nil {
			return nil, err
		}
		maps.Copy(out, got)
	}
	out["per_s"] = readRate
	return out, nil
}

func (b *bench) readsBeside(ctx context.Context, phase string, fields map[string]any) (figures, error) {
	id, err := b.launch(ctx, ordersEach, fields)
	if err != nil {
		return nil, err
	}
	draft := fields["launch"] == false
	if !draft {
		if _, err := b.await(ctx, id, "audience_resolved_at - created_at", b.recipients); err != nil {
			return nil, err
		}
	}
	routes := map[string]string{
		"list": "/api/campaigns?limit=20", "stats": "/api/campaignstats",
		"campaign": "/api/campaigns/" + id, "messages": "/api/campaigns/" + id + "/messages",
	}
	if !draft {
		routes["progress"] = "/api/campaigns/" + id + "/progress"
	}
	out, err := b.readMix(ctx, phase, routes)
	if err != nil || draft {
		return out, err
	}
	if err := b.send(ctx, http.MethodPost, b.system.API+"/api/campaigns/"+id+"/cancel", map[string]any{}, nil); err != nil {
		return nil, err
	}
	_, err = b.await(ctx, id, "finished_at - created_at", b.recipients)
	return out, err
}

// readMix takes the routes in turns.
func (b *bench) readMix(ctx context.Context, phase string, routes map[string]string) (figures, error) {
	names := slices.Sorted(maps.Keys(routes))
	byRoute := map[string]*latencies{}
	for _, name := range names {
		byRoute[name] = &latencies{}
	}
	err := offer(ctx, readRate, readFor, func(n int, due time.Time) error {
		name := names[n%len(names)]
		err := b.send(ctx, http.MethodGet, b.system.API+routes[name], nil, nil)
		byRoute[name].since(due)
		return err
	})
	out := figures{}
	for name, l := range byRoute {
		maps.Copy(out, l.figures(phase+"_"+name))
	}
	return out, err
}
