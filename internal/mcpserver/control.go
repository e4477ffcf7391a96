package mcpserver

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/mark3labs/mcp-go/server"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
)

// longestWait is how long campaign_progress waits at most: clients give a call a minute.
const longestWait = 50 * time.Second

func controlTools() []tool {
	return []tool{
		define(tool{
			name: "pause_campaign", title: "Pause a campaign", needs: auth.ControlCampaigns, effect: steers, repeatable: true,
			description: "Stops a running campaign from sending more; messages that are under way are finished. resume_campaign goes on.",
		}, steer(func(c call) control { return c.Campaigns.Pause })),
		define(tool{
			name: "resume_campaign", title: "Resume a campaign", needs: auth.ControlCampaigns, effect: steers, repeatable: true,
			description: "Goes on with a paused campaign where it stopped. It needs no confirmation: what it sends was confirmed at the launch.",
		}, steer(func(c call) control { return c.Campaigns.Resume })),
		define(tool{
			name: "cancel_campaign", title: "Cancel a campaign", needs: auth.ControlCampaigns, effect: sends, repeatable: true,
			description: "Ends a campaign for good: whoever has not got a message will not get one. Called without confirm it changes " +
				"nothing and returns how many that are, and the confirm value; show the person, then call again with it.",
		}, cancelCampaign),
		define(tool{
			name: "retry_failed", title: "Send failed messages again", needs: auth.ControlCampaigns, effect: sends,
			description: "Sends the failed messages of an ended campaign again, those whose failure may pass; a permanently refused address " +
				"stays failed. Called without confirm it changes nothing and returns how many that are, and the confirm value.",
		}, retryFailed),
		define(tool{
			name: "campaign_progress", title: "Progress of a campaign", needs: auth.ReadCampaigns, effect: reads,
			patience: longestWait + callTimeout,
			description: "Says how far a campaign is. With wait_seconds it waits until the campaign has ended or the time is over, and tells " +
				"of its progress meanwhile.",
		}, progress),
	}
}

type control func(ctx context.Context, id uuid.UUID) (campaign.Progress, error)

type progressOut struct {
	CampaignID string     `json:"campaign_id"`
	Status     string     `json:"status"`
	Phase      string     `json:"phase" jsonschema_description:"What the workflow is doing: SCHEDULED, AUDIENCE, SENDING, RECEIPTS, CLOSING or CLOSED."`
	Paused     bool       `json:"paused"`
	WaitsUntil string     `json:"waits_until,omitempty" jsonschema_description:"When its send window opens, if it is closed now."`
	Ended      bool       `json:"ended"`
	Books      *booksView `json:"books"`
}

// Text says how far it is.
func (o progressOut) Text() string {
	state := o.Status
	if !o.Ended {
		state += " (" + o.Phase + ")"
	}
	return fmt.Sprintf("The campaign is %s. %s.", state, o.Books)
}

// steer makes a tool of a control that a second call can undo.
func steer(which func(call) control) func(context.Context, call, campaignIn) (progressOut, error) {
	return func(ctx context.Context, c call, in campaignIn) (progressOut, error) {
		found, err := c.campaign(ctx, in.CampaignID)
		if err != nil {
			return progressOut{}, err
		}
		p, err := which(c)(ctx, found.ID)
		if err != nil {
			return progressOut{}, uncertain(err)
		}
		// It is done, whether its status can be read now or not.
		if now, err := c.Campaigns.Get(ctx, found.ID); err == nil {
			found = now
		}
		return progressOf(found, p), nil
	}
}

func progressOf(c campaign.Campaign, p campaign.Progress) progressOut {
	return progressOut{
		CampaignID: c.ID.String(), Status: string(c.Status), Phase: p.Phase, Paused: p.Paused, WaitsUntil: when(p.WaitsUntil),
		Ended: c.Status.Ended(), Books: booksOf(p.Totals),
	}
}

type progressIn struct {
	CampaignID  string `json:"campaign_id"            jsonschema_description:"Id or exact name of the campaign."                     length:"255"`
	WaitSeconds int    `json:"wait_seconds,omitempty" jsonschema_description:"Wait so long for its end; answer at once if left out." min:"0" max:"50"`
}

// lookEvery is how often a waiting call looks: the books are told to clients once a second elsewhere too.
const lookEvery = time.Second

func progress(ctx context.Context, c call, in progressIn) (progressOut, error) {
	found, err := c.campaign(ctx, in.CampaignID)
	if err != nil {
		return progressOut{}, err
	}
	end := time.NewTimer(time.Duration(in.WaitSeconds) * time.Second)
	defer end.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	told := -1
	for {
		out, err := c.progressNow(ctx, found.ID)
		if err != nil || out.Ended || in.WaitSeconds == 0 || out.Status == string(campaign.Draft) {
			return out, err
		}
		if done := out.Books.Audience - out.Books.Pending - out.Books.InFlight; done > told {
			told = done
			c.tell(ctx, done, out.Books.Audience, out.Text())
		}
		select {
		case <-ctx.Done():
			return out, ctx.Err()
		case <-end.C:
			return out, nil
		case <-look.C:
		}
	}
}

func (c call) progressNow(ctx context.Context, id uuid.UUID) (progressOut, error) {
	p, err := c.Campaigns.Progress(ctx, id)
	if err != nil {
		return progressOut{}, err
	}
	// After the progress: a campaign that has ended by now has the books of its end.
	found, err := c.Campaigns.Get(ctx, id)
	if found.Stats != nil {
		p.Totals = p.Totals.Newer(found.Stats.Totals)
	}
	return progressOf(found, p), err
}

