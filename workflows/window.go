package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/xencrm/xencrm/internal/campaign"
)

// windowRecheck is when a window that cannot be read is looked at again: a worker with a newer database of
// time zones may know the zone. Until then nothing is sent.
const windowRecheck = time.Hour

// windowLook is what a send window says at one moment.
type windowLook struct {
	Open  bool      `json:"open"`
	Until time.Time `json:"until"`
}

// watchWindow keeps the send window from now on: while it is closed the lanes are paused, as by an
// operator, but beside the operator's own pause. It begins with the start of the campaign, so that a
// campaign that is scheduled far ahead has no timers for the nights before. A campaign without a window
// runs nothing of this, so its recorded histories replay.
func (c *campaignRun) watchWindow(ctx workflow.Context) error {
	if c.in.Window == nil || c.watching {
		return nil
	}
	c.watching = true
	if err := c.lookAtWindow(ctx); err != nil {
		return err
	}
	workflow.Go(ctx, c.keepWindow)
	return nil
}

// keepWindow sleeps until the window opens or closes, as long as there is anything to send.
func (c *campaignRun) keepWindow(ctx workflow.Context) {
	for c.sendsAhead() {
		summary := "the send window closes"
		if c.state.Closed {
			summary = "the send window opens"
		}
		_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
			Timeout:      c.state.WindowUntil.Sub(workflow.Now(ctx)),
			TimerOptions: workflow.TimerOptions{Summary: summary},
		}, func() bool { return !c.sendsAhead() })
		if err != nil {
			return // the workflow was cancelled from outside, and ends
		}
		if !c.sendsAhead() {
			break
		}
		if err := c.lookAtWindow(ctx); err != nil {
			workflow.GetLogger(ctx).Error("send window not read", "campaign_id", c.in.CampaignID, "error", err)
			return
		}
		c.tell(ctx)
	}
	c.state.Closed = false
}

// lookAtWindow asks what the window says now. The answer is recorded, for the database of time zones that
// it comes from differs between workers, and changes.
func (c *campaignRun) lookAtWindow(ctx workflow.Context) error {
	now := workflow.Now(ctx)
	var look windowLook
	err := workflow.SideEffect(ctx, func(workflow.Context) any { return lookAt(*c.in.Window, now) }).Get(&look)
	if err != nil {
		return fmt.Errorf("send window: %w", err)
	}
	c.state.Closed, c.state.WindowUntil = !look.Open, look.Until
	c.show(ctx)
	return nil
}

func lookAt(w campaign.SendWindow, now time.Time) windowLook {
	hours, err := w.Hours()
	if err != nil {
		return windowLook{Until: now.Add(windowRecheck)}
	}
	open, until := hours.At(now)
	return windowLook{Open: open, Until: until}
}

// sendsAhead reports whether the campaign has anything to send yet.
func (c *campaignRun) sendsAhead() bool {
	switch c.state.Phase {
	case PhaseScheduled, PhaseAudience, PhaseSending:
		return !c.state.Cancelled
	case PhaseReceipts, PhaseClosing, PhaseClosed:
	}
	return false
}

// windowDetails is the line on the send window for the Web UI.
func (c *campaignRun) windowDetails() string {
	if !c.watching || !c.sendsAhead() {
		return ""
	}
	change := "closes"
	if c.state.Closed {
		change = "opens"
	}
	return fmt.Sprintf("\n\nsends %s, %s at %s", c.in.Window, change, c.state.WindowUntil.UTC().Format(time.RFC3339))
}
