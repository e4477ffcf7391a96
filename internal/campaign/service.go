package campaign

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/failpoint"
	"github.com/xencrm/xencrm/internal/message"
	"github.com/xencrm/xencrm/internal/segment"
)

const (
	// defaultMaxAttempts is the reference's: with its vendor's profile three attempts deliver 94.725 %.
	defaultMaxAttempts = 3
	// maxMaxAttempts bounds a typing error; the hundredth attempt would come hours later.
	maxMaxAttempts = 100
	// defaultSendDeadline is how long a vendor outage may last before its messages are given up.
	defaultSendDeadline = time.Hour
	// defaultReceiptDeadline is how long the books stay open for receipts; bounces of real mail
	// take up to three days of retries by the receiving server.
	defaultReceiptDeadline = 72 * time.Hour
	// scheduleGrace accepts a scheduled_at that is a little past: the clock of the client, the delay
	// of the request. It then starts at once.
	scheduleGrace = 5 * time.Minute
	// maxSchedule refuses typing errors in the year.
	maxSchedule = 366 * 24 * time.Hour
	// maxRate is far above what one Temporal cluster dispatches; more is a typing error.
	maxRate = 1_000_000
	// startTimeout is how long a launch waits for Temporal before it answers "stored, will start".
	startTimeout = 3 * time.Second
)

// CreateInput is what a client says of a new campaign.
type CreateInput struct {
	Name            string
	SegmentID       uuid.UUID
	MessageTemplate string
	Type            string
	// Launch false makes a draft.
	Launch bool
	// FanOut is Auto when empty. Left out of the request's hash when empty: a repeat across an
	// upgrade is the same request.
	FanOut      FanOut `json:",omitempty"`
	ScheduledAt *time.Time
	// SendWindow nil is at any time; left out of the request's hash then, as FanOut is.
	SendWindow      *SendWindow `json:",omitempty"`
	Rate            float64
	MaxAttempts     int
	SendDeadline    time.Duration
	ReceiptDeadline time.Duration
	Principal       string
	// IdempotencyKey, when set, makes a repeated request give the first one's campaign (D12).
	IdempotencyKey string
}

// Clock tells the time; tests set their own.
type Clock func() time.Time

// Service is the service for campaigns; every door goes through it.
type Service struct {
	store    Store
	segments *Segments
	audience AudienceReader
	engine   Engine
	tryOut   tryOut
	now      Clock
	log      *slog.Logger
}

// Deps are what NewService needs.
type Deps struct {
	Store    Store
	Segments *Segments
	Audience AudienceReader
	Engine   Engine
	// Rehearser, ExampleLink and PagedAbove make dry runs: they are what the worker has, but for the link.
	Rehearser Rehearser
	// ExampleLink stands for the unsubscribe link of a message that is only shown: it unsubscribes nobody.
	ExampleLink string
	PagedAbove  int
	Now         Clock
	Log         *slog.Logger
}

// NewService makes the service.
func NewService(d Deps) *Service {
	return &Service{
		store: d.Store, segments: d.Segments, audience: d.Audience, engine: d.Engine, now: d.Now, log: d.Log,
		tryOut: tryOut{d.Rehearser, d.ExampleLink, cmp.Or(d.PagedAbove, DefaultPagedAbove)},
	}
}

// Create stores a campaign and, unless it is a draft, launches it. If Temporal is away the launch is
// stored and started when it is back: the caller gets success, for nothing is lost.
func (s *Service) Create(ctx context.Context, in CreateInput) (Campaign, error) {
	c, err := s.build(ctx, in)
	if err != nil {
		return Campaign{}, err
	}
	stored, created, err := s.store.InsertCampaign(ctx, c, hashRequest(in))
	if err != nil {
		return Campaign{}, fmt.Errorf("store campaign: %w", err)
	}
	failpoint.Hit(failpoint.CampaignAfterRow)
	if created && stored.Status != Draft {
		s.start(ctx, stored)
	}
	return stored, nil
}

