package workflows

import (
	"math"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"
)

// Retry is a message that the vendor refused for now, or that a page could not send.
//
// The lane makes the further attempts itself, each by an activity of its own, and does not leave them to
// Temporal's retries: those wait for the lock of a workflow behind every call of a worker, so that in a lane that
// always has calls under way a second attempt came ten seconds late (docs/benchmarks.md). An attempt that brought
// no answer of the vendor's is still repeated by Temporal.
type Retry struct {
	Seq int `json:"seq"`
	// Attempts are the answers that the vendor gave so far, for whoever reads the history.
	Attempts int       `json:"attempts,omitempty"`
	Due      time.Time `json:"due"`
}

func (l *lane) await(r Retry) {
	at, _ := slices.BinarySearchFunc(l.waiting, r, func(have, want Retry) int {
		// Of two that are due together the older entry stays ahead.
		if have.Due.After(want.Due) {
			return 1
		}
		return -1
	})
	l.waiting = slices.Insert(l.waiting, at, r)
}

// lowest is the first message that was taken out of a paged range and may still be pending.
func (l *lane) lowest() int {
	first := math.MaxInt
	for _, h := range l.pages.holes {
		first = min(first, h.First)
	}
	for _, r := range l.waiting {
		first = min(first, r.Seq)
	}
	return first
}

// tryAgain starts the further attempts that are due: they are older than anything new. It reports whether the
// pace allows more.
func (l *lane) tryAgain(ctx workflow.Context, sel workflow.Selector) bool {
	for l.inFlight < laneWindow && l.isDue(ctx) {
		due, ok := l.pace.plan(1, workflow.Now(ctx))
		if !ok {
			l.setTimer(ctx, sel)
			return false
		}
		next := l.waiting[0]
		l.waiting = l.waiting[1:]
		l.start(sel, next, due)
	}
	return true
}

func (l *lane) isDue(ctx workflow.Context) bool {
	return len(l.waiting) > 0 && !l.waiting[0].Due.After(workflow.Now(ctx))
}

// wakeForRetry wakes the lane when the next attempt is due, but no more often than a pacing timer would.
func (l *lane) wakeForRetry(ctx workflow.Context, sel workflow.Selector) {
	if len(l.waiting) == 0 || l.isDue(ctx) {
		return
	}
	wait := max(l.waiting[0].Due.Sub(workflow.Now(ctx)), paceTick)
	if l.in.PageSize == 0 && l.inFlight > 0 {
		wait += retrySlack
	}
	at := workflow.Now(ctx).Add(wait)
	if !l.wake.IsZero() && !at.Before(l.wake) {
		return
	}
	l.wake = at
	timer := workflow.NewTimerWithOptions(ctx, wait, workflow.TimerOptions{Summary: "next attempts"})
	sel.AddFuture(timer, func(workflow.Future) {
		if l.wake.Equal(at) {
			l.wake = time.Time{}
		}
	})
}
