package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/workflows"
)

// catchUp is how old an occurrence may be that comes after Temporal was away: an offer that is an hour late
// is still one, and after a weekend's outage nobody gets three newsletters at once.
const catchUp = workflows.OccurrenceDeadline

// SyncSchedule makes Temporal's schedule what the row says, or deletes it.
func (e *Engine) SyncSchedule(ctx context.Context, s campaign.Schedule) error {
	schedules := e.client.ScheduleClient()
	if s.Deleted {
		err := translate(schedules.GetHandle(ctx, s.Key()).Delete(ctx))
		if errs.Is(err, errs.NotFound) {
			return nil
		}
		return err
	}
	spec, action := specOf(s.Recurrence), actionOf(s)
	_, err := schedules.Create(ctx, client.ScheduleOptions{
		ID: s.Key(), Spec: spec, Action: action, Paused: s.Paused, Note: noteOf(s.Version),
		// Each occurrence is a campaign of its own and takes a moment to make: none waits for another.
		Overlap: enums.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL, CatchupWindow: catchUp,
	})
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return translate(err)
	}
	return translate(schedules.GetHandle(ctx, s.Key()).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			have := in.Description.Schedule
			if versionOf(have.State.Note) > s.Version {
				return nil, temporal.ErrSkipScheduleUpdate // somebody with a newer row was faster
			}
			have.Spec, have.Action = &spec, action
			have.State.Paused, have.State.Note = s.Paused, noteOf(s.Version)
			return &client.ScheduleUpdate{Schedule: &have}, nil
		},
	}))
}

// NextTimes gives the next occurrences.
func (e *Engine) NextTimes(ctx context.Context, s campaign.Schedule, limit int) ([]time.Time, error) {
	d, err := e.client.ScheduleClient().GetHandle(ctx, s.Key()).Describe(ctx)
	if err != nil {
		return nil, translate(err)
	}
	next := d.Info.NextActionTimes
	return next[:min(len(next), limit)], nil
}

// notePrefix is how the note of Temporal's schedule begins, which carries the row's version.
const notePrefix = "version "

func noteOf(version int) string { return notePrefix + strconv.Itoa(version) }

// versionOf gives 0 for a note that somebody else wrote.
func versionOf(note string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(note, notePrefix))
	if err != nil {
		return 0
	}
	return n
}

func actionOf(s campaign.Schedule) *client.ScheduleWorkflowAction {
	return &client.ScheduleWorkflowAction{
		ID: s.Key(), Workflow: workflows.OccurrenceWorkflowName, TaskQueue: workflows.TaskQueue,
		Args: []any{workflows.OccurrenceInput{ScheduleID: s.ID}},
	}
}

// specOf says the recurrence as Temporal does; it was validated when it was stored.
func specOf(r campaign.Recurrence) client.ScheduleSpec {
	spec := client.ScheduleSpec{TimeZoneName: r.TimeZone}
	if r.StartsAt != nil {
		spec.StartAt = *r.StartsAt
	}
	if r.EndsAt != nil {
		spec.EndAt = *r.EndsAt
	}
	var days, dates []client.ScheduleRange
	for i, name := range campaign.Weekdays() {
		if slices.Contains(r.Weekdays, name) {
			days = append(days, client.ScheduleRange{Start: i})
		}
	}
	for _, n := range r.DaysOfMonth {
		dates = append(dates, client.ScheduleRange{Start: n})
	}
	for _, text := range r.Times {
		var hour, minute int
		if _, err := fmt.Sscanf(text, "%d:%d", &hour, &minute); err != nil {
			continue // not reached: Validate has read it
		}
		spec.Calendars = append(spec.Calendars, client.ScheduleCalendarSpec{
			Hour: []client.ScheduleRange{{Start: hour}}, Minute: []client.ScheduleRange{{Start: minute}}, DayOfWeek: days, DayOfMonth: dates,
		})
	}
	return spec
}

// SyncStore is what the syncer reads and writes.
type SyncStore interface {
	UnsyncedSchedules(ctx context.Context, age time.Duration, limit int) ([]campaign.Schedule, error)
	ConfirmSync(ctx context.Context, s campaign.Schedule) error
}

// Syncer brings Temporal's schedules in line with rows that were changed while Temporal was away, or by a
// process that died in between. Any number may run.
type Syncer struct {
	engine campaign.ScheduleEngine
	store  SyncStore
	log    *slog.Logger
}

// NewSyncer makes a syncer.
func NewSyncer(e campaign.ScheduleEngine, s SyncStore, log *slog.Logger) *Syncer {
	return &Syncer{engine: e, store: s, log: log}
}

// Run looks until the context ends.
func (s *Syncer) Run(ctx context.Context) error {
	return every(ctx, s.log, "bring schedules in line", s.RunOnce)
}

// RunOnce syncs what is not in line now.
func (s *Syncer) RunOnce(ctx context.Context) error {
	schedules, err := s.store.UnsyncedSchedules(ctx, starterAge, starterBatch)
	if err != nil {
		return err
	}
	for _, sch := range schedules {
		if err := s.engine.SyncSchedule(ctx, sch); err != nil {
			return err
		}
		if err := s.store.ConfirmSync(ctx, sch); err != nil {
			return err
		}
		s.log.InfoContext(ctx, "schedule synced late", "schedule_id", sch.ID, "version", sch.Version)
	}
	return nil
}