// Launch starts a draft, whatever it says by now.
func (s *Service) Launch(ctx context.Context, id uuid.UUID) (Campaign, error) {
	return s.LaunchIf(ctx, id, customer.Match{Any: true})
}

// LaunchIf starts a draft that still is what the caller has seen of it.
func (s *Service) LaunchIf(ctx context.Context, id uuid.UUID, m customer.Match) (Campaign, error) {
	seen, err := s.draft(ctx, id, "launched", m)
	if err != nil {
		return Campaign{}, err
	}
	version := seen.Version
	if m.Any {
		version = 0
	}
	c, err := s.store.LaunchDraft(ctx, id, version)
	if err != nil {
		return Campaign{}, err
	}
	failpoint.Hit(failpoint.CampaignAfterRow)
	s.start(ctx, c)
	return c, nil
}

// Get gives one campaign with its books.
func (s *Service) Get(ctx context.Context, id uuid.UUID) (Campaign, error) {
	c, err := s.store.Campaign(ctx, id)
	if errs.Is(err, errs.NotFound) {
		return Campaign{}, errs.Wrap(errs.NotFound, err, "Campaign not found")
	}
	return c, err
}

// List gives one page of campaigns, newest first.
func (s *Service) List(ctx context.Context, p PageRequest) (Page[Campaign], error) {
	return s.store.Campaigns(ctx, p)
}

// Recent gives the newest campaigns with their books, at most limit.
func (s *Service) Recent(ctx context.Context, limit int) ([]Campaign, error) {
	return s.store.AllCampaigns(ctx, limit)
}

// Pause stops new sends; what is in flight finishes. Pausing a paused campaign changes nothing.
func (s *Service) Pause(ctx context.Context, id uuid.UUID) (Progress, error) {
	return s.steer(ctx, id, "paused", s.engine.Pause)
}

// Resume goes on where Pause stopped. Resuming a running campaign changes nothing.
func (s *Service) Resume(ctx context.Context, id uuid.UUID) (Progress, error) {
	return s.steer(ctx, id, "resumed", s.engine.Resume)
}

// Cancel lets in-flight sends finish and marks the rest CANCELLED in the books.
func (s *Service) Cancel(ctx context.Context, id uuid.UUID) (Progress, error) {
	return s.steer(ctx, id, "cancelled", s.engine.Cancel)
}

// SetRate changes the pace, in messages per second; 0 is unlimited.
func (s *Service) SetRate(ctx context.Context, id uuid.UUID, perSecond float64) (Progress, error) {
	if err := checkRate(perSecond); err != nil {
		return Progress{}, err
	}
	return s.steer(ctx, id, "changed", func(ctx context.Context, c Campaign) (Progress, error) {
		return s.engine.SetRate(ctx, c, perSecond)
	})
}

// Progress gives the workflow's own view, or the stored one when the campaign has ended.
func (s *Service) Progress(ctx context.Context, id uuid.UUID) (Progress, error) {
	c, err := s.Get(ctx, id)
	if err != nil {
		return Progress{}, err
	}
	p, err := s.engine.Progress(ctx, c)
	if err == nil {
		// The workflow is told once a second at most; the books are always newer.
		if c.Stats != nil {
			p.Totals = p.Totals.Newer(c.Stats.Totals)
		}
		return p, nil
	}
	p = Progress{Phase: string(c.Status), Paused: c.Status == Paused, Rate: c.Rate}
	if c.Stats != nil {
		p.Totals = c.Stats.Totals
	}
	return p, nil
}

// RetryFailed sends the failed messages of an ended campaign again, those whose failure may pass:
// a permanently refused address stays failed. It gives how many will be tried.
func (s *Service) RetryFailed(ctx context.Context, id uuid.UUID) (Campaign, int, error) {
	if _, err := s.Get(ctx, id); err != nil {
		return Campaign{}, 0, err
	}
	failpoint.Hit(failpoint.ControlBefore)
	c, n, err := s.store.RearmFailed(ctx, id, RetryableCodes())
	if err != nil {
		return Campaign{}, 0, err
	}
	failpoint.Hit(failpoint.RoundAfterRow)
	if n > 0 {
		s.start(ctx, c)
	}
	return c, n, failpoint.Err(failpoint.ControlAfter)
}

