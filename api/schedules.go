package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/errs"
)

// schedules keeps campaigns that come again.
type schedules struct{ service Schedules }

// nextShown is how many occurrences to come are shown: two weeks of a newsletter that comes on workdays would
// be a list to scroll.
const nextShown = 5

// planView is what each occurrence is.
type planView struct {
	Name            string             `json:"name" doc:"The name; each campaign's carries its time as well." example:"Weekly offer"`
	SegmentID       string             `json:"segment_id" format:"uuid" doc:"Whom to write to, by the rules as they are then." example:"0197e5b5-1111-7a64-8a3c-3a5ef2c43a11"`
	MessageTemplate string             `json:"message_template" doc:"The message, in Liquid." example:"Hi {{ name }}, 10% off"`
	CampaignType    string             `json:"campaign_type" doc:"PROMOTIONAL, TRANSACTIONAL, NEWSLETTER or REMINDER." example:"NEWSLETTER"`
	FanOut          string             `json:"fan_out" doc:"auto, per_customer or paged." example:"auto"`
	SendWindow      orNull[windowView] `json:"send_window" doc:"The hours in which it sends, null for at any time."`
	Rate            float64            `json:"rate" doc:"Messages per second, 0 for no limit." example:"50"`
	MaxAttempts     int                `json:"max_attempts" doc:"Answers of the vendor after which a message is given up." example:"3"`
	SendDeadline    string             `json:"send_deadline" doc:"How long to try while the vendor does not answer." example:"1h0m0s"`
	ReceiptDeadline string             `json:"receipt_deadline" doc:"How long to wait for receipts before the books close." example:"72h0m0s"`
}

// recurrenceView is when it comes.
type recurrenceView struct {
	Times       []string `json:"times" nullable:"false" doc:"Times of day." example:"[\"09:00\"]"`
	Weekdays    []string `json:"weekdays" nullable:"false" doc:"Days of the week, as MON; any if empty." example:"[\"MON\"]"`
	DaysOfMonth []int    `json:"days_of_month" nullable:"false" doc:"Days of the month; any if empty. Of both, a day has to be in both." example:"[1]"`
	TimeZone    string   `json:"time_zone" doc:"IANA name of the time zone. A time that its clocks skip does not come, one that they show twice comes once." example:"Asia/Kolkata"`
	StartsAt    *instant `json:"starts_at" nullable:"true" doc:"Nothing comes before; null for no bound." example:"2025-09-20T04:30:00.000Z"`
	EndsAt      *instant `json:"ends_at" nullable:"true" doc:"Nothing comes after; null for no bound." example:"2026-09-20T04:30:00.000Z"`
}

