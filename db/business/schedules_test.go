package business_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
)

func (b *bundle) schedule(t testing.TB) campaign.Schedule {
	t.Helper()
	made, err := b.store.InsertSchedule(t.Context(), campaign.Schedule{
		ID: uuid.New(), CreatedBy: "t",
		Plan: campaign.Plan{
			Name: "Weekly", SegmentID: b.campaign(t, everyone).SegmentID, MessageTemplate: "Hi", Type: "NEWSLETTER", FanOut: campaign.Auto,
			SendWindow: &campaign.SendWindow{From: "09:00", To: "20:00", TimeZone: "Asia/Kolkata"}, Rate: 2.5, MaxAttempts: 3,
			SendDeadline: time.Hour, ReceiptDeadline: 2 * time.Hour,
		},
		Recurrence: campaign.Recurrence{
			Times: []string{"09:00"}, Weekdays: []string{"MON"}, DaysOfMonth: []int{1}, TimeZone: "Asia/Kolkata",
			StartsAt: new(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)),
		},
	})
	require.NoError(t, err)
	return made
}

func TestSchedules(t *testing.T) {
	t.Parallel()

	t.Run("AreReadAsTheyWereWritten", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		made := b.schedule(t)
		require.Equal(t, 1, made.Version)
		require.False(t, made.Synced)
		got, err := b.store.Schedule(t.Context(), made.ID)
		require.NoError(t, err)
		require.Equal(t, made, got)
		_, err = b.store.InsertSchedule(t.Context(), made)
		require.True(t, errs.Is(err, errs.Conflict), err)
	})
	t.Run("AreUnsyncedUntilTemporalHasTheirLastVersion", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		made := b.schedule(t)
		changed := made
		changed.Paused = true
		changed, err := b.store.UpdateSchedule(t.Context(), changed)
		require.NoError(t, err)
		require.Equal(t, 2, changed.Version)
		_, err = b.store.UpdateSchedule(t.Context(), made)
		require.ErrorIs(t, err, customer.ErrStale)
		require.NoError(t, b.store.ConfirmSync(t.Context(), made))
		unsynced := func() int {
			found, err := b.store.UnsyncedSchedules(t.Context(), 0, 10)
			require.NoError(t, err)
			return len(found)
		}
		require.Equal(t, 1, unsynced(), "it has the first version only")
		require.NoError(t, b.store.ConfirmSync(t.Context(), changed))
		require.NoError(t, b.store.ConfirmSync(t.Context(), made), "late news change nothing")
		require.Zero(t, unsynced())
	})
	t.Run("AreGoneOnceTemporalHasForgottenThem", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		made := b.schedule(t)
		_, err := b.pool.Exec(t.Context(), "DELETE FROM campaign_stats; DELETE FROM campaigns")
		require.NoError(t, err)
		users, err := b.store.SegmentUsers(t.Context(), made.Plan.SegmentID)
		require.NoError(t, err)
		require.Equal(t, []campaign.Ref{{ID: made.ID, Name: "Weekly"}}, users)
		require.True(t, errs.Is(b.store.DeleteSegment(t.Context(), made.Plan.SegmentID), errs.Conflict))
		gone, err := b.store.DeleteSchedule(t.Context(), made.ID)
		require.NoError(t, err)
		_, err = b.store.Schedule(t.Context(), made.ID)
		require.True(t, errs.Is(err, errs.NotFound))
		found, err := b.store.UnsyncedSchedules(t.Context(), 0, 10)
		require.NoError(t, err)
		require.True(t, found[0].Deleted, "Temporal has to hear of it")
		require.NoError(t, b.store.DeleteSegment(t.Context(), made.Plan.SegmentID), "it holds no segment back")
		require.NoError(t, b.store.ConfirmSync(t.Context(), gone))
		found, err = b.store.UnsyncedSchedules(t.Context(), 0, 10)
		require.NoError(t, err)
		require.Empty(t, found)
	})
	t.Run("KeepTheirLastOccurrence", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		made := b.schedule(t)
		at, id := time.Date(2026, 12, 7, 3, 30, 0, 0, time.UTC), uuid.New()
		require.NoError(t, b.store.NoteOccurrence(t.Context(), campaign.Occurrence{ScheduleID: made.ID, At: at, Error: "Segment not found"}))
		require.NoError(t, b.store.NoteOccurrence(t.Context(), campaign.Occurrence{ScheduleID: made.ID, At: at, CampaignID: &id}))
		require.NoError(t, b.store.NoteOccurrence(t.Context(), campaign.Occurrence{ScheduleID: made.ID, At: at.AddDate(0, 0, -7), Error: "late"}))
		got, err := b.store.Schedule(t.Context(), made.ID)
		require.NoError(t, err)
		require.True(t, at.Equal(*got.LastAt))
		require.Equal(t, &id, got.LastCampaignID)
		require.Empty(t, got.LastError)
	})
	t.Run("AreListedNewestFirst", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		first, second := b.schedule(t), b.schedule(t)
		page, err := b.store.SchedulesAfter(t.Context(), cursor.Position{}, 1)
		require.NoError(t, err)
		require.Equal(t, []campaign.Schedule{second}, page)
		page, err = b.store.SchedulesAfter(t.Context(), second.Position(), 5)
		require.NoError(t, err)
		require.Equal(t, []campaign.Schedule{first}, page)
	})
}
