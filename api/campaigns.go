package api

import (
	"context"
	"fmt"
	"strings"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/campaign"
)

type campaigns struct{ service Campaigns }

// campaignView is a campaign as clients see it: the reference's members, then ours.
type campaignView struct {
	CampaignID          string             `json:"campaign_id" format:"uuid" doc:"The campaign's id." example:"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	SegmentID           string             `json:"segment_id" format:"uuid" doc:"The segment that it was made from." example:"0197e5b5-1111-7a64-8a3c-3a5ef2c43a11"`
	Name                string             `json:"name" doc:"The campaign's name." example:"Diwali"`
	MessageTemplate     string             `json:"message_template" doc:"The message, in Liquid." example:"Hi {{ name }}, 10% off"`
	CampaignType        string             `json:"campaign_type" doc:"PROMOTIONAL, TRANSACTIONAL, NEWSLETTER or REMINDER." example:"PROMOTIONAL"`
	TargetAudienceCount int                `json:"target_audience_count" doc:"The audience: estimated at first, exact once resolved." example:"42"`
	CreatedBy           string             `json:"created_by" doc:"Who made it." example:"anonymous"`
	Status              string             `json:"status" doc:"DRAFT, SCHEDULED, ACTIVE (running), PAUSED, COMPLETED, CANCELLED or FAILED." example:"ACTIVE"`
	CreatedAt           instant            `json:"created_at" doc:"When it was made." example:"2025-09-14T12:00:00.000Z"`
	Segments            segmentName        `json:"segments" doc:"The segment's name."`
	CampaignStats       orNull[statsView]  `json:"campaign_stats" doc:"The books, null while there are none."`
	UpdatedAt           instant            `json:"updated_at" doc:"When it last changed." example:"2025-09-14T12:00:00.000Z"`
	ScheduledAt         *instant           `json:"scheduled_at" nullable:"true" doc:"When it is to start, null for at once." example:"2025-09-20T04:30:00.000Z"`
	SendWindow          orNull[windowView] `json:"send_window" doc:"The hours in which it sends, null for at any time."`
	StartedAt           *instant           `json:"started_at" nullable:"true" doc:"When it started." example:"2025-09-14T12:00:01.000Z"`
	FinishedAt          *instant           `json:"finished_at" nullable:"true" doc:"When its books were closed." example:"2025-09-14T12:05:00.000Z"`
	FanOut              string             `json:"fan_out" doc:"per_customer or paged: how the first attempts are dispatched. auto until the audience is known." example:"per_customer"`
	Rate                float64            `json:"rate" doc:"Messages per second, 0 for no limit." example:"50"`
	MaxAttempts         int                `json:"max_attempts" doc:"Answers of the vendor after which a message is given up." example:"3"`
	SendDeadline        string             `json:"send_deadline" doc:"How long to try while the vendor does not answer." example:"1h0m0s"`
	ReceiptDeadline     string             `json:"receipt_deadline" doc:"How long to wait for receipts before the books close." example:"72h0m0s"`
	WorkflowID          string             `json:"workflow_id" doc:"The workflow in Temporal." example:"campaign-0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	FailureReason       string             `json:"failure_reason,omitempty" doc:"Why it FAILED." example:"the segment's rules cannot be read"`
}

type segmentName struct {
	Name string `json:"name" doc:"The segment's name." example:"Big spenders"`
}