// RetryableCodes are the failure codes after which sending again may succeed.
func RetryableCodes() []string {
	return []string{"RATE_LIMITED", "TEMPORARY_FAILURE", "QUOTA_EXCEEDED", "SYSTEM_ERROR", CodeSendDeadline}
}

// start starts the workflow and records that. A failure is not the caller's: the campaign is stored
// as unstarted, and the starter loop tries again until Temporal is back.
func (s *Service) start(ctx context.Context, c Campaign) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := s.engine.Start(ctx, c); err != nil {
		s.log.WarnContext(ctx, "campaign start postponed", "campaign_id", c.ID, "error", err)
		return
	}
	failpoint.Hit(failpoint.CampaignAfterStart)
	if err := s.store.ConfirmStart(ctx, c.ID, c.Round); err != nil {
		s.log.WarnContext(ctx, "campaign start not recorded, it will be repeated", "campaign_id", c.ID, "error", err)
	}
	failpoint.Hit(failpoint.CampaignAfterConfirm)
}

// steer runs a control call on a campaign whose workflow is open.
func (s *Service) steer(
	ctx context.Context, id uuid.UUID, verb string, call func(context.Context, Campaign) (Progress, error),
) (Progress, error) {
	c, err := s.Get(ctx, id)
	if err != nil {
		return Progress{}, err
	}
	if c.Status.Ended() || c.Status == Draft {
		return Progress{}, errs.Errorf(errs.Conflict, "the campaign is %s and cannot be %s", c.Status, verb)
	}
	failpoint.Hit(failpoint.ControlBefore)
	p, err := call(ctx, c)
	if errs.Is(err, errs.NotFound) {
		// Temporal was away when it was launched; the starter has not come to it yet.
		return p, errs.Wrap(errs.Unavailable, err, "the campaign has not started yet; try again in a moment")
	}
	if err != nil {
		return p, err
	}
	return p, failpoint.Err(failpoint.ControlAfter)
}

// build makes the campaign that the input describes, with the present size of its audience.
func (s *Service) build(ctx context.Context, in CreateInput) (Campaign, error) {
	c, err := s.describe(ctx, in)
	if err != nil {
		return Campaign{}, err
	}
	rules, err := segment.Parse(c.Rules)
	if err != nil {
		return Campaign{}, fmt.Errorf("the segment's stored rules: %w", err)
	}
	c.TargetCount, err = s.audience.CountAudience(ctx, rules)
	if err != nil {
		return Campaign{}, fmt.Errorf("count audience: %w", err)
	}
	return c, nil
}

// describe validates the input and freezes the segment's rules.
func (s *Service) describe(ctx context.Context, in CreateInput) (Campaign, error) {
	in, err := s.validate(in)
	if err != nil {
		return Campaign{}, err
	}
	seg, err := s.segments.Get(ctx, in.SegmentID)
	if err != nil {
		return Campaign{}, err
	}
	c := Campaign{
		ID: campaignID(in), SegmentID: seg.ID, SegmentName: seg.Name, Rules: seg.Rules, Name: in.Name,
		MessageTemplate: in.MessageTemplate, Type: Type(in.Type), Status: Active,
		FanOut: in.FanOut, Rate: in.Rate, MaxAttempts: in.MaxAttempts, SendDeadline: in.SendDeadline,
		ReceiptDeadline: in.ReceiptDeadline, ScheduledAt: in.ScheduledAt, SendWindow: in.SendWindow, CreatedBy: in.Principal,
	}
	switch {
	case !in.Launch:
		c.Status = Draft
	case in.ScheduledAt != nil && in.ScheduledAt.After(s.now()):
		c.Status = Scheduled
	}
	return c, nil
}

