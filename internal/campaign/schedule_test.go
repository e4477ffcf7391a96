package campaign_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
)

// calendar is the store and the engine of schedules, in memory.
type calendar struct {
	rows   map[uuid.UUID]campaign.Schedule
	synced []int
	noted  []campaign.Occurrence
	away   error // of Temporal
}

func (c *calendar) InsertSchedule(_ context.Context, s campaign.Schedule) (campaign.Schedule, error) {
	if _, taken := c.rows[s.ID]; taken {
		return s, errs.Errorf(errs.Conflict, "it exists already")
	}
	s.Version = 1
	c.rows[s.ID] = s
	return s, nil
}

func (c *calendar) Schedule(_ context.Context, id uuid.UUID) (campaign.Schedule, error) {
	s, ok := c.rows[id]
	if !ok || s.Deleted {
		return s, errs.Errorf(errs.NotFound, "no rows")
	}
	return s, nil
}

func (c *calendar) SchedulesAfter(context.Context, cursor.Position, int) ([]campaign.Schedule, error) {
	return nil, nil
}

func (c *calendar) UpdateSchedule(_ context.Context, s campaign.Schedule) (campaign.Schedule, error) {
	s.Version++
	c.rows[s.ID] = s
	return s, nil
}

func (c *calendar) DeleteSchedule(_ context.Context, id uuid.UUID) (campaign.Schedule, error) {
	s, ok := c.rows[id]
	if !ok || s.Deleted {
		return s, errs.Errorf(errs.NotFound, "no rows")
	}
	s.Deleted = true
	c.rows[id] = s
	return s, nil
}

func (c *calendar) ConfirmSync(context.Context, campaign.Schedule) error { return nil }

func (c *calendar) NoteOccurrence(_ context.Context, o campaign.Occurrence) error {
	c.noted = append(c.noted, o)
	return nil
}

func (c *calendar) SyncSchedule(_ context.Context, s campaign.Schedule) error {
	if c.away == nil {
		c.synced = append(c.synced, s.Version)
	}
	return c.away
}

