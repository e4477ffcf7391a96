package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/xencrm/xencrm/activities"
)

// pages is what a lane of a paged campaign keeps beside its window: the first attempts are made page by
// page, by one activity each, and whoever needs another attempt gets a SendMessage, which carries the
// count of attempts on in the ledger.
//
// Neither pages nor waiting messages survive continue-as-new: the next run goes on at the lowest message
// that may be pending, and its pages skip those that are not.
type pages struct {
	// ctx is that of the pages in flight; stop tells them to finish what they have begun.
	ctx      workflow.Context
	stop     workflow.CancelFunc
	inFlight int
	// holes are the rests of pages that were stopped.
	holes []Range
}

// fillPages starts what is due, further attempts before new pages: they are older.
func (l *lane) fillPages(ctx workflow.Context, sel workflow.Selector) {
	if l.control.Paused || l.stopping(ctx) || abandoned(ctx) {
		return
	}
	if !l.tryAgain(ctx, sel) {
		return
	}
	for l.mayPage() {
		r := l.peekPage()
		due, ok := l.pace.plan(r.Last-r.First+1, workflow.Now(ctx))
		if !ok {
			l.setTimer(ctx, sel)
			break
		}
		l.advancePage(r)
		l.startPage(sel, r, due)
	}
	l.wakeForRetry(ctx, sel)
	l.outOfRange = l.pages.inFlight == 0 && l.peekPage().empty()
}

// mayPage reports whether another page may be in flight.
func (l *lane) mayPage() bool {
	retries := len(l.waiting) + l.inFlight - l.pages.inFlight
	return l.inFlight < laneWindow && l.pages.inFlight < pageWindow && retries < retryBacklog && !l.peekPage().empty()
}

// peekPage gives the next page without taking it. A rate makes pages short.
func (l *lane) peekPage() Range {
	n := l.in.PageSize
	if l.pace.rate > 0 {
		n = max(1, int(min(float64(n), l.pace.rate*pageTime.Seconds())))
	}
	rest := Range{First: l.next, Last: l.in.Range.Last}
	if len(l.pages.holes) > 0 {
		rest = l.pages.holes[0]
	}
	return Range{First: rest.First, Last: min(rest.Last, rest.First+n-1)}
}

func (l *lane) advancePage(r Range) {
	if len(l.pages.holes) == 0 {
		l.next = r.Last + 1
		return
	}
	l.pages.holes[0].First = r.Last + 1
	if l.pages.holes[0].empty() {
		l.pages.holes = l.pages.holes[1:]
	}
}

func (l *lane) startPage(sel workflow.Selector, r Range, due time.Time) {
	ctx := workflow.WithActivityOptions(l.pages.ctx, pageOptions(l.pages.ctx, r))
	f := workflow.ExecuteActivity(ctx, act.SendPage, activities.PageInput{
		CampaignID: l.in.CampaignID, First: r.First, Last: r.Last, Rate: l.pace.rate, Due: due,
	})
	l.inFlight++
	l.pages.inFlight++
	sel.AddFuture(f, func(f workflow.Future) {
		l.inFlight--
		l.pages.inFlight--
		var res activities.PageResult
		err := f.Get(ctx, &res)
		l.endPage(ctx, r, res, err)
	})
}

// endPage takes what a page says. A page that was told to stop before it began, or that was lost after
// it was told to, is done again: the ledger knows how far it came.
func (l *lane) endPage(ctx workflow.Context, r Range, res activities.PageResult, err error) {
	if e, ok := errors.AsType[*temporal.ApplicationError](err); ok && e.NonRetryable() {
		// The rows stay pending: the campaign will ask for them again, and refuse to close otherwise.
		workflow.GetLogger(ctx).Error("page gave up", "campaign_id", l.in.CampaignID, "first", r.First, "error", err)
		l.tally.Other += r.Last - r.First + 1
		return
	}
	if err != nil {
		res = activities.PageResult{Next: r.First}
	}
	l.tally.Sent += res.Sent
	l.tally.Failed += res.Failed
	l.tally.Other += res.Other
	for _, a := range res.Again {
		l.await(Retry{Seq: a.Seq, Attempts: 1, Due: workflow.Now(ctx).Add(a.Wait)})
	}
	if res.Next > 0 {
		l.pages.holes = append(l.pages.holes, Range{First: res.Next, Last: r.Last})
		l.pace.giveBack(r.Last - res.Next + 1)
	}
}

// stopPages tells the pages in flight to finish what they have begun; their rests are sent later.
func (l *lane) stopPages() {
	if l.pages.inFlight == 0 {
		return
	}
	l.pages.stop()
	l.pages.ctx, l.pages.stop = workflow.WithCancel(l.sendCtx)
}

// abandoned reports whether the workflow itself was cancelled: whatever were started would end at once.
func abandoned(ctx workflow.Context) bool { return ctx.Err() != nil }

// slower reports whether a rate is below another; 0 is unlimited.
func slower(have, want float64) bool { return want > 0 && (have == 0 || want < have) }