// statsView is the reference's campaign_stats, then the rest of the books.
type statsView struct {
	CampaignID     string  `json:"campaign_id" format:"uuid" doc:"The campaign's id." example:"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	TotalSent      int     `json:"total_sent" doc:"Messages handed to the vendor at least once." example:"40"`
	TotalDelivered int     `json:"total_delivered" doc:"Messages that the vendor delivered." example:"38"`
	TotalFailed    int     `json:"total_failed" doc:"Messages that failed for good." example:"2"`
	DeliveryRate   string  `json:"delivery_rate" doc:"Delivered of sent in percent, an exact decimal." example:"95"`
	LastUpdated    instant `json:"last_updated" doc:"When the books last changed." example:"2025-09-14T12:05:00.000Z"`
	Totals         books   `json:"totals" doc:"Every recipient, accounted for."`
}

// campaignBody is what a client says of a new campaign.
type campaignBody struct {
	Name            *string     `json:"name" nullable:"false" maxLength:"255" doc:"The campaign's name." example:"Diwali"`
	SegmentID       *string     `json:"segment_id" nullable:"false" format:"uuid" doc:"Whom to write to. The segment's rules are frozen." example:"0197e5b5-1111-7a64-8a3c-3a5ef2c43a11"`
	MessageTemplate *string     `json:"message_template" nullable:"false" doc:"The message, in Liquid; {{name}}, {{ name }} and {name} are the same." example:"Hi {{ name }}, 10% off"`
	CampaignType    *string     `json:"campaign_type,omitempty" nullable:"true" enum:"PROMOTIONAL,TRANSACTIONAL,NEWSLETTER,REMINDER" doc:"PROMOTIONAL unless said otherwise." example:"PROMOTIONAL"`
	CreatedBy       *string     `json:"created_by,omitempty" nullable:"true" maxLength:"255" doc:"Who makes it; believed only while authentication is off." example:"asha@shop.in"`
	Launch          *bool       `json:"launch,omitempty" nullable:"true" doc:"false makes a draft." example:"true"`
	ScheduledAt     *string     `json:"scheduled_at,omitempty" nullable:"true" format:"date-time" doc:"When to start, RFC 3339 with a zone; at once if absent." example:"2025-09-20T10:00:00+05:30"`
	SendWindow      *windowBody `json:"send_window,omitempty" doc:"The hours of each day in which it sends; at any time if absent."`
	Rate            *float64    `json:"rate,omitempty" nullable:"true" minimum:"0" doc:"Messages per second; 0 or absent for no limit." example:"50"`
	FanOut          *string     `json:"fan_out,omitempty" nullable:"true" enum:"auto,per_customer,paged" doc:"per_customer: an activity a customer in Temporal; paged: one for a page of first attempts, faster for large audiences. auto or absent: by the size of the audience." example:"auto"`
	MaxAttempts     *int        `json:"max_attempts,omitempty" nullable:"true" minimum:"1" maximum:"100" doc:"Answers of the vendor after which a message is given up; 3 if absent." example:"3"`
	SendDeadline    *string     `json:"send_deadline,omitempty" nullable:"true" doc:"How long to try while the vendor does not answer, as 90m or 1h; 1h if absent." example:"1h"`
	ReceiptDeadline *string     `json:"receipt_deadline,omitempty" nullable:"true" doc:"How long to wait for receipts before the books close; 72h if absent." example:"72h"`
}

type createInput struct {
	IdempotencyKey string `header:"Idempotency-Key" minLength:"1" maxLength:"255" doc:"Makes a repeated request give the first one's campaign." example:"diwali-2025"`
	Body           jsonBody[campaignBody]
}

// createdView is the reference's answer, then ours.
type createdView struct {
	CampaignID     string   `json:"campaign_id" format:"uuid" doc:"The campaign's id." example:"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	CampaignName   string   `json:"campaign_name" doc:"The campaign's name." example:"Diwali"`
	TotalCustomers int      `json:"total_customers" doc:"Customers that the rules match now." example:"42"`
	SegmentName    string   `json:"segment_name" doc:"The segment's name." example:"Big spenders"`
	Status         string   `json:"status" doc:"ACTIVE, SCHEDULED or DRAFT." example:"ACTIVE"`
	WorkflowID     string   `json:"workflow_id" doc:"The workflow in Temporal." example:"campaign-0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	ScheduledAt    *instant `json:"scheduled_at" nullable:"true" doc:"When it is to start, null for at once." example:"2025-09-20T04:30:00.000Z"`
}

type createdAnswer struct {
	Success bool        `json:"success" doc:"Always true." example:"true"`
	Data    createdView `json:"data" doc:"The new campaign."`
	Message string      `json:"message" doc:"What was done, in words." example:"Campaign \"Diwali\" created successfully with 42 targeted customers"`
}

type createdOutput struct {
	ETag     string `header:"ETag" doc:"The version of a draft, for If-Match." example:"\"1\""`
	Location string `header:"Location" doc:"Where the campaign is." example:"/api/campaigns/0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	Body     createdAnswer
}

