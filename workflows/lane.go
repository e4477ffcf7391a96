package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/xencrm/xencrm/activities"
	"github.com/xencrm/xencrm/internal/campaign"
)

// LaneWorkflow sends one range of a campaign's messages, laneWindow at a time, and continues as new
// when its history fills up. A recipient who cannot be reached is a result, never an error of the lane.
func LaneWorkflow(ctx workflow.Context, in LaneInput) (LaneResult, error) {
	control := workflow.GetSignalChannel(ctx, controlSignal)
	l := newLane(ctx, in, control)
	res, err := l.run(ctx)
	if err != nil {
		return res, err
	}
	if res.Rest.empty() || l.control.Drain || l.control.Cancelled {
		return res, nil
	}
	l.drainControl()
	in.Range, in.Tally, in.Control = res.Rest, res.Tally, l.control
	in.Control.From = later(in.Control.From, l.pace.next)
	return LaneResult{}, workflow.NewContinueAsNewError(ctx, LaneWorkflow, in)
}

// lane is one window over a range of messages. It runs as a workflow of its own, or inside a small
// campaign's.
type lane struct {
	in       LaneInput
	control  Control
	receiver workflow.ReceiveChannel
	pace     pacer
	// queue holds the messages of a sparse range that were asked for and not yet started.
	queue    []int
	next     int
	inFlight int
	timerSet bool
	// waiting are the messages that need another attempt, the next due first.
	waiting []Retry
	// wake is when the earliest timer for them fires; zero means that none is set.
	wake       time.Time
	tally      Tally
	sendCtx    workflow.Context
	stopSends  workflow.CancelFunc
	outOfRange bool
	pages      pages
}

func newLane(ctx workflow.Context, in LaneInput, receiver workflow.ReceiveChannel) *lane {
	l := &lane{in: in, receiver: receiver, next: in.Range.First, waiting: slices.Clone(in.Range.Waiting), tally: in.Tally}
	l.sendCtx, l.stopSends = workflow.WithCancel(ctx)
	l.pages.ctx, l.pages.stop = workflow.WithCancel(l.sendCtx)
	l.obey(ctx, in.Control)
	return l
}

// run sends until the range is done, or until it has to stop: cancelled, asked to drain, or the
// history is full. It returns when nothing is in flight, with the rest of the range.
func (l *lane) run(ctx workflow.Context) (LaneResult, error) {
	sel := workflow.NewSelector(ctx)
	sel.AddReceive(l.receiver, func(ch workflow.ReceiveChannel, _ bool) {
		var c Control
		ch.Receive(ctx, &c)
		l.obey(ctx, c)
	})
	for {
		if err := l.fill(ctx, sel); err != nil {
			return LaneResult{}, err
		}
		if l.inFlight == 0 && (l.stopping(ctx) || l.isDone() || abandoned(ctx)) {
			break
		}
		sel.Select(ctx)
	}
	return LaneResult{Rest: l.rest(), Tally: l.tally}, ctx.Err()
}

// isDone reports whether nothing is left but what is in flight.
func (l *lane) isDone() bool { return l.outOfRange && len(l.waiting) == 0 }

// rest is what is left when nothing is in flight.
func (l *lane) rest() Range {
	switch {
	case l.isDone():
		return Range{First: 1, Last: 0}
	case l.in.PageSize > 0:
		return Range{First: min(l.next, l.lowest()), Last: l.in.Range.Last}
	case len(l.queue) > 0:
		return Range{First: l.queue[0], Last: l.in.Range.Last, Waiting: l.waiting}
	default:
		return Range{First: l.next, Last: l.in.Range.Last, Waiting: l.waiting}
	}
}

// fill starts sends while the window, the pace and the control allow it.
func (l *lane) fill(ctx workflow.Context, sel workflow.Selector) error {
	if l.in.PageSize > 0 {
		l.fillPages(ctx, sel)
		return nil
	}
	if l.control.Paused || l.stopping(ctx) || abandoned(ctx) || !l.tryAgain(ctx, sel) {
		return nil
	}
	for l.inFlight < laneWindow && len(l.waiting) < laneWindow && !l.stopping(ctx) {
		seq, ok, err := l.peek(ctx)
		if err != nil {
			return err
		}
		if !ok {
			l.outOfRange = true
			break
		}
		due, ok := l.pace.plan(1, workflow.Now(ctx))
		if !ok {
			l.setTimer(ctx, sel)
			return nil
		}
		l.advance(seq)
		l.start(sel, Retry{Seq: seq}, due)
	}
	l.wakeForRetry(ctx, sel)
	return nil
}

