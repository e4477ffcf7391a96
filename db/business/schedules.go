package business

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/internal/businesssql"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
)

// InsertSchedule stores a new schedule; errs.Conflict if its id is taken.
func (s *Store) InsertSchedule(ctx context.Context, sch campaign.Schedule) (campaign.Schedule, error) {
	plan, recurrence, err := encodeSchedule(sch)
	if err != nil {
		return campaign.Schedule{}, err
	}
	row, err := s.q.InsertSchedule(ctx, businesssql.InsertScheduleParams{
		ScheduleID: sch.ID, SegmentID: sch.Plan.SegmentID, Plan: plan, Recurrence: recurrence, CreatedBy: sch.CreatedBy,
	})
	return oneSchedule(row, err)
}

// Schedule gives one schedule that is not deleted.
func (s *Store) Schedule(ctx context.Context, id uuid.UUID) (campaign.Schedule, error) {
	row, err := s.q.GetSchedule(ctx, id)
	return oneSchedule(row, err)
}

// SchedulesAfter gives up to limit schedules that follow a position, newest first.
func (s *Store) SchedulesAfter(ctx context.Context, after cursor.Position, limit int) ([]campaign.Schedule, error) {
	at, id, err := campaign.NewestBefore(after)
	if err != nil {
		return nil, err
	}
	rows, err := s.q.ListSchedulesAfter(ctx, businesssql.ListSchedulesAfterParams{
		CreatedAt: at, AfterID: id, N: int32(limit), //nolint:gosec // a page of some hundred at most
	})
	return manySchedules(rows, err)
}

// UpdateSchedule replaces a schedule of the version that was read and gives it with the next;
// customer.ErrStale in an errs.Conflict if it is another.
func (s *Store) UpdateSchedule(ctx context.Context, sch campaign.Schedule) (campaign.Schedule, error) {
	plan, recurrence, err := encodeSchedule(sch)
	if err != nil {
		return campaign.Schedule{}, err
	}
	row, err := s.q.UpdateSchedule(ctx, businesssql.UpdateScheduleParams{
		ScheduleID: sch.ID, SegmentID: sch.Plan.SegmentID, Plan: plan, Recurrence: recurrence, Paused: sch.Paused,
		Version: int32(sch.Version), //nolint:gosec // counts edits from 1
	})
	if errs.Is(db.Translate(err), errs.NotFound) {
		have, err := s.Schedule(ctx, sch.ID)
		if err != nil {
			return campaign.Schedule{}, err
		}
		return campaign.Schedule{}, errs.Errorf(errs.Conflict, "the schedule is at version %d: %w", have.Version, customer.ErrStale)
	}
	return oneSchedule(row, err)
}

// DeleteSchedule marks a schedule as deleted and lets go of its segment.
func (s *Store) DeleteSchedule(ctx context.Context, id uuid.UUID) (campaign.Schedule, error) {
	row, err := s.q.DeleteSchedule(ctx, id)
	return oneSchedule(row, err)
}

// ConfirmSync records that Temporal has the schedule's version, and forgets one that is deleted there.
func (s *Store) ConfirmSync(ctx context.Context, sch campaign.Schedule) error {
	if sch.Deleted {
		return db.Translate(s.q.ForgetSchedule(ctx, sch.ID))
	}
	return db.Translate(s.q.ConfirmSync(ctx, businesssql.ConfirmSyncParams{
		ScheduleID: sch.ID, Version: int32(sch.Version), //nolint:gosec // counts edits from 1
	}))
}

// UnsyncedSchedules gives schedules that were changed longer ago than age and of which Temporal is not known
// to have heard.
func (s *Store) UnsyncedSchedules(ctx context.Context, age time.Duration, limit int) ([]campaign.Schedule, error) {
	rows, err := s.q.UnsyncedSchedules(ctx, businesssql.UnsyncedSchedulesParams{
		AgeMs: age.Milliseconds(), N: int32(limit), //nolint:gosec // some hundred at most
	})
	return manySchedules(rows, err)
}

// NoteOccurrence records what became of an occurrence, unless a later one is recorded already.
func (s *Store) NoteOccurrence(ctx context.Context, o campaign.Occurrence) error {
	var text *string
	if o.Error != "" {
		text = &o.Error
	}
	return db.Translate(s.q.NoteOccurrence(ctx, businesssql.NoteOccurrenceParams{
		ScheduleID: o.ScheduleID, At: &o.At, CampaignID: o.CampaignID, Error: text,
	}))
}

func encodeSchedule(s campaign.Schedule) (plan, recurrence json.RawMessage, err error) {
	if plan, err = json.Marshal(s.Plan); err == nil {
		recurrence, err = json.Marshal(s.Recurrence)
	}
	return plan, recurrence, err
}

func oneSchedule(r businesssql.CampaignSchedule, err error) (campaign.Schedule, error) {
	if err != nil {
		return campaign.Schedule{}, db.Translate(err)
	}
	s := campaign.Schedule{
		ID: r.ScheduleID, Paused: r.Paused, Deleted: r.Deleted, Version: int(r.Version), Synced: r.SyncedVersion >= r.Version,
		LastAt: r.LastAt, LastCampaignID: r.LastCampaignID, CreatedBy: r.CreatedBy, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
	if r.LastError != nil {
		s.LastError = *r.LastError
	}
	if err := json.Unmarshal(r.Plan, &s.Plan); err != nil {
		return s, fmt.Errorf("stored plan: %w", err)
	}
	if err := json.Unmarshal(r.Recurrence, &s.Recurrence); err != nil {
		return s, fmt.Errorf("stored recurrence: %w", err)
	}
	return s, nil
}

func manySchedules(rows []businesssql.CampaignSchedule, err error) ([]campaign.Schedule, error) {
	if err != nil {
		return nil, db.Translate(err)
	}
	out := make([]campaign.Schedule, len(rows))
	for i, r := range rows {
		if out[i], err = oneSchedule(r, nil); err != nil {
			return nil, err
		}
	}
	return out, nil
}
