package activities_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/xencrm/xencrm/activities"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
)

// TestLimited is about sends that Temporal hands out at the vendor's rate.
func TestLimited(t *testing.T) {
	t.Parallel()
	limited := func(d *activities.Deps) { d.Turns = &turns{} }

	t.Run("APagePostsNothingItself", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 3, limited)
		b.set(2, func(m *campaign.Message) { m.Status = campaign.MessageDelivered })
		res, err := b.page(t, activities.PageInput{First: 1, Last: 3})
		require.NoError(t, err)
		require.Empty(t, b.keys())
		require.Equal(t, activities.PageResult{Again: []activities.Again{{Seq: 1}, {Seq: 3}}}, res)
	})

	t.Run("ASendThatWaitedForItsTurnSeesThePause", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 2, limited)
		_, err := b.run(t, 1)
		require.NoError(t, err)
		b.mu.Lock()
		b.status = campaign.Paused
		b.mu.Unlock()
		_, err = b.run(t, 2)
		require.Error(t, err)
		require.Len(t, b.keys(), 1, "only what was sent before the pause")
	})

	t.Run("ASendThatWaitedForItsTurnSeesWhatAnotherWorkerSent", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 2, limited)
		_, err := b.run(t, 1)
		require.NoError(t, err)
		b.set(2, func(m *campaign.Message) { m.Status = campaign.MessageSent })
		res, err := b.run(t, 2)
		require.NoError(t, err)
		require.Equal(t, campaign.MessageSent, res.Status)
		require.Len(t, b.keys(), 1)
	})

	t.Run("ASendPostsAtItsTurn", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := setup(t, 1, func(d *activities.Deps) { d.Turns = &turns{ahead: time.Second} })
			begin := time.Now()
			_, err := b.run(t, 1)
			require.NoError(t, err)
			require.Len(t, b.keys(), 1)
			require.Equal(t, time.Second, time.Since(begin))
		})
	})

	t.Run("WithoutATurnNothingIsPosted", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 1, func(d *activities.Deps) { d.Turns = &turns{err: errs.Errorf(errs.Unavailable, "the database is away")} })
		_, err := b.run(t, 1)
		app, ok := errors.AsType[*temporal.ApplicationError](err)
		require.True(t, ok, "%v", err)
		require.False(t, app.NonRetryable())
		require.Equal(t, activities.ErrUnavailable, app.Type())
		require.Empty(t, b.keys())
	})
}

// turns gives turns at once, a second ahead, or not at all.
type turns struct {
	ahead time.Duration
	err   error
}

func (t *turns) Take(context.Context) (time.Time, error) { return time.Now().Add(t.ahead), t.err }

// TestDue is about sends that are planned ahead.
func TestDue(t *testing.T) {
	t.Parallel()
	send := func(t *testing.T, b *bench, due time.Time) time.Duration {
		t.Helper()
		var suite testsuite.WorkflowTestSuite
		env := suite.NewTestActivityEnvironment()
		env.RegisterActivity(b.acts)
		begin := time.Now()
		_, err := env.ExecuteActivity(b.acts.SendMessage, activities.SendInput{CampaignID: campaignID, Seq: 1, Due: due})
		require.NoError(t, err)
		require.Len(t, b.keys(), 1)
		return time.Since(begin)
	}

	t.Run("ASendWaitsForItsTurn", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			require.Equal(t, time.Second, send(t, setup(t, 1), time.Now().Add(time.Second)))
		})
	})

	t.Run("OneThatIsPastGoesAtOnce", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			require.Zero(t, send(t, setup(t, 1), time.Now().Add(-time.Hour)))
		})
	})

	t.Run("AWrongClockDelaysItByASecondAndAHalfAtMost", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			require.Equal(t, activities.MostAhead, send(t, setup(t, 1), time.Now().Add(time.Hour)))
		})
	})
}