// peek gives the next message to send without taking it.
func (l *lane) peek(ctx workflow.Context) (int, bool, error) {
	if !l.in.Sparse {
		return l.next, l.next <= l.in.Range.Last, nil
	}
	if len(l.queue) == 0 && l.next <= l.in.Range.Last {
		if err := l.askPending(ctx); err != nil {
			return 0, false, err
		}
	}
	if len(l.queue) == 0 {
		return 0, false, nil
	}
	return l.queue[0], true, nil
}

func (l *lane) advance(seq int) {
	if l.in.Sparse {
		l.queue = l.queue[1:]
		l.next = max(l.next, seq+1)
		return
	}
	l.next = seq + 1
}

func (l *lane) askPending(ctx workflow.Context) error {
	var res activities.PendingResult
	opts := bookOptions("which messages are still to be sent")
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), act.PendingSeqs, activities.PendingInput{
		CampaignID: l.in.CampaignID, After: l.next - 1, Limit: sparsePage,
	}).Get(ctx, &res)
	if err != nil {
		return err
	}
	for _, seq := range res.Seqs {
		if seq <= l.in.Range.Last {
			l.queue = append(l.queue, seq)
		}
	}
	if len(l.queue) == 0 {
		l.next = l.in.Range.Last + 1
	}
	return nil
}

// start hands out one attempt: the first one of a message, or a further one.
func (l *lane) start(sel workflow.Selector, r Retry, due time.Time) {
	ctx := workflow.WithActivityOptions(l.sendCtx, sendOptions(r))
	f := workflow.ExecuteActivity(ctx, act.SendMessage, activities.SendInput{
		CampaignID: l.in.CampaignID, Seq: r.Seq, Due: due, Again: r.Attempts > 0, ReturnRefusals: true,
	})
	l.inFlight++
	sel.AddFuture(f, func(f workflow.Future) {
		l.inFlight--
		var res activities.SendResult
		err := f.Get(ctx, &res)
		l.end(ctx, r.Seq, res, err)
	})
}

// end takes what an attempt says.
func (l *lane) end(ctx workflow.Context, seq int, res activities.SendResult, err error) {
	if err == nil && res.Status == campaign.MessagePending && res.Wait > 0 {
		l.await(Retry{Seq: seq, Attempts: res.Attempts, Due: workflow.Now(ctx).Add(res.Wait)})
		return
	}
	l.count(ctx, seq, res, err)
}

func (l *lane) count(ctx workflow.Context, seq int, res activities.SendResult, err error) {
	switch {
	case err != nil && !temporal.IsCanceledError(err):
		// The row stays pending: the campaign will ask for it again, and refuse to close otherwise.
		workflow.GetLogger(ctx).Error("send gave up", "campaign_id", l.in.CampaignID, "seq", seq, "error", err)
		l.tally.Other++
	case err != nil:
		l.tally.Other++
	case res.Status == campaign.MessageFailed:
		l.tally.Failed++
	case res.Status == campaign.MessageSent || res.Status == campaign.MessageDelivered:
		l.tally.Sent++
	default:
		l.tally.Other++
	}
}

// setTimer wakes the lane when its pace allows the next send.
func (l *lane) setTimer(ctx workflow.Context, sel workflow.Selector) {
	if l.timerSet {
		return
	}
	l.timerSet = true
	timer := workflow.NewTimerWithOptions(ctx, l.pace.wait(workflow.Now(ctx)), workflow.TimerOptions{Summary: "pace of the campaign"})
	sel.AddFuture(timer, func(workflow.Future) { l.timerSet = false })
}

// obey follows the newest control; an older one that comes late changes nothing.
func (l *lane) obey(ctx workflow.Context, c Control) {
	if c.Revision < l.control.Revision {
		return
	}
	if c.Paused || slower(l.control.Rate, c.Rate) {
		l.stopPages()
	}
	if l.control.Paused && !c.Paused {
		l.pace.hold(c.From)
	}
	l.control = c
	l.pace.setRate(c.Rate, later(workflow.Now(ctx), c.From))
	if c.Cancelled {
		// Messages that wait for their next attempt stop waiting; posts under way finish.
		l.stopSends()
	}
}

// stopping reports whether no new send may be started in this run.
func (l *lane) stopping(ctx workflow.Context) bool {
	return l.control.Cancelled || l.control.Drain || isFull(ctx)
}

// drainControl takes what arrived since the last look, so that continuing as new loses no signal.
func (l *lane) drainControl() {
	for {
		var c Control
		if !l.receiver.ReceiveAsync(&c) {
			return
		}
		if c.Revision >= l.control.Revision {
			l.control = c
		}
	}
}
