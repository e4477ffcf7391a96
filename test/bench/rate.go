package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/vendor"
	"github.com/xencrm/xencrm/worker"
)

const (
	// heldRate is messages a second: what a machine cannot reach it cannot hold, and under VENDOR_RATE, without eager
	// dispatch, two cores sent 226 a second at their slowest. A campaign at this rate takes 40 s.
	heldRate       = 150
	heldRecipients = 6_000
	// rateWindow is the time over which the rate has to hold.
	rateWindow = 10 * time.Second
)

// watch is a vendor that takes every message at once and notes when.
type watch struct {
	mu sync.Mutex
	at []time.Time
}

func (v *watch) Send(context.Context, vendor.Request) (vendor.Result, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.at = append(v.at, time.Now())
	return vendor.Result{VendorRef: fmt.Sprint("watch-", len(v.at)), Answer: 1}, nil
}

// off gives how far the worst rateWindow is from the rate, up and down, as parts of it. Windows begin with
// each message, of those so long after the first; one that does not end before the last message says nothing.
func (v *watch) off(rate float64, skip time.Duration) (above, below float64, belowAt time.Duration) {
	end := 0
	for i, from := range v.at {
		if from.Sub(v.at[0]) < skip {
			continue
		}
		to := from.Add(rateWindow)
		if to.After(v.at[len(v.at)-1]) {
			break
		}
		for end < len(v.at) && v.at[end].Before(to) {
			end++
		}
		part := float64(end-i)/(rate*rateWindow.Seconds()) - 1
		above = max(above, part)
		if -part > below {
			below, belowAt = -part, from.Sub(v.at[0])
		}
	}
	return above, below, belowAt
}

// vendorRate, campaignRate and pagedRate hold a rate against what the vendor sees of two workers.
func (b *bench) vendorRate(ctx context.Context) (figures, error) {
	return b.held(ctx, inProcess{workers: []worker.Options{{VendorRate: heldRate}, {VendorRate: heldRate}}})
}

func (b *bench) campaignRate(ctx context.Context) (figures, error) {
	return b.held(ctx, inProcess{rate: heldRate, workers: make([]worker.Options, 2)})
}

func (b *bench) pagedRate(ctx context.Context) (figures, error) {
	return b.held(ctx, inProcess{rate: heldRate, fanOut: campaign.Paged, workers: make([]worker.Options, 2)})
}

func (b *bench) held(ctx context.Context, in inProcess) (figures, error) {
	v := &watch{}
	in.vendor, in.orders, in.recipients = v, ordersRated, heldRecipients
	if _, err := b.runInProcess(ctx, in); err != nil {
		return nil, err
	}
	slices.SortFunc(v.at, time.Time.Compare)
	above, below, belowAt := v.off(heldRate, 0)
	settled, _, _ := v.off(heldRate, time.Second)
	took := v.at[len(v.at)-1].Sub(v.at[0])
	return figures{
		"rate": heldRate, "per_s": float64(len(v.at)) / took.Seconds(), "most_above": above, "most_below": below,
		"most_below_at_s":           belowAt.Seconds(),
		"most_above_after_a_second": settled,
	}, nil
}
