package campaign

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
)

// Plan is what each occurrence of a schedule is, as rows keep it: a campaign without its time.
type Plan struct {
	Name            string        `json:"name"`
	SegmentID       uuid.UUID     `json:"segment_id"`
	MessageTemplate string        `json:"message_template"`
	Type            string        `json:"campaign_type"`
	FanOut          FanOut        `json:"fan_out"`
	SendWindow      *SendWindow   `json:"send_window,omitempty"`
	Rate            float64       `json:"rate"`
	MaxAttempts     int           `json:"max_attempts"`
	SendDeadline    time.Duration `json:"send_deadline"`
	ReceiptDeadline time.Duration `json:"receipt_deadline"`
}

// Schedule is a campaign that comes again. Each occurrence is a campaign of its own, with its own books, and
// the segment's rules as they are then.
type Schedule struct {
	ID         uuid.UUID
	Plan       Plan
	Recurrence Recurrence
	Paused     bool
	Deleted    bool
	Version    int
	// Synced says whether Temporal is known to have this version.
	Synced bool
	// LastAt is the last occurrence; it made LastCampaignID, or LastError says why not.
	LastAt         *time.Time
	LastCampaignID *uuid.UUID
	LastError      string
	CreatedBy      string
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// Position is the schedule's place in the list.
func (s Schedule) Position() cursor.Position { return newest(s.CreatedAt, s.ID) }

// Key names the schedule in Temporal.
func (s Schedule) Key() string { return "campaign-schedule-" + s.ID.String() }

// ScheduleInput is what a client says of a schedule.
type ScheduleInput struct {
	Campaign   CreateInput
	Recurrence Recurrence
}

// ScheduleStore keeps schedules. Changes are compare-and-sets on the version: errs.Conflict with
// customer.ErrStale in it if it is another.
type ScheduleStore interface {
	// InsertSchedule gives errs.Conflict if the id is taken.
	InsertSchedule(ctx context.Context, s Schedule) (Schedule, error)
	Schedule(ctx context.Context, id uuid.UUID) (Schedule, error)
	SchedulesAfter(ctx context.Context, after cursor.Position, limit int) ([]Schedule, error)
	UpdateSchedule(ctx context.Context, s Schedule) (Schedule, error)
	// DeleteSchedule marks it, for Temporal's has to go first.
	DeleteSchedule(ctx context.Context, id uuid.UUID) (Schedule, error)
	// ConfirmSync records that Temporal has the version, or that it has forgotten a deleted one.
	ConfirmSync(ctx context.Context, s Schedule) error
	NoteOccurrence(ctx context.Context, o Occurrence) error
}

// Occurrence is what became of one occurrence.
type Occurrence struct {
	ScheduleID uuid.UUID
	At         time.Time
	// CampaignID is nil when Error says why there is none.
	CampaignID *uuid.UUID
	Error      string
}

// ScheduleEngine keeps Temporal's schedules. Every call is harmless when repeated.
type ScheduleEngine interface {
	// SyncSchedule makes Temporal's schedule what the row says, or deletes it. An older version than the
	// one it has changes nothing.
	SyncSchedule(ctx context.Context, s Schedule) error
	// NextTimes gives the next occurrences, none of a paused one.
	NextTimes(ctx context.Context, s Schedule, limit int) ([]time.Time, error)
}

// Schedules is the service for schedules; every door goes through it.
type Schedules struct {
	store     ScheduleStore
	campaigns *Service
	engine    ScheduleEngine
	log       *slog.Logger
}

// NewSchedules makes the service; campaigns makes the campaigns of occurrences.
func NewSchedules(store ScheduleStore, campaigns *Service, engine ScheduleEngine, log *slog.Logger) *Schedules {
	return &Schedules{store: store, campaigns: campaigns, engine: engine, log: log}
}

// Create stores a schedule. If Temporal is away it begins when it is back. With an idempotency key a
// repeated request gives the first one's schedule.
func (s *Schedules) Create(ctx context.Context, in ScheduleInput) (Schedule, error) {
	plan, err := s.plan(ctx, in)
	if err != nil {
		return Schedule{}, err
	}
	made, err := s.store.InsertSchedule(ctx, Schedule{
		ID: scheduleID(in.Campaign), Plan: plan, Recurrence: in.Recurrence, CreatedBy: in.Campaign.Principal,
	})
	if errs.Is(err, errs.Conflict) && in.Campaign.IdempotencyKey != "" {
		return s.Get(ctx, scheduleID(in.Campaign)) // an earlier execution made it and could not say so
	}
	if err != nil {
		return Schedule{}, err
	}
	return s.sync(ctx, made), nil
}

// scheduleID is random, or derived from the idempotency key and its owner.
func scheduleID(in CreateInput) uuid.UUID {
	if in.IdempotencyKey == "" {
		return uuid.Must(uuid.NewV7())
	}
	return uuid.NewSHA1(communicationSpace, []byte("schedule\x00"+in.Principal+"\x00"+in.IdempotencyKey))
}

// plan validates what each occurrence is and when; it lists the faults of both.
func (s *Schedules) plan(ctx context.Context, in ScheduleInput) (Plan, error) {
	if in.Campaign.ScheduledAt != nil {
		return Plan{}, errs.InvalidFields("scheduled_at is the recurrence's to say",
			[]errs.Field{{Pointer: "/scheduled_at", Message: "must be left out: the recurrence says when"}})
	}
	if err := in.Recurrence.Validate(); err != nil {
		return Plan{}, err
	}
	in.Campaign.Launch = true
	c, err := s.campaigns.describe(ctx, in.Campaign)
	return Plan{
		Name: c.Name, SegmentID: c.SegmentID, MessageTemplate: c.MessageTemplate, Type: string(c.Type), FanOut: c.FanOut,
		SendWindow: c.SendWindow, Rate: c.Rate, MaxAttempts: c.MaxAttempts, SendDeadline: c.SendDeadline, ReceiptDeadline: c.ReceiptDeadline,
	}, err
}

// Get gives one schedule.
func (s *Schedules) Get(ctx context.Context, id uuid.UUID) (Schedule, error) {
	found, err := s.store.Schedule(ctx, id)
	if errs.Is(err, errs.NotFound) {
		return Schedule{}, errs.Wrap(errs.NotFound, err, "Schedule not found")
	}
	return found, err
}

// ListAfter gives the schedules that follow a position, newest first.
func (s *Schedules) ListAfter(ctx context.Context, after cursor.Position, limit int) (cursor.Page[Schedule], error) {
	found, err := s.store.SchedulesAfter(ctx, after, limit+1) // one more shows whether anything follows
	return cursor.Cut(found, limit, Schedule.Position), err
}

// NextTimes gives the next occurrences. None are known while Temporal is away or has not got this version.
func (s *Schedules) NextTimes(ctx context.Context, sch Schedule, limit int) []time.Time {
	if !sch.Synced || sch.Paused {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	next, err := s.engine.NextTimes(ctx, sch, limit)
	if err != nil {
		s.log.WarnContext(ctx, "next occurrences not known", "schedule_id", sch.ID, "error", err)
		return nil
	}
	return next
}

// Replace changes all that a client says of a schedule. Campaigns that it has made stay as they are.
func (s *Schedules) Replace(ctx context.Context, id uuid.UUID, m customer.Match, in ScheduleInput) (Schedule, error) {
	plan, err := s.plan(ctx, in)
	if err != nil {
		return Schedule{}, err
	}
	return s.change(ctx, id, m, func(have *Schedule) { have.Plan, have.Recurrence = plan, in.Recurrence })
}

// Pause lets no occurrence come; pausing a paused schedule changes nothing but its version.
func (s *Schedules) Pause(ctx context.Context, id uuid.UUID) (Schedule, error) {
	return s.change(ctx, id, customer.Match{Any: true}, func(have *Schedule) { have.Paused = true })
}

// Resume lets occurrences come again. Those that fell into the pause do not.
func (s *Schedules) Resume(ctx context.Context, id uuid.UUID) (Schedule, error) {
	return s.change(ctx, id, customer.Match{Any: true}, func(have *Schedule) { have.Paused = false })
}

func (s *Schedules) change(ctx context.Context, id uuid.UUID, m customer.Match, change func(*Schedule)) (Schedule, error) {
	have, err := s.Get(ctx, id)
	if err != nil {
		return Schedule{}, err
	}
	if err := checkVersion("schedule", m, have.Version); err != nil {
		return Schedule{}, err
	}
	change(&have)
	changed, err := s.store.UpdateSchedule(ctx, have)
	if err != nil {
		return Schedule{}, err
	}
	return s.sync(ctx, changed), nil
}

// Delete ends a schedule. Campaigns that it has made go on, and keep their books.
func (s *Schedules) Delete(ctx context.Context, id uuid.UUID) error {
	gone, err := s.store.DeleteSchedule(ctx, id)
	if errs.Is(err, errs.NotFound) {
		return errs.Wrap(errs.NotFound, err, "Schedule not found")
	}
	if err != nil {
		return err
	}
	s.sync(ctx, gone)
	return nil
}

// sync brings Temporal in line. A failure is not the caller's: the row is stored, and the syncer tries again
// until Temporal is back.
func (s *Schedules) sync(ctx context.Context, sch Schedule) Schedule {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	err := s.engine.SyncSchedule(ctx, sch)
	if err == nil {
		err = s.store.ConfirmSync(ctx, sch)
	}
	if err != nil {
		s.log.WarnContext(ctx, "schedule not in Temporal yet", "schedule_id", sch.ID, "version", sch.Version, "error", err)
	}
	sch.Synced = err == nil
	return sch
}

// Trigger makes the campaign of an occurrence now, also of a paused schedule. With a key a repeated request
// makes none: the time is of the first.
func (s *Schedules) Trigger(ctx context.Context, id uuid.UUID, principal, idempotencyKey string) (Campaign, error) {
	sch, err := s.Get(ctx, id)
	if err != nil {
		return Campaign{}, err
	}
	now := s.campaigns.now()
	in := sch.input(now)
	in.Principal, in.IdempotencyKey = principal, idempotencyKey
	return s.occur(ctx, sch, now, in)
}

// Fire makes the campaign of an occurrence that has come. Its id is derived from the schedule and the local
// time, so an occurrence that comes twice makes one campaign. A refusal is noted at the schedule and is no error:
// the next occurrence may be better.
func (s *Schedules) Fire(ctx context.Context, id uuid.UUID, at time.Time) error {
	sch, err := s.store.Schedule(ctx, id)
	if errs.Is(err, errs.NotFound) {
		return nil // deleted, and Temporal has not heard of it yet
	}
	if err != nil {
		return err
	}
	if sch.Paused || !sch.Recurrence.Names(at) {
		return nil // changed, and Temporal has not heard of it yet; or a time that clocks make up
	}
	_, err = s.occur(ctx, sch, at, sch.input(at))
	if errs.Retryable(err) {
		return err
	}
	return nil
}

func (s *Schedules) occur(ctx context.Context, sch Schedule, at time.Time, in CreateInput) (Campaign, error) {
	c, err := s.campaigns.Create(ctx, in)
	if errs.Is(err, errs.Conflict) {
		// The schedule was edited after its campaign was made and before anybody could say so.
		c, err = s.campaigns.Get(ctx, campaignID(in))
	}
	o := Occurrence{ScheduleID: sch.ID, At: at}
	if err == nil {
		o.CampaignID = &c.ID
	} else {
		o.Error = shown(err)
	}
	if noted := s.store.NoteOccurrence(ctx, o); noted != nil {
		s.log.WarnContext(ctx, "occurrence not noted", "schedule_id", sch.ID, "error", noted)
	}
	return c, err
}

// shown is the part of an error that may be shown.
func shown(err error) string {
	if e, ok := asErrs(err); ok {
		return e.Text
	}
	return "internal error; see the log"
}

// input is the campaign of one occurrence.
func (s Schedule) input(at time.Time) CreateInput {
	p := s.Plan
	return CreateInput{
		Name: occurrenceName(p.Name, s.Recurrence.Local(at)), SegmentID: p.SegmentID, MessageTemplate: p.MessageTemplate, Type: p.Type,
		Launch: true, FanOut: p.FanOut, SendWindow: p.SendWindow, Rate: p.Rate, MaxAttempts: p.MaxAttempts, SendDeadline: p.SendDeadline,
		ReceiptDeadline: p.ReceiptDeadline, Principal: s.CreatedBy,
		// The time as clocks show it: one that they show twice is one occurrence.
		IdempotencyKey: "schedule/" + s.ID.String() + "/" + s.Recurrence.Local(at),
	}
}

// occurrenceName tells the campaigns of a schedule apart.
func occurrenceName(name, at string) string {
	suffix := " · " + at
	runes := []rune(name)
	if room := maxName - len([]rune(suffix)); len(runes) > room {
		runes = runes[:room]
	}
	return strings.TrimSpace(string(runes)) + suffix
}
