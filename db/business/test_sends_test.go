package business_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
)

func TestTestSends(t *testing.T) {
	t.Parallel()

	t.Run("AreSoManyAnHourOfEachPrincipalAlsoSideBySide", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		const limit, tried = 3, 10
		outcomes := make([]error, tried)
		var all sync.WaitGroup
		for i := range tried {
			all.Go(func() { outcomes[i] = b.store.BeginTestSend(t.Context(), uuid.New(), "asha", limit, time.Hour) })
		}
		all.Wait()
		taken := 0
		for _, err := range outcomes {
			if err == nil {
				taken++
				continue
			}
			require.True(t, errs.Is(err, errs.RateLimited), err)
		}
		require.Equal(t, limit, taken)
		require.NoError(t, b.store.BeginTestSend(t.Context(), uuid.New(), "ravi", limit, time.Hour))
		require.NoError(t, b.store.BeginTestSend(t.Context(), uuid.New(), "asha", limit, time.Nanosecond), "the hour is over")
	})
	t.Run("OneThatWasBegunTakesNoOther", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		id := uuid.New()
		for range 3 {
			require.NoError(t, b.store.BeginTestSend(t.Context(), id, "asha", 1, time.Hour))
		}
	})
	t.Run("TheirReceiptsAreKnownAndOfNoCampaign", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		id, stranger := uuid.New(), uuid.New()
		require.NoError(t, b.store.BeginTestSend(t.Context(), id, "asha", 20, time.Hour))
		receipt := func(of uuid.UUID) campaign.Receipt {
			return campaign.Receipt{ReceiptID: uuid.New(), CommunicationID: of, Attempt: 1, VendorRef: "v", Delivered: true, OccurredAt: time.Now()}
		}
		for range 2 { // vendors repeat themselves
			books, unknown, err := b.store.ApplyReceipts(t.Context(), []campaign.Receipt{receipt(id), receipt(stranger)})
			require.NoError(t, err)
			require.Empty(t, books)
			require.Len(t, unknown, 1)
			require.Equal(t, stranger, unknown[0].CommunicationID)
		}
		var delivered bool
		require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT delivered FROM test_sends").Scan(&delivered))
		require.True(t, delivered)
	})
	t.Run("ASuppressedAddressIsKnown", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, _, err := b.store.Suppress(t.Context(), campaign.Suppression{Email: "asha@shop.in", Reason: campaign.SuppressedManual, CreatedBy: "t"})
		require.NoError(t, err)
		for email, want := range map[string]bool{"asha@shop.in": true, "ravi@shop.in": false} {
			got, err := b.store.IsSuppressed(t.Context(), email)
			require.NoError(t, err)
			require.Equal(t, want, got, email)
		}
	})
	t.Run("ACustomersDataAreThoseOfTheProjection", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(t, 1)
		var id uuid.UUID
		require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT customer_id FROM customers_mv").Scan(&id))
		got, err := b.store.ExampleRecipient(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, "User 1", *got.Name)
		_, err = b.store.ExampleRecipient(t.Context(), uuid.New())
		require.True(t, errs.Is(err, errs.NotFound))
	})
}
