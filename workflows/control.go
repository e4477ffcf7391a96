package workflows

import (
	"fmt"
	"math"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/xencrm/xencrm/activities"
	"github.com/xencrm/xencrm/internal/campaign"
)

// SetRateInput is the argument of the update set_rate, in messages per second; 0 is unlimited.
type SetRateInput struct {
	PerSecond float64 `json:"per_second"`
}

// ErrEnded is the type of the refusal of an update that comes too late.
const ErrEnded = "CampaignEnded"

// register sets up the updates and the query, before anything is awaited.
func (c *campaignRun) register(ctx workflow.Context) error {
	if err := workflow.SetQueryHandler(ctx, ProgressQuery, func() (campaign.Progress, error) {
		return c.progress(), nil
	}); err != nil {
		return err
	}
	for _, u := range c.updates() {
		opts := workflow.UpdateHandlerOptions{Validator: c.refuseEnded, Description: u.about}
		if err := workflow.SetUpdateHandlerWithOptions(ctx, u.name, u.do, opts); err != nil {
			return err
		}
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, SetRateUpdate, c.setRate, workflow.UpdateHandlerOptions{
		Validator: func(in SetRateInput) error {
			if in.PerSecond < 0 || math.IsNaN(in.PerSecond) || math.IsInf(in.PerSecond, 0) {
				return fmt.Errorf("rate must be 0 (unlimited) or more messages per second, got %v", in.PerSecond)
			}
			return c.refuseEnded()
		},
		Description: "change the pace, in messages per second",
	})
}

type updateHandler struct {
	name, about string
	do          func(workflow.Context) (campaign.Progress, error)
}

func (c *campaignRun) updates() []updateHandler {
	return []updateHandler{
		{PauseUpdate, "start no new sends", c.pause},
		{ResumeUpdate, "go on after a pause", c.resume},
		{CancelUpdate, "finish what is in flight, mark the rest cancelled", c.cancel},
	}
}

func (c *campaignRun) refuseEnded() error {
	if c.state.Phase == PhaseClosing || c.state.Phase == PhaseClosed || c.state.Cancelled {
		return temporal.NewNonRetryableApplicationError("the campaign has ended", ErrEnded, nil)
	}
	return nil
}

func (c *campaignRun) pause(ctx workflow.Context) (campaign.Progress, error) {
	return c.change(ctx, campaign.Paused, func() { c.state.Paused = true })
}

func (c *campaignRun) resume(ctx workflow.Context) (campaign.Progress, error) {
	status := campaign.Active
	if c.state.Phase == PhaseScheduled && workflow.Now(ctx).Before(c.in.StartAt) {
		status = campaign.Scheduled
	}
	return c.change(ctx, status, func() { c.state.Paused = false })
}

// cancel only marks the campaign; its status is written with the closed books.
func (c *campaignRun) cancel(ctx workflow.Context) (campaign.Progress, error) {
	c.state.Cancelled = true
	c.tell(ctx)
	c.show(ctx)
	return c.progress(), nil
}

func (c *campaignRun) setRate(ctx workflow.Context, in SetRateInput) (campaign.Progress, error) {
	c.state.Rate = in.PerSecond
	c.tell(ctx)
	opts := workflow.WithActivityOptions(ctx, bookOptions("record the rate"))
	err := workflow.ExecuteActivity(opts, act.RecordRate,
		activities.StatusInput{CampaignID: c.in.CampaignID, Rate: in.PerSecond}).Get(ctx, nil)
	return c.progress(), err
}

// change applies a change at once and then records the status. Handlers take turns at recording, so
// that of two changes the later one is what the database ends with.
func (c *campaignRun) change(ctx workflow.Context, status campaign.Status, apply func()) (campaign.Progress, error) {
	apply()
	c.tell(ctx)
	if err := c.mutex.Lock(ctx); err != nil {
		return campaign.Progress{}, err
	}
	defer c.mutex.Unlock()
	opts := workflow.WithActivityOptions(ctx, bookOptions("record the status "+string(status)))
	err := workflow.ExecuteActivity(opts, act.RecordStatus,
		activities.StatusInput{CampaignID: c.in.CampaignID, Status: status}).Get(ctx, nil)
	if err != nil {
		return campaign.Progress{}, err
	}
	c.show(ctx)
	return c.progress(), c.label(ctx, status)
}

func (c *campaignRun) progress() campaign.Progress {
	p := campaign.Progress{
		Phase: string(c.state.Phase), Paused: c.state.Paused, Rate: c.state.Rate, Totals: c.state.Totals,
	}
	if c.state.Closed {
		p.WaitsUntil = &c.state.WindowUntil
	}
	return p
}

// receive takes the totals that the receipt consumer signals. They are absolute, so copies and
// stale ones change nothing.
func (c *campaignRun) receive(ctx workflow.Context) {
	ch := workflow.GetSignalChannel(ctx, ReceiptsSignal)
	for {
		var t campaign.Totals
		if !ch.Receive(ctx, &t) {
			return
		}
		c.state.Totals = c.state.Totals.Newer(t)
		c.show(ctx)
	}
}

func (c *campaignRun) drainReceipts(ctx workflow.Context) {
	ch := workflow.GetSignalChannel(ctx, ReceiptsSignal)
	var t campaign.Totals
	for ch.ReceiveAsync(&t) {
		c.state.Totals = c.state.Totals.Newer(t)
	}
}

// show puts the progress where an operator looks first: the details of the workflow in the Web UI.
// It costs no history.
func (c *campaignRun) show(ctx workflow.Context) {
	t := c.state.Totals
	var b strings.Builder
	title := string(c.state.Phase)
	switch {
	case c.state.Cancelled:
		title += ", cancelled"
	case c.state.Paused:
		title += ", paused"
	case c.state.Closed:
		title += ", waits for the send window"
	}
	fmt.Fprintf(&b, "### %s after %s\n\n", title, workflow.Now(ctx).Sub(c.state.StartedAt).Round(time.Second))
	// One row each: the column of the Web UI that shows this is narrow.
	b.WriteString("| recipients | |\n|:---|---:|\n")
	fmt.Fprintf(&b, "| audience | %d |\n| pending | %d |\n| in flight | %d |\n", t.Audience, t.Pending, t.InFlight)
	fmt.Fprintf(&b, "| delivered | %d |\n", t.Delivered)
	fmt.Fprintf(&b, "| failed | %d |\n| skipped | %d |\n| cancelled | %d |\n\n", t.Failed, t.Skipped, t.Cancelled)
	if t.Audience > 0 {
		const percent = 100
		fmt.Fprintf(&b, "%d%% settled, delivery rate %s%%", percent*t.Done()/t.Audience, t.DeliveryRate().StringFixed(2)) //nolint:mnd // two decimals
	}
	if c.state.Rate > 0 {
		fmt.Fprintf(&b, ", at most %g/s", c.state.Rate)
	}
	b.WriteString(c.windowDetails())
	workflow.SetCurrentDetails(ctx, b.String())
}
