package api

import (
	"context"
	"encoding/json"
	"math"
	"time"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
)

// drafts tries campaigns out and changes them before their launch.
type drafts struct{ service Campaigns }

// campaignOutput is one campaign, with its version while it can be edited: from its launch on it changes
// without being edited, and an entity tag would lie.
type campaignOutput struct {
	ETag string `header:"ETag" doc:"The version of a draft, for If-Match; none when it is no draft." example:"\"2\""`
	Body answer[campaignView]
}

func draftOutput(c campaign.Campaign) *campaignOutput {
	return &campaignOutput{ETag: draftTag(c), Body: answer[campaignView]{Success: true, Data: viewCampaign(c)}}
}

func draftTag(c campaign.Campaign) string {
	if c.Status != campaign.Draft {
		return ""
	}
	return etagOf(int64(c.Version))
}

func locationOf(c campaign.Campaign) string { return "/api/campaigns/" + c.ID.String() }

// rehearsalView is what a launch would come to now.
type rehearsalView struct {
	SegmentName      string          `json:"segment_name" doc:"The segment's name." example:"Big spenders"`
	TotalCustomers   int             `json:"total_customers" doc:"Customers that the rules match now." example:"42"`
	ToSend           int             `json:"to_send" doc:"Messages that would go to the vendor." example:"40"`
	Skipped          skippedView     `json:"skipped" doc:"Who would be skipped, by reason."`
	SkippedEstimated bool            `json:"skipped_estimated" doc:"Whether render_failed, and with it to_send, is estimated because there was no time to render every message." example:"false"`
	Rendered         int             `json:"rendered" doc:"Messages that were rendered to find that out." example:"40"`
	FanOut           string          `json:"fan_out" doc:"per_customer or paged: how the first attempts would be dispatched." example:"per_customer"`
	EstimatedSeconds *int64          `json:"estimated_seconds" nullable:"true" doc:"How long the first attempts take at the rate, from the start on and with the hours in which the send window is closed; null without a rate." example:"1"`
	Sample           []messageSample `json:"sample" nullable:"false" doc:"Up to five of the messages."`
}

// skippedView has the reasons that the ledger has.
type skippedView struct {
	NoEmail      int `json:"no_email" doc:"Have no address." example:"1"`
	Suppressed   int `json:"suppressed" doc:"Are not to be written to." example:"1"`
	RenderFailed int `json:"render_failed" doc:"The template gives no message for them." example:"0"`
}

// messageSample is a message that is only shown.
type messageSample struct {
	CustomerID string `json:"customer_id" format:"uuid" doc:"The customer's id." example:"0197e5b5-3333-7a64-8a3c-3a5ef2c43a11"`
	Name       string `json:"name" doc:"The customer's name." example:"Asha"`
	Email      string `json:"email" doc:"The customer's address." example:"asha@shop.in"`
	Message    string `json:"message" doc:"The text. An unsubscribe link in it unsubscribes nobody." example:"Hi Asha, 10% off"`
}

func (d drafts) dryRun(ctx context.Context, in *struct{ Body jsonBody[campaignBody] }) (*reply[answer[rehearsalView]], error) {
	said, err := in.Body.decode()
	if err != nil {
		return nil, err
	}
	order, err := campaignOf(said)
	if err != nil {
		return nil, err
	}
	found, err := d.service.Rehearse(ctx, order)
	if err != nil {
		return nil, err
	}
	return ok(viewRehearsal(found)), nil
}

// campaignEdit is what a client changes of a draft. What it does not name stays; null gives the default
// back, as in a new campaign.
type campaignEdit struct {
	Name            *string     `json:"name,omitempty" nullable:"false" maxLength:"255" doc:"The campaign's name." example:"Diwali"`
	SegmentID       *string     `json:"segment_id,omitempty" nullable:"false" format:"uuid" doc:"Whom to write to." example:"0197e5b5-1111-7a64-8a3c-3a5ef2c43a11"`
	MessageTemplate *string     `json:"message_template,omitempty" nullable:"false" doc:"The message, in Liquid." example:"Hi {{ name }}, 10% off"`
	CampaignType    *string     `json:"campaign_type,omitempty" nullable:"true" enum:"PROMOTIONAL,TRANSACTIONAL,NEWSLETTER,REMINDER" doc:"What it is for." example:"PROMOTIONAL"`
	ScheduledAt     *string     `json:"scheduled_at,omitempty" nullable:"true" format:"date-time" doc:"When to start, RFC 3339 with a zone; null for at once." example:"2025-09-20T10:00:00+05:30"`
	SendWindow      *windowBody `json:"send_window,omitempty" doc:"The hours in which it sends; null for at any time. Of its members those that are not named stay."`
	Rate            *float64    `json:"rate,omitempty" nullable:"true" minimum:"0" doc:"Messages per second; 0 or null for no limit." example:"50"`
	FanOut          *string     `json:"fan_out,omitempty" nullable:"true" enum:"auto,per_customer,paged" doc:"How first attempts are dispatched." example:"auto"`
	MaxAttempts     *int        `json:"max_attempts,omitempty" nullable:"true" minimum:"1" maximum:"100" doc:"Answers of the vendor after which a message is given up." example:"3"`
	SendDeadline    *string     `json:"send_deadline,omitempty" nullable:"true" doc:"How long to try while the vendor does not answer, as 90m or 1h." example:"1h"`
	ReceiptDeadline *string     `json:"receipt_deadline,omitempty" nullable:"true" doc:"How long to wait for receipts before the books close." example:"72h"`
}

