package business_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/db/business"
	"github.com/xencrm/xencrm/internal/errs"
)

func TestTurns(t *testing.T) {
	t.Parallel()

	// take takes n turns at once.
	take := func(t *testing.T, turns *business.Turns, n int) []time.Time {
		t.Helper()
		out := make([]time.Time, n)
		failed := make([]error, n)
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() { out[i], failed[i] = turns.Take(t.Context()) })
		}
		all.Wait()
		for _, err := range failed {
			require.NoError(t, err)
		}
		return out
	}
	// slack is for the way from the database's clock to ours.
	const slack = 100 * time.Millisecond

	t.Run("TwoWorkersShareOnePace", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		one, other := business.NewTurns(b.store, 40), business.NewTurns(b.store, 40)
		defer one.Close()
		defer other.Close()
		var at []time.Time
		for range 2 {
			at = append(at, take(t, one, 20)...)
			at = append(at, take(t, other, 20)...)
		}
		slices.SortFunc(at, time.Time.Compare)
		// 80 turns at 40 a second are 79 gaps: what is caught up is behind the first of them.
		require.InDelta(t, 79*25*time.Millisecond, at[79].Sub(at[0]), float64(slack))
	})

	t.Run("AfterAStandstillLittleIsCaughtUp", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.pool.Exec(t.Context(), "UPDATE vendor_turns SET next_at = now() - interval '1 hour'")
		require.NoError(t, err)
		turns := business.NewTurns(b.store, 100)
		defer turns.Close()
		begin := time.Now()
		at := slices.MinFunc(take(t, turns, 10), time.Time.Compare)
		require.WithinRange(t, at, begin.Add(-250*time.Millisecond-slack), time.Now())
	})

	t.Run("NobodyWaitsLongerThanASendMay", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.pool.Exec(t.Context(), "UPDATE vendor_turns SET next_at = now() + interval '1 hour'") // a rate that was a thousandth
		require.NoError(t, err)
		turns := business.NewTurns(b.store, 100)
		defer turns.Close()
		at := take(t, turns, 1)[0]
		require.WithinRange(t, at, time.Now().Add(time.Second), time.Now().Add(2*time.Second+slack))
	})

	t.Run("WhoGivesUpMayTryAgain", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		turns := business.NewTurns(b.store, 100)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := turns.Take(gone)
		require.True(t, errs.Retryable(err), "%v", err)
		turns.Close()
		_, err = turns.Take(t.Context())
		require.True(t, errs.Retryable(err), "%v", err)
	})
}
