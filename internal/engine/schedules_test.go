package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/devstack/devtest"
	"github.com/xencrm/xencrm/internal/engine"
	"github.com/xencrm/xencrm/workflows"
)

func newSchedule(r campaign.Recurrence) campaign.Schedule {
	return campaign.Schedule{ID: uuid.New(), Version: 1, Recurrence: r}
}

// TestSchedules is what Temporal makes of our schedules.
func TestSchedules(t *testing.T) {
	t.Parallel()
	address, _ := devtest.Temporal(t)
	c := dial(t, address)
	eng := engine.New(c)
	next := func(t *testing.T, s campaign.Schedule) []time.Time {
		t.Helper()
		got, err := eng.NextTimes(t.Context(), s, 5)
		require.NoError(t, err)
		return got
	}

	t.Run("ComeAtTheirTimesOnDaysThatAreInBoth", func(t *testing.T) {
		t.Parallel()
		zone, err := time.LoadLocation("Asia/Kolkata")
		require.NoError(t, err)
		s := newSchedule(campaign.Recurrence{
			Times: []string{"09:00", "17:30"}, Weekdays: []string{"SUN", "WED"}, DaysOfMonth: []int{1, 2, 3, 4, 5, 6, 7}, TimeZone: "Asia/Kolkata",
		})
		require.NoError(t, eng.SyncSchedule(t.Context(), s))
		times := next(t, s)
		require.Len(t, times, 5)
		for _, at := range times {
			local := at.In(zone)
			require.Contains(t, []string{"09:00", "17:30"}, local.Format("15:04"))
			require.Contains(t, []time.Weekday{time.Sunday, time.Wednesday}, local.Weekday())
			require.LessOrEqual(t, local.Day(), 7)
		}
	})
	t.Run("AreReplacedPausedAndDeletedHoweverOftenItIsSaid", func(t *testing.T) {
		t.Parallel()
		s := newSchedule(campaign.Recurrence{Times: []string{"09:00"}, TimeZone: "UTC"})
		require.NoError(t, eng.SyncSchedule(t.Context(), s))
		changed := s
		changed.Version, changed.Paused, changed.Recurrence.Times = 3, true, []string{"10:00"}
		for range 2 {
			require.NoError(t, eng.SyncSchedule(t.Context(), changed))
		}
		require.NoError(t, eng.SyncSchedule(t.Context(), s), "the news of a slow process")
		d, err := c.ScheduleClient().GetHandle(t.Context(), s.Key()).Describe(t.Context())
		require.NoError(t, err)
		require.True(t, d.Schedule.State.Paused)
		require.Equal(t, 10, d.Schedule.Spec.Calendars[0].Hour[0].Start)
		require.Equal(t, time.Hour, d.Schedule.Policy.CatchupWindow)
		changed.Deleted = true
		for range 2 {
			require.NoError(t, eng.SyncSchedule(t.Context(), changed))
		}
		_, err = eng.NextTimes(t.Context(), s, 5)
		require.Error(t, err)
	})
	t.Run("SkipATimeThatClocksSkip", func(t *testing.T) {
		t.Parallel()
		gap := nextGap(t, "America/New_York")
		s := newSchedule(campaign.Recurrence{
			Times: []string{"02:30"}, TimeZone: "America/New_York", StartsAt: new(gap.AddDate(0, 0, -1)), EndsAt: new(gap.AddDate(0, 0, 2)),
		})
		require.NoError(t, eng.SyncSchedule(t.Context(), s))
		for _, at := range next(t, s) {
			require.Equal(t, "02:30", at.In(gap.Location()).Format("15:04"))
			require.NotEqual(t, gap.YearDay(), at.In(gap.Location()).YearDay(), "that day has no 02:30")
		}
	})
	t.Run("StartTheirOccurrencesForTheTimeThatTheyAreFor", func(t *testing.T) {
		t.Parallel()
		s := newSchedule(campaign.Recurrence{Times: []string{"09:00"}, TimeZone: "UTC"})
		fired := make(chan time.Time, 10)
		w := worker.New(c, workflows.TaskQueue, worker.Options{})
		workflows.Register(w)
		w.RegisterActivityWithOptions(func(_ context.Context, id uuid.UUID, at time.Time) error {
			if id == s.ID {
				fired <- at
			}
			return nil
		}, activity.RegisterOptions{Name: "LaunchOccurrence"})
		require.NoError(t, w.Start())
		t.Cleanup(w.Stop)
		require.NoError(t, eng.SyncSchedule(t.Context(), s))
		// As it is when Temporal comes back after an outage.
		yesterday := time.Now().UTC().Truncate(24 * time.Hour).Add(-24 * time.Hour)
		handle := c.ScheduleClient().GetHandle(t.Context(), s.Key())
		require.NoError(t, handle.Backfill(t.Context(), client.ScheduleBackfillOptions{Backfill: []client.ScheduleBackfill{
			{Start: yesterday, End: yesterday.Add(23 * time.Hour)},
		}}))
		select {
		case at := <-fired:
			require.True(t, yesterday.Add(9*time.Hour).Equal(at), at)
		case <-time.After(time.Minute):
			t.Fatal("the occurrence does not come")
		}
	})
}

// nextGap is 02:30 of the next day in a zone that has no 02:30, as the time package takes it.
func nextGap(t *testing.T, name string) time.Time {
	t.Helper()
	zone, err := time.LoadLocation(name)
	require.NoError(t, err)
	day := time.Now().In(zone)
	for range 366 {
		day = day.AddDate(0, 0, 1)
		at := time.Date(day.Year(), day.Month(), day.Day(), 2, 30, 0, 0, zone)
		if at.Format("15:04") != "02:30" {
			return at
		}
	}
	t.Fatal("no gap in a year")
	return time.Time{}
}