// editOf says everything that a draft says.
func editOf(c campaign.Campaign) campaignEdit {
	e := campaignEdit{
		Name: &c.Name, SegmentID: new(c.SegmentID.String()), MessageTemplate: &c.MessageTemplate,
		CampaignType: new(string(c.Type)), Rate: &c.Rate, FanOut: new(string(c.FanOut)), MaxAttempts: &c.MaxAttempts,
		SendDeadline: new(c.SendDeadline.String()), ReceiptDeadline: new(c.ReceiptDeadline.String()),
	}
	if w := c.SendWindow; w != nil {
		e.SendWindow = &windowBody{From: &w.From, To: &w.To, TimeZone: &w.TimeZone}
	}
	if c.ScheduledAt != nil {
		e.ScheduledAt = new(c.ScheduledAt.Format(time.RFC3339Nano))
	}
	return e
}

// body is the new campaign that would say the same.
func (e campaignEdit) body() campaignBody {
	return campaignBody{
		Name: e.Name, SegmentID: e.SegmentID, MessageTemplate: e.MessageTemplate, CampaignType: e.CampaignType,
		ScheduledAt: e.ScheduledAt, SendWindow: e.SendWindow, Rate: e.Rate, FanOut: e.FanOut, MaxAttempts: e.MaxAttempts,
		SendDeadline: e.SendDeadline, ReceiptDeadline: e.ReceiptDeadline,
	}
}

type draftPatch struct {
	ID      string `path:"id" format:"uuid" doc:"The campaign's id." example:"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	IfMatch string `header:"If-Match" doc:"The ETag that was read, or * for whatever there is. Required." example:"\"2\""`
	Body    jsonBody[campaignEdit]
}

func (d drafts) edit(ctx context.Context, in *draftPatch) (*campaignOutput, error) {
	id, err := idOf(in.ID, "Campaign")
	if err != nil {
		return nil, err
	}
	if _, err := in.Body.decode(); err != nil {
		return nil, err
	}
	match, err := matchOf(in.IfMatch)
	if err != nil {
		return nil, err
	}
	edited, err := d.service.EditDraft(ctx, id, match, func(c campaign.Campaign) (campaign.CreateInput, error) {
		// Decoding over what there is: absent leaves it, null takes it away.
		merged := editOf(c)
		if err := json.Unmarshal(in.Body.raw, &merged); err != nil {
			return campaign.CreateInput{}, errs.Wrap(errs.Invalid, err, "the body cannot be read") // not reached: decoded above
		}
		return campaignOf(merged.body())
	})
	if err != nil {
		return nil, stale(err)
	}
	return draftOutput(edited), nil
}

type launchInput struct {
	ID      string `path:"id" format:"uuid" doc:"The campaign's id." example:"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	IfMatch string `header:"If-Match" doc:"The ETag that was read, so that nothing else is launched than what was seen; whatever there is if absent." example:"\"2\""`
}

func (d drafts) launch(ctx context.Context, in *launchInput) (*campaignOutput, error) {
	id, err := idOf(in.ID, "Campaign")
	if err != nil {
		return nil, err
	}
	match, err := optionalMatch(in.IfMatch)
	if err != nil {
		return nil, err
	}
	if match == nil {
		match = &customer.Match{Any: true}
	}
	launched, err := d.service.LaunchIf(ctx, id, *match)
	if err != nil {
		return nil, stale(err)
	}
	return draftOutput(launched), nil
}

// copiedOutput is a new draft and where it is.
type copiedOutput struct {
	ETag     string `header:"ETag" doc:"The version, for If-Match." example:"\"1\""`
	Location string `header:"Location" doc:"Where the draft is." example:"/api/campaigns/0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	Body     answer[campaignView]
}

func (d drafts) duplicate(ctx context.Context, in *campaignID) (*copiedOutput, error) {
	id, err := idOf(in.ID, "Campaign")
	if err != nil {
		return nil, err
	}
	made, err := d.service.Duplicate(ctx, id, principalOf(ctx))
	if err != nil {
		return nil, err
	}
	out := draftOutput(made)
	return &copiedOutput{ETag: out.ETag, Location: locationOf(made), Body: out.Body}, nil
}

func (d drafts) remove(ctx context.Context, in *campaignID) (*reply[deletedView], error) {
	id, err := idOf(in.ID, "Campaign")
	if err != nil {
		return nil, err
	}
	if err := d.service.DeleteDraft(ctx, id); err != nil {
		return nil, err
	}
	return &reply[deletedView]{Body: deletedView{Success: true, Message: "Campaign deleted successfully"}}, nil
}

func viewRehearsal(r campaign.Rehearsal) rehearsalView {
	view := rehearsalView{
		SegmentName: r.SegmentName, TotalCustomers: r.Audience, ToSend: r.ToSend(),
		Skipped:          skippedView{NoEmail: r.NoEmail, Suppressed: r.Suppressed, RenderFailed: r.RenderFailed},
		SkippedEstimated: r.Estimated, Rendered: r.Rendered, FanOut: string(r.FanOut),
		Sample: convert(r.Sample, viewMessage),
	}
	if r.Duration != nil {
		view.EstimatedSeconds = new(int64(math.Ceil(r.Duration.Seconds())))
	}
	return view
}

func viewMessage(m campaign.SampleMessage) messageSample {
	return messageSample{CustomerID: m.CustomerID.String(), Name: m.Name, Email: m.Email, Message: m.Text}
}
