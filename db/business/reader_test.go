package business_test

import (
	"context"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/db/business"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
)

func TestReader(t *testing.T) {
	t.Parallel()

	t.Run("MessagesAskedForAloneAreReadTogether", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		const n = 20
		first, _ := b.launched(t, n)
		second := b.campaign(t, everyone)
		b.resolve(t, second)
		reader := business.NewReader(b.store)
		defer reader.Close()
		before := b.pool.Stat().AcquireCount()
		var all sync.WaitGroup
		var shared [2 * n]campaign.SendContext
		var got [2 * n][]campaign.Message
		var failed [2 * n]error
		for i := range 2 * n {
			all.Go(func() {
				id := []uuid.UUID{first.ID, second.ID}[i%2]
				shared[i], got[i], failed[i] = reader.LoadMessages(t.Context(), id, i/2+1, i/2+1)
			})
		}
		all.Wait()
		require.Less(t, b.pool.Stat().AcquireCount()-before, int64(2*n), "each was read alone")
		for i := range 2 * n {
			require.NoError(t, failed[i])
			wantShared, want, err := b.store.LoadMessages(t.Context(), []uuid.UUID{first.ID, second.ID}[i%2], i/2+1, i/2+1)
			require.NoError(t, err)
			require.Equal(t, wantShared, shared[i])
			require.Equal(t, want, got[i])
		}
	})

	t.Run("AMessageThatIsNotThereIsNone", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c, _ := b.launched(t, 1)
		reader := business.NewReader(b.store)
		defer reader.Close()
		_, got, err := reader.LoadMessages(t.Context(), c.ID, 2, 2)
		require.NoError(t, err)
		require.Empty(t, got)
		_, got, err = reader.LoadMessages(t.Context(), uuid.New(), 1, 1)
		require.NoError(t, err)
		require.Empty(t, got)
	})

	t.Run("WhoGivesUpOrComesTooLateMayAskAgain", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c, _ := b.launched(t, 1)
		reader := business.NewReader(b.store)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, err := reader.LoadMessages(gone, c.ID, 1, 1)
		require.True(t, errs.Retryable(err), "%v", err)
		reader.Close()
		_, _, err = reader.LoadMessages(t.Context(), c.ID, 1, 1)
		require.True(t, errs.Retryable(err), "%v", err)
	})
}