// validate checks everything that needs no database and fills in the defaults; it lists every
// faulty field at once.
func (s *Service) validate(in CreateInput) (CreateInput, error) {
	var fields []errs.Field
	refuse := func(pointer, format string, args ...any) {
		fields = append(fields, errs.Field{Pointer: pointer, Message: fmt.Sprintf(format, args...)})
	}
	name, err := cleanName("Campaign name", "/name", in.Name)
	fields = append(fields, fieldsOf(err)...)
	in.Name = name
	if _, err := message.Parse(in.MessageTemplate); err != nil {
		fields = append(fields, fieldsOf(err)...)
	}
	if in.Type == "" {
		in.Type = string(Promotional)
	}
	switch Type(in.Type) {
	case Promotional, Transactional, Newsletter, Reminder:
	default:
		refuse("/campaign_type", "must be one of PROMOTIONAL, TRANSACTIONAL, NEWSLETTER, REMINDER")
	}
	if at := in.ScheduledAt; at != nil && (at.Before(s.now().Add(-scheduleGrace)) || at.After(s.now().Add(maxSchedule))) {
		refuse("/scheduled_at", "must lie between now and a year from now")
	}
	in.FanOut = cmp.Or(in.FanOut, Auto)
	if !in.FanOut.Valid() {
		refuse("/fan_out", "must be one of auto, per_customer, paged")
	}
	if in.SendWindow != nil {
		_, err := in.SendWindow.Hours()
		fields = append(fields, fieldsOf(err)...)
	}
	fields = append(fields, fieldsOf(checkRate(in.Rate))...)
	in.MaxAttempts = orDefault(in.MaxAttempts, defaultMaxAttempts)
	if in.MaxAttempts < 1 || in.MaxAttempts > maxMaxAttempts {
		refuse("/max_attempts", "must be from 1 to %d", maxMaxAttempts)
	}
	in.SendDeadline = orDefault(in.SendDeadline, defaultSendDeadline)
	in.ReceiptDeadline = orDefault(in.ReceiptDeadline, defaultReceiptDeadline)
	if in.SendDeadline < 0 || in.ReceiptDeadline < 0 {
		refuse("", "deadlines must not be negative")
	}
	if len(fields) > 0 {
		return CreateInput{}, errs.InvalidFields(fields[0].Message, fields)
	}
	return in, nil
}

// campaignID is random, or derived from the idempotency key and its owner so that a repeated
// request meets the primary key.
func campaignID(in CreateInput) uuid.UUID {
	if in.IdempotencyKey == "" {
		return uuid.Must(uuid.NewV7())
	}
	return uuid.NewSHA1(communicationSpace, []byte("campaign\x00"+in.Principal+"\x00"+in.IdempotencyKey))
}

// hashRequest tells whether a repeated idempotency key carries the same request.
func hashRequest(in CreateInput) []byte {
	raw, err := json.Marshal(in) //nolint:musttag // it is hashed, nobody reads it
	if err != nil {
		// CreateInput holds nothing that JSON cannot express, NaN was refused by checkRate.
		panic(fmt.Sprintf("encode campaign request: %v", err))
	}
	sum := sha256.Sum256(raw)
	return sum[:]
}

func checkRate(perSecond float64) error {
	if math.IsNaN(perSecond) || perSecond < 0 || perSecond > maxRate {
		text := fmt.Sprintf("must be a number of messages per second from 0 (unlimited) to %d", maxRate)
		return errs.InvalidFields("rate "+text, []errs.Field{{Pointer: "/rate", Message: text}})
	}
	return nil
}

func fieldsOf(err error) []errs.Field {
	if err == nil {
		return nil
	}
	if e, ok := asErrs(err); ok && len(e.Fields) > 0 {
		return e.Fields
	}
	return []errs.Field{{Message: err.Error()}}
}

func orDefault[T int | time.Duration](v, fallback T) T {
	if v == 0 {
		return fallback
	}
	return v
}

func asErrs(err error) (*errs.Error, bool) { return errors.AsType[*errs.Error](err) }