// scheduleView is a schedule as clients see it.
type scheduleView struct {
	ScheduleID     string         `json:"schedule_id" format:"uuid" doc:"The schedule's id." example:"0197e5b5-5555-7a64-8a3c-3a5ef2c43a11"`
	Status         string         `json:"status" doc:"ACTIVE or PAUSED." example:"ACTIVE"`
	Campaign       planView       `json:"campaign" doc:"What each occurrence is."`
	Recurrence     recurrenceView `json:"recurrence" doc:"When it comes."`
	Synced         bool           `json:"synced" doc:"Whether Temporal has this version; if not, it was away and will get it by itself." example:"true"`
	NextAt         []instant      `json:"next_at" nullable:"false" doc:"The next occurrences, five at most; empty in a list, while it is paused, and while Temporal is away."`
	LastAt         *instant       `json:"last_at" nullable:"true" doc:"The last occurrence." example:"2025-09-14T03:30:00.000Z"`
	LastCampaignID *string        `json:"last_campaign_id" nullable:"true" format:"uuid" doc:"The campaign that it made." example:"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	LastError      *string        `json:"last_error" nullable:"true" doc:"Why it made none." example:"Segment not found"`
	CreatedBy      string         `json:"created_by" doc:"Who made it, and whose its campaigns are." example:"anonymous"`
	CreatedAt      instant        `json:"created_at" doc:"When it was made." example:"2025-09-14T12:00:00.000Z"`
	UpdatedAt      instant        `json:"updated_at" doc:"When it was last changed." example:"2025-09-14T12:00:00.000Z"`
}

// recurrenceBody is what a client says of when.
type recurrenceBody struct {
	Times       []string `json:"times" nullable:"false" minItems:"1" maxItems:"24" doc:"Times of day, an hour apart or more." example:"[\"09:00\"]"`
	Weekdays    []string `json:"weekdays,omitempty" nullable:"true" doc:"Days of the week, of SUN, MON, TUE, WED, THU, FRI, SAT; any if absent." example:"[\"MON\"]"`
	DaysOfMonth []int    `json:"days_of_month,omitempty" nullable:"true" doc:"Days of the month, 1 to 31; any if absent." example:"[1]"`
	TimeZone    *string  `json:"time_zone" nullable:"false" doc:"IANA name of the time zone." example:"Asia/Kolkata"`
	StartsAt    *string  `json:"starts_at,omitempty" nullable:"true" format:"date-time" doc:"Nothing comes before." example:"2025-09-20T10:00:00+05:30"`
	EndsAt      *string  `json:"ends_at,omitempty" nullable:"true" format:"date-time" doc:"Nothing comes after." example:"2026-09-20T10:00:00+05:30"`
}

// scheduleBody is what a client says of a schedule.
type scheduleBody struct {
	Campaign   *campaignBody   `json:"campaign" nullable:"false" doc:"What each occurrence is, as a new campaign; without scheduled_at and launch."`
	Recurrence *recurrenceBody `json:"recurrence" nullable:"false" doc:"When it comes."`
}

type scheduleInput struct {
	IdempotencyKey string `header:"Idempotency-Key" minLength:"1" maxLength:"255" doc:"Makes a repeated request give the first one's schedule." example:"weekly-offer"`
	Body           jsonBody[scheduleBody]
}

type scheduleID struct {
	ID string `path:"id" format:"uuid" doc:"The schedule's id." example:"0197e5b5-5555-7a64-8a3c-3a5ef2c43a11"`
}

type scheduleChange struct {
	ID      string `path:"id" format:"uuid" doc:"The schedule's id." example:"0197e5b5-5555-7a64-8a3c-3a5ef2c43a11"`
	IfMatch string `header:"If-Match" doc:"The ETag that was read, or *." example:"\"2\""`
	Body    jsonBody[scheduleBody]
}

type scheduleTrigger struct {
	ID             string `path:"id" format:"uuid" doc:"The schedule's id." example:"0197e5b5-5555-7a64-8a3c-3a5ef2c43a11"`
	IdempotencyKey string `header:"Idempotency-Key" minLength:"1" maxLength:"255" doc:"Makes a repeated request give the first one's campaign." example:"weekly-offer-now"`
}

// scheduleOutput is one schedule and its version.
type scheduleOutput struct {
	ETag     string `header:"ETag" doc:"The version, for If-Match." example:"\"2\""`
	Location string `header:"Location" doc:"The schedule's own address." example:"/api/schedules/0197e5b5-5555-7a64-8a3c-3a5ef2c43a11"`
	Body     answer[scheduleView]
}

func (s schedules) list(ctx context.Context, in *segmentQuery) (*reply[slice[scheduleView]], error) {
	limit, err := in.Limit.number()
	if err != nil {
		return nil, err
	}
	scope := []string{"schedules"}
	after, err := newestAfter(in.Cursor, scope)
	if err != nil {
		return nil, err
	}
	found, err := s.service.ListAfter(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	return &reply[slice[scheduleView]]{Body: slice[scheduleView]{
		Success: true, Data: convert(found.Items, viewSchedule), NextCursor: cursor.Encode(found.Next, scope...),
	}}, nil
}

func (s schedules) create(ctx context.Context, in *scheduleInput) (*scheduleOutput, error) {
	said, err := scheduleOf(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	said.Campaign.IdempotencyKey = in.IdempotencyKey
	made, err := s.service.Create(ctx, said)
	if err != nil {
		return nil, underCampaign(err)
	}
	return s.shown(ctx, made), nil
}

func (s schedules) get(ctx context.Context, in *scheduleID) (*scheduleOutput, error) {
	id, err := idOf(in.ID, "Schedule")
	if err != nil {
		return nil, err
	}
	found, err := s.service.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.shown(ctx, found), nil
}

func (s schedules) replace(ctx context.Context, in *scheduleChange) (*scheduleOutput, error) {
	id, err := idOf(in.ID, "Schedule")
	if err != nil {
		return nil, err
	}
	m, err := matchOf(in.IfMatch)
	if err != nil {
		return nil, err
	}
	said, err := scheduleOf(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	changed, err := s.service.Replace(ctx, id, m, said)
	if err != nil {
		return nil, stale(underCampaign(err))
	}
	return s.shown(ctx, changed), nil
}

func (s schedules) remove(ctx context.Context, in *scheduleID) (*reply[deletedView], error) {
	id, err := idOf(in.ID, "Schedule")
	if err != nil {
		return nil, err
	}
	if err := s.service.Delete(ctx, id); err != nil {
		return nil, err
	}
	return &reply[deletedView]{Body: deletedView{Success: true, Message: "Schedule deleted"}}, nil
}

// turn makes the handler of pause and resume.
func (s schedules) turn(
	do func(context.Context, uuid.UUID) (campaign.Schedule, error),
) func(context.Context, *scheduleID) (*scheduleOutput, error) {
	return func(ctx context.Context, in *scheduleID) (*scheduleOutput, error) {
		id, err := idOf(in.ID, "Schedule")
		if err != nil {
			return nil, err
		}
		changed, err := do(ctx, id)
		if err != nil {
			return nil, err
		}
		return s.shown(ctx, changed), nil
	}
}

func (s schedules) trigger(ctx context.Context, in *scheduleTrigger) (*campaignOutput, error) {
	id, err := idOf(in.ID, "Schedule")
	if err != nil {
		return nil, err
	}
	made, err := s.service.Trigger(ctx, id, principalOf(ctx), in.IdempotencyKey)
	if err != nil {
		return nil, err
	}
	return draftOutput(made), nil
}

func (s schedules) shown(ctx context.Context, sch campaign.Schedule) *scheduleOutput {
	view := viewSchedule(sch)
	for _, at := range s.service.NextTimes(ctx, sch, nextShown) {
		view.NextAt = append(view.NextAt, instant{at})
	}
	return &scheduleOutput{
		ETag: etagOf(int64(sch.Version)), Location: "/api/schedules/" + sch.ID.String(), Body: answer[scheduleView]{Success: true, Data: view},
	}
}

// scheduleOf reads what JSON has no types for; the service checks the rest.
func scheduleOf(ctx context.Context, body jsonBody[scheduleBody]) (campaign.ScheduleInput, error) {
	said, err := body.decode()
	if err != nil {
		return campaign.ScheduleInput{}, err
	}
	if said.Campaign == nil || said.Recurrence == nil {
		return campaign.ScheduleInput{}, refused("", "Missing required fields: campaign, recurrence")
	}
	if said.Campaign.Launch != nil {
		return campaign.ScheduleInput{}, refused("/campaign/launch", "must be left out: the recurrence says when it is launched")
	}
	in, err := campaignOf(*said.Campaign)
	if err != nil {
		return campaign.ScheduleInput{}, underCampaign(err)
	}
	in.Principal = authorOf(ctx, in.Principal)
	var bad faults
	r := said.Recurrence
	out := campaign.ScheduleInput{Campaign: in, Recurrence: campaign.Recurrence{
		Times: r.Times, Weekdays: r.Weekdays, DaysOfMonth: r.DaysOfMonth, TimeZone: deref(r.TimeZone),
		StartsAt: bad.time("/recurrence/starts_at", r.StartsAt), EndsAt: bad.time("/recurrence/ends_at", r.EndsAt),
	}}
	if len(bad) > 0 {
		return campaign.ScheduleInput{}, errs.InvalidFields(strings.TrimPrefix(bad[0].Pointer, "/")+" "+bad[0].Message, bad)
	}
	return out, nil
}

// underCampaign moves the pointers of a campaign's faults to where the campaign stands in the body.
func underCampaign(err error) error {
	move := func(pointer string) string {
		if pointer == "" || strings.HasPrefix(pointer, "/recurrence") || strings.HasPrefix(pointer, "/campaign/") {
			return pointer
		}
		return "/campaign" + pointer
	}
	if p, ok := errors.AsType[*problem](err); ok && p.Status != http.StatusNotFound {
		moved := *p
		moved.Errors = nil
		for _, f := range p.Errors {
			moved.Errors = append(moved.Errors, fieldOf(errs.Field{Pointer: move(f.Pointer), Message: f.Message}))
		}
		return &moved
	}
	e, ok := errors.AsType[*errs.Error](err)
	if !ok || e.Code != errs.Invalid {
		return err
	}
	moved := *e
	moved.Fields = nil
	for _, f := range e.Fields {
		moved.Fields = append(moved.Fields, errs.Field{Pointer: move(f.Pointer), Message: f.Message})
	}
	return &moved
}

func viewSchedule(s campaign.Schedule) scheduleView {
	p, r := s.Plan, s.Recurrence
	v := scheduleView{
		ScheduleID: s.ID.String(), Status: "ACTIVE", Synced: s.Synced, NextAt: []instant{}, LastAt: instantOf(s.LastAt),
		CreatedBy: s.CreatedBy, CreatedAt: instant{s.CreatedAt}, UpdatedAt: instant{s.UpdatedAt},
		Campaign: planView{
			Name: p.Name, SegmentID: p.SegmentID.String(), MessageTemplate: p.MessageTemplate, CampaignType: p.Type, FanOut: string(p.FanOut),
			Rate: p.Rate, MaxAttempts: p.MaxAttempts, SendDeadline: p.SendDeadline.String(),
			ReceiptDeadline: p.ReceiptDeadline.String(),
		},
		Recurrence: recurrenceView{
			Times: orEmpty(r.Times), Weekdays: orEmpty(r.Weekdays), DaysOfMonth: orEmpty(r.DaysOfMonth), TimeZone: r.TimeZone,
			StartsAt: instantOf(r.StartsAt), EndsAt: instantOf(r.EndsAt),
		},
	}
	if w := p.SendWindow; w != nil {
		v.Campaign.SendWindow.value = &windowView{From: w.From, To: w.To, TimeZone: w.TimeZone}
	}
	if s.Paused {
		v.Status = "PAUSED"
	}
	if s.LastCampaignID != nil {
		v.LastCampaignID = new(s.LastCampaignID.String())
	}
	if s.LastError != "" {
		v.LastError = &s.LastError
	}
	return v
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