// tell sends a progress notification, if the client asked for them.
func (c call) tell(ctx context.Context, done, of int, text string) {
	meta := c.request.Params.Meta
	if meta == nil || meta.ProgressToken == nil {
		return
	}
	err := server.ServerFromContext(ctx).SendNotificationToClient(ctx, "notifications/progress", map[string]any{
		"progressToken": meta.ProgressToken, "progress": done, "total": of, "message": text,
	})
	if err != nil {
		// The answer says it all again.
		c.Log.DebugContext(ctx, "progress not told", "error", err)
	}
}

type confirmIn struct {
	CampaignID string `json:"campaign_id"       jsonschema_description:"Id or exact name of the campaign."                                              length:"255"`
	Confirm    string `json:"confirm,omitempty" jsonschema_description:"The confirm value that this tool returned when it was called without one." length:"500"`
}

type confirmOut struct {
	CampaignID   string `json:"campaign_id"`
	Done         bool   `json:"done" jsonschema_description:"false: nothing was changed, and the confirm value is given."`
	Status       string `json:"status"`
	People       int    `json:"people" jsonschema_description:"How many recipients it concerns."`
	Confirm      string `json:"confirm,omitempty"`
	ConfirmUntil string `json:"confirm_until,omitempty"`
	WorkflowID   string `json:"workflow_id,omitempty"`
	WorkflowURL  string `json:"workflow_url,omitempty"`
	What         string `json:"what"`
}

// Text says what happened or would.
func (o confirmOut) Text() string { return o.What }

// ask gives the confirm value.
func (c call) ask(of campaign.Campaign, s subject, would string) confirmOut {
	confirm, until := c.confirm.make(s)
	return confirmOut{
		CampaignID: of.ID.String(), Status: string(of.Status), People: s.People, Confirm: confirm, ConfirmUntil: when(&until),
		What: fmt.Sprintf("Nothing was changed. %s Show the person; if the person agrees, call %s again with the confirm value before %s.",
			would, s.Tool, when(&until)),
	}
}

func cancelCampaign(ctx context.Context, c call, in confirmIn) (confirmOut, error) {
	found, err := c.campaign(ctx, in.CampaignID)
	if err != nil {
		return confirmOut{}, err
	}
	if found.Status.Ended() || found.Status == campaign.Draft {
		return confirmOut{}, errs.Errorf(errs.Conflict, "the campaign is %s and cannot be cancelled", found.Status)
	}
	// The number still to be sent falls while somebody thinks: the audience is what is bound.
	s := subject{
		Tool: "cancel_campaign", Principal: c.by.ID(), CampaignID: found.ID, Version: found.Version, Round: found.Round,
		Rules: found.Rules, Template: found.MessageTemplate, People: found.TargetCount,
	}
	if in.Confirm == "" {
		return c.ask(found, s, fmt.Sprintf("Cancelling would end the campaign of %d recipient(s) for good; %s.",
			found.TargetCount, stillToSend(found))), nil
	}
	err = c.confirm.take(ctx, in.Confirm, s, s.Tool, func() error {
		_, err := c.Campaigns.Cancel(ctx, found.ID)
		return uncertain(err)
	})
	if err != nil {
		return confirmOut{}, err
	}
	return confirmOut{
		CampaignID: found.ID.String(), Done: true, Status: string(found.Status), People: found.TargetCount,
		What: "The campaign is being cancelled: messages under way are finished, the rest is not sent. campaign_progress shows its end.",
	}, nil
}

func stillToSend(c campaign.Campaign) string {
	if c.Stats == nil {
		return "nobody has got a message yet"
	}
	return fmt.Sprintf("%d have not got a message yet", c.Stats.Pending)
}

func retryFailed(ctx context.Context, c call, in confirmIn) (confirmOut, error) {
	found, err := c.campaign(ctx, in.CampaignID)
	if err != nil {
		return confirmOut{}, err
	}
	if found.Stats == nil || !found.Status.Ended() {
		return confirmOut{}, errs.Errorf(errs.Conflict, "the campaign is %s: only an ended one with failed messages can be retried", found.Status)
	}
	s := subject{
		Tool: "retry_failed", Principal: c.by.ID(), CampaignID: found.ID, Version: found.Version, Round: found.Round,
		Rules: found.Rules, Template: found.MessageTemplate, People: found.Stats.Failed,
	}
	if in.Confirm == "" {
		return c.ask(found, s, fmt.Sprintf("Up to %d failed message(s) would be sent again.", found.Stats.Failed)), nil
	}
	out := confirmOut{CampaignID: found.ID.String(), Done: true}
	err = c.confirm.take(ctx, in.Confirm, s, s.Tool, func() error {
		again, n, err := c.Campaigns.RetryFailed(ctx, found.ID)
		at := c.launched(again)
		out.Status, out.People, out.WorkflowID, out.WorkflowURL = at.Status, n, at.WorkflowID, at.WorkflowURL
		out.What = fmt.Sprintf("%d message(s) are sent again; campaign_progress follows them.", n)
		if n == 0 {
			out.What = "No failed message can be sent again: all of them were refused for good."
		}
		return uncertain(err)
	})
	return out, err
}