func (c campaigns) create(ctx context.Context, in *createInput) (*createdOutput, error) {
	said, err := in.Body.decode()
	if err != nil {
		return nil, err
	}
	order, err := campaignOf(said)
	if err != nil {
		return nil, err
	}
	order.IdempotencyKey = in.IdempotencyKey
	order.Principal = authorOf(ctx, order.Principal)
	made, err := c.service.Create(ctx, order)
	if err != nil {
		return nil, err
	}
	return &createdOutput{ETag: draftTag(made), Location: locationOf(made), Body: createdAnswer{
		Success: true, Data: viewCreated(made),
		Message: fmt.Sprintf("Campaign \"%s\" created successfully with %d targeted customers", made.Name, made.TargetCount),
	}}, nil
}

// authorOf is the caller, whatever the body says, unless there is no authentication to ask.
func authorOf(ctx context.Context, said string) string {
	if p, known := auth.FromContext(ctx); known && p.Kind != auth.Nobody {
		return p.ID()
	}
	return said
}

type campaignID struct {
	ID string `path:"id" format:"uuid" doc:"The campaign's id." example:"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
}

func (c campaigns) get(ctx context.Context, in *campaignID) (*campaignOutput, error) {
	id, err := idOf(in.ID, "Campaign")
	if err != nil {
		return nil, err
	}
	one, err := c.service.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return draftOutput(one), nil
}

func viewCreated(c campaign.Campaign) createdView {
	return createdView{
		CampaignID: c.ID.String(), CampaignName: c.Name, TotalCustomers: c.TargetCount, SegmentName: c.SegmentName,
		Status: string(c.Status), WorkflowID: c.WorkflowID, ScheduledAt: instantOf(c.ScheduledAt),
	}
}

func viewCampaign(c campaign.Campaign) campaignView {
	view := campaignView{
		CampaignID: c.ID.String(), SegmentID: c.SegmentID.String(), Name: c.Name, MessageTemplate: c.MessageTemplate,
		CampaignType: string(c.Type), TargetAudienceCount: c.TargetCount, CreatedBy: c.CreatedBy,
		Status: string(c.Status), CreatedAt: instant{c.CreatedAt}, Segments: segmentName{c.SegmentName},
		UpdatedAt: instant{c.UpdatedAt}, ScheduledAt: instantOf(c.ScheduledAt), StartedAt: instantOf(c.StartedAt),
		FinishedAt: instantOf(c.FinishedAt), FanOut: string(c.FanOut), Rate: c.Rate, MaxAttempts: c.MaxAttempts,
		WorkflowID: c.WorkflowID, FailureReason: c.FailureReason,
		SendDeadline: c.SendDeadline.String(), ReceiptDeadline: c.ReceiptDeadline.String(),
	}
	if w := c.SendWindow; w != nil {
		view.SendWindow.value = &windowView{From: w.From, To: w.To, TimeZone: w.TimeZone}
	}
	if s := c.Stats; s != nil {
		view.CampaignStats.value = &statsView{
			CampaignID: view.CampaignID, TotalSent: s.Sent, TotalDelivered: s.Delivered, TotalFailed: s.Failed,
			DeliveryRate: s.DeliveryRate.String(), LastUpdated: instant{s.LastUpdated}, Totals: viewBooks(s.Totals),
		}
	}
	return view
}

// blank reports whether a text says nothing.
func blank(s *string) bool { return strings.TrimSpace(deref(s)) == "" }

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
