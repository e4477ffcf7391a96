package business_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
)

// draft stores a draft.
func (b *bundle) draft(t testing.TB) campaign.Campaign {
	t.Helper()
	c := b.campaign(t, everyone)
	_, err := b.pool.Exec(t.Context(), "UPDATE campaigns SET status = 'DRAFT' WHERE campaign_id = $1", c.ID)
	require.NoError(t, err)
	c.Status = campaign.Draft
	return c
}

func TestUpdateDraft(t *testing.T) {
	t.Parallel()

	t.Run("ReplacesEverythingSaidAndCounts", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c := b.draft(t)
		require.Equal(t, 1, c.Version)
		other := b.draft(t)
		at := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
		want := c
		want.SegmentID, want.SegmentName, want.Rules = other.SegmentID, "other", []byte(rule("total_orders", ">", "1"))
		want.Name, want.MessageTemplate, want.Type, want.TargetCount = "Holi", "Hello", campaign.Reminder, 7
		want.FanOut, want.Rate, want.MaxAttempts, want.ScheduledAt = campaign.Paged, 12.5, 5, &at
		want.SendWindow = &campaign.SendWindow{From: "09:00", To: "20:00", TimeZone: "Asia/Kolkata"}
		want.SendDeadline, want.ReceiptDeadline = 2*time.Hour, 3*time.Hour
		got, err := b.store.UpdateDraft(t.Context(), want)
		require.NoError(t, err)
		require.JSONEq(t, string(want.Rules), string(got.Rules))
		require.True(t, at.Equal(*got.ScheduledAt))
		require.True(t, got.UpdatedAt.After(c.UpdatedAt))
		want.Version, want.Rules, want.ScheduledAt, want.UpdatedAt = 2, got.Rules, got.ScheduledAt, got.UpdatedAt
		require.Equal(t, want, got)
	})

	t.Run("RefusesAnotherVersionAndWhatIsNoDraft", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c := b.draft(t)
		_, err := b.store.UpdateDraft(t.Context(), c)
		require.NoError(t, err)
		_, err = b.store.UpdateDraft(t.Context(), c)
		require.ErrorIs(t, err, customer.ErrStale, "an edit of what was edited meanwhile")
		_, err = b.store.LaunchDraft(t.Context(), c.ID, 1)
		require.ErrorIs(t, err, customer.ErrStale)
		launched, err := b.store.LaunchDraft(t.Context(), c.ID, 2)
		require.NoError(t, err)
		require.Equal(t, campaign.Active, launched.Status)
		c.Version = 2
		_, err = b.store.UpdateDraft(t.Context(), c)
		require.True(t, errs.Is(err, errs.Conflict), "got %v", err)
		require.NotErrorIs(t, err, customer.ErrStale)
		require.ErrorContains(t, err, "ACTIVE")
		c.ID = uuid.New()
		_, err = b.store.UpdateDraft(t.Context(), c)
		require.True(t, errs.Is(err, errs.NotFound), "got %v", err)
	})
}

func TestDeleteDraft(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.draft(t)
	require.NoError(t, b.store.DeleteDraft(t.Context(), c.ID))
	require.Zero(t, b.scalar(t, "SELECT count(*) FROM campaigns")+b.scalar(t, "SELECT count(*) FROM campaign_stats"))
	require.True(t, errs.Is(b.store.DeleteDraft(t.Context(), c.ID), errs.NotFound))
	running := b.campaign(t, everyone)
	require.True(t, errs.Is(b.store.DeleteDraft(t.Context(), running.ID), errs.Conflict), "P11")
	require.Equal(t, 1, b.scalar(t, "SELECT count(*) FROM campaign_stats"))
}

// TestLaunchEditAndDeleteAtOnce: of calls that have seen the same draft exactly one wins, and the others
// learn of it.
func TestLaunchEditAndDeleteAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	won := map[string]int{}
	for round := range 60 {
		c := b.draft(t)
		edited := c
		edited.Name = "edited"
		calls := map[string]func() error{
			"launch": func() error { _, err := b.store.LaunchDraft(t.Context(), c.ID, c.Version); return err },
			"edit":   func() error { _, err := b.store.UpdateDraft(t.Context(), edited); return err },
		}
		// A deletion is meant for any version, so it may win after an edit: it gets rounds of its own.
		if round%3 == 0 {
			delete(calls, "edit")
			calls["delete"] = func() error { return b.store.DeleteDraft(t.Context(), c.ID) }
		}
		winner := b.race(t, calls)
		won[winner]++
		stored, err := b.store.Campaign(t.Context(), c.ID)
		switch winner {
		case "launch":
			require.NoError(t, err)
			require.Equal(t, campaign.Active, stored.Status)
			require.Equal(t, c.Name, stored.Name, "what was launched is what was seen")
		case "edit":
			require.NoError(t, err)
			require.Equal(t, campaign.Draft, stored.Status)
			require.Equal(t, "edited", stored.Name)
		case "delete":
			require.True(t, errs.Is(err, errs.NotFound), "got %v", err)
		}
	}
	t.Logf("won: %v", won)
}

// race makes the calls at once and gives the one that succeeded; the others must have been told why not.
func (b *bundle) race(t *testing.T, calls map[string]func() error) string {
	t.Helper()
	var (
		mu      sync.Mutex
		winners []string
		losses  []error
		all     sync.WaitGroup
	)
	start := make(chan struct{})
	for name, call := range calls {
		all.Go(func() {
			<-start
			err := call()
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				winners = append(winners, name)
				return
			}
			losses = append(losses, fmt.Errorf("%s: %w", name, err))
		})
	}
	close(start)
	all.Wait()
	require.Len(t, winners, 1, "%v", losses)
	lost := errors.Join(losses...)
	require.True(t, errs.Is(lost, errs.Conflict) || errs.Is(lost, errs.NotFound), "got %v", lost)
	return winners[0]
}

func TestSegmentVersions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	seg, err := b.store.Segment(t.Context(), b.campaign(t, everyone).SegmentID)
	require.NoError(t, err)
	require.Equal(t, 1, seg.Version)
	seg.Name = "renamed"
	got, err := b.store.UpdateSegment(t.Context(), seg)
	require.NoError(t, err)
	require.Equal(t, 2, got.Version)
	_, err = b.store.UpdateSegment(t.Context(), seg)
	require.ErrorIs(t, err, customer.ErrStale)
	seg.Version = 0
	got, err = b.store.UpdateSegment(t.Context(), seg)
	require.NoError(t, err, "without a version whatever there is")
	require.Equal(t, 3, got.Version)
	seg.ID, seg.Version = uuid.New(), 1
	_, err = b.store.UpdateSegment(t.Context(), seg)
	require.True(t, errs.Is(err, errs.NotFound), "got %v", err)
}