func (c *calendar) NextTimes(context.Context, campaign.Schedule, int) ([]time.Time, error) {
	return []time.Time{now}, c.away
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	// weekly makes a house with a segment, and a schedule over it.
	weekly := func(t *testing.T) (*house, *calendar, *campaign.Schedules, campaign.ScheduleInput) {
		t.Helper()
		h, segments, service := newHouse()
		segment := saved(t, segments)
		c := &calendar{rows: map[uuid.UUID]campaign.Schedule{}}
		in := campaign.ScheduleInput{
			Campaign: campaign.CreateInput{Name: "Weekly offer", SegmentID: segment, MessageTemplate: "Hi {{ name }}", Principal: "asha"},
			Recurrence: campaign.Recurrence{
				Times: []string{"09:00"}, Weekdays: []string{"MON"}, TimeZone: "Asia/Kolkata", EndsAt: new(now.AddDate(1, 0, 0)),
			},
		}
		return h, c, campaign.NewSchedules(c, service, c, slog.New(slog.DiscardHandler)), in
	}
	monday := time.Date(2026, 11, 23, 3, 30, 0, 0, time.UTC)

	t.Run("AnOccurrenceThatComesTwiceMakesOneCampaign", func(t *testing.T) {
		t.Parallel()
		h, c, s, in := weekly(t)
		made, err := s.Create(t.Context(), in)
		require.NoError(t, err)
		require.True(t, made.Synced)
		require.NoError(t, s.Fire(t.Context(), made.ID, monday))
		require.NoError(t, s.Fire(t.Context(), made.ID, monday))
		require.Len(t, h.campaigns, 1)
		require.NoError(t, s.Fire(t.Context(), made.ID, monday.AddDate(0, 0, 7)))
		require.Len(t, h.campaigns, 2)
		one := h.campaigns[*c.noted[0].CampaignID]
		require.Equal(t, "Weekly offer · 2026-11-23 09:00", one.Name)
		require.Equal(t, "asha", one.CreatedBy)
		require.Equal(t, campaign.Active, one.Status)
		require.Equal(t, c.noted[0].CampaignID, c.noted[1].CampaignID)
	})
	t.Run("ATimeThatClocksShowTwiceIsOneOccurrence", func(t *testing.T) {
		t.Parallel()
		h, _, s, in := weekly(t)
		in.Recurrence = campaign.Recurrence{Times: []string{"01:30"}, TimeZone: "America/New_York"}
		made, err := s.Create(t.Context(), in)
		require.NoError(t, err)
		first := time.Date(2026, 11, 1, 5, 30, 0, 0, time.UTC) // 01:30 of summer, and an hour later 01:30 again
		for _, at := range []time.Time{first, first.Add(time.Hour), first.Add(2 * time.Hour)} {
			require.NoError(t, s.Fire(t.Context(), made.ID, at))
		}
		require.Len(t, h.campaigns, 1, "and none at 02:30, which nobody has named")
	})
	t.Run("ALongNameKeepsItsTime", func(t *testing.T) {
		t.Parallel()
		h, c, s, in := weekly(t)
		in.Campaign.Name = strings.Repeat("ß", 255)
		made, err := s.Create(t.Context(), in)
		require.NoError(t, err)
		require.NoError(t, s.Fire(t.Context(), made.ID, monday))
		name := h.campaigns[*c.noted[0].CampaignID].Name
		require.Len(t, []rune(name), 255)
		require.Contains(t, name, "2026-11-23 09:00")
	})
	t.Run("ARefusalIsNotedAndTheNextOccurrenceComes", func(t *testing.T) {
		t.Parallel()
		h, c, s, in := weekly(t)
		made, err := s.Create(t.Context(), in)
		require.NoError(t, err)
		segment := h.segments[in.Campaign.SegmentID]
		delete(h.segments, segment.ID)
		require.NoError(t, s.Fire(t.Context(), made.ID, monday))
		require.Equal(t, "Segment not found", c.noted[0].Error)
		h.segments[segment.ID] = segment
		require.NoError(t, s.Fire(t.Context(), made.ID, monday.AddDate(0, 0, 7)))
		require.NotNil(t, c.noted[1].CampaignID)
	})
	t.Run("WhatTemporalHasNotHeardOfYetComesToNothing", func(t *testing.T) {
		t.Parallel()
		h, _, s, in := weekly(t)
		made, err := s.Create(t.Context(), in)
		require.NoError(t, err)
		require.NoError(t, s.Fire(t.Context(), made.ID, now.AddDate(2, 0, 0)), "after its end")
		_, err = s.Pause(t.Context(), made.ID)
		require.NoError(t, err)
		require.NoError(t, s.Fire(t.Context(), made.ID, monday), "paused")
		require.NoError(t, s.Delete(t.Context(), made.ID))
		require.NoError(t, s.Fire(t.Context(), made.ID, monday), "deleted")
		require.Empty(t, h.campaigns)
		require.True(t, errs.Is(s.Delete(t.Context(), made.ID), errs.NotFound))
	})
	t.Run("TemporalAwayIsNoFailure", func(t *testing.T) {
		t.Parallel()
		_, c, s, in := weekly(t)
		c.away = errs.Errorf(errs.Unavailable, "Temporal is away")
		made, err := s.Create(t.Context(), in)
		require.NoError(t, err)
		require.False(t, made.Synced)
		require.Empty(t, s.NextTimes(t.Context(), made, 5))
	})
	t.Run("ARepeatedRequestGivesTheFirstOnesSchedule", func(t *testing.T) {
		t.Parallel()
		_, c, s, in := weekly(t)
		in.Campaign.IdempotencyKey = "k"
		first, err := s.Create(t.Context(), in)
		require.NoError(t, err)
		again, err := s.Create(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, first.ID, again.ID)
		require.Len(t, c.rows, 1)
	})
	t.Run("AnEditOfWhatWasEditedMeanwhileIsRefused", func(t *testing.T) {
		t.Parallel()
		_, c, s, in := weekly(t)
		made, err := s.Create(t.Context(), in)
		require.NoError(t, err)
		in.Recurrence.Times = []string{"10:00"}
		changed, err := s.Replace(t.Context(), made.ID, customer.Match{Versions: []int64{1}}, in)
		require.NoError(t, err)
		require.Equal(t, []string{"10:00"}, changed.Recurrence.Times)
		_, err = s.Replace(t.Context(), made.ID, customer.Match{Versions: []int64{1}}, in)
		require.ErrorIs(t, err, customer.ErrStale)
		require.Equal(t, []int{1, 2}, c.synced)
	})
	t.Run("ATriggerMakesACampaignOfItsOwnAlsoWhilePaused", func(t *testing.T) {
		t.Parallel()
		h, _, s, in := weekly(t)
		made, err := s.Create(t.Context(), in)
		require.NoError(t, err)
		_, err = s.Pause(t.Context(), made.ID)
		require.NoError(t, err)
		first, err := s.Trigger(t.Context(), made.ID, "ravi", "k")
		require.NoError(t, err)
		again, err := s.Trigger(t.Context(), made.ID, "ravi", "k")
		require.NoError(t, err)
		require.Equal(t, first.ID, again.ID)
		require.Equal(t, "ravi", first.CreatedBy)
		require.Len(t, h.campaigns, 1)
	})
	t.Run("FaultsOfBothPartsAreRefused", func(t *testing.T) {
		t.Parallel()
		_, c, s, in := weekly(t)
		timed := in
		timed.Campaign.ScheduledAt = new(now.Add(time.Hour))
		_, err := s.Create(t.Context(), timed)
		require.ErrorContains(t, err, "recurrence")
		nameless := in
		nameless.Campaign.Name = " "
		_, err = s.Create(t.Context(), nameless)
		require.ErrorContains(t, err, "is required")
		timeless := in
		timeless.Recurrence.Times = nil
		_, err = s.Create(t.Context(), timeless)
		require.ErrorContains(t, err, "times of day")
		require.Empty(t, c.rows)
	})
}
