package business_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/errs"
)

// TestListsByCursor walks lists of which several were made in one instant, while more are made.
func TestListsByCursor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const n = 7
	for range n {
		b.campaign(t, everyone) // and its segment
	}
	// Two instants for all of them, so that most pages end within one.
	for _, table := range []string{"campaigns", "segments"} {
		_, err := b.pool.Exec(t.Context(), `UPDATE `+table+` SET created_at = date_trunc('hour', created_at) + interval '1 microsecond' *
			(SELECT count(*) % 2 FROM `+table+` o WHERE o.created_at < `+table+`.created_at)`)
		require.NoError(t, err)
	}
	campaigns, err := b.store.AllCampaigns(t.Context(), n)
	require.NoError(t, err)
	segments, err := b.store.Segments(t.Context())
	require.NoError(t, err)

	walk := func(limit int, page func(after cursor.Position) ([]uuid.UUID, cursor.Position)) []uuid.UUID {
		var all []uuid.UUID
		var after cursor.Position
		for {
			ids, next := page(after)
			require.LessOrEqual(t, len(ids), limit)
			all = append(all, ids...)
			b.campaign(t, everyone) // newer than the page, so it neither repeats nor hides anything
			if next.IsZero() {
				return all
			}
			after = next
		}
	}
	campaignList := campaign.NewService(campaign.Deps{Store: b.store})
	segmentList := campaign.NewSegments(b.store, b.store)
	for limit := 1; limit <= n; limit++ {
		ids := walk(limit, func(after cursor.Position) ([]uuid.UUID, cursor.Position) {
			page, err := campaignList.ListAfter(t.Context(), after, limit)
			require.NoError(t, err)
			return idsOf(page.Items, func(c campaign.Campaign) uuid.UUID { return c.ID }), page.Next
		})
		requireTail(t, idsOf(campaigns, func(c campaign.Campaign) uuid.UUID { return c.ID }), ids)
		ids = walk(limit, func(after cursor.Position) ([]uuid.UUID, cursor.Position) {
			page, err := segmentList.ListAfter(t.Context(), after, limit)
			require.NoError(t, err)
			return idsOf(page.Items, func(s campaign.Segment) uuid.UUID { return s.ID }), page.Next
		})
		requireTail(t, idsOf(segments, func(s campaign.Segment) uuid.UUID { return s.ID }), ids)
	}

	t.Run("RefuseAPositionOfAnotherKind", func(t *testing.T) {
		t.Parallel()
		for _, list := range []func(context.Context, cursor.Position, int) error{
			func(ctx context.Context, p cursor.Position, n int) error {
				_, err := campaignList.ListAfter(ctx, p, n)
				return err
			},
			func(ctx context.Context, p cursor.Position, n int) error {
				_, err := segmentList.ListAfter(ctx, p, n)
				return err
			},
		} {
			require.True(t, errs.Is(list(t.Context(), cursor.Position{Key: "x"}, 1), errs.Invalid))
		}
	})
}

func idsOf[T any](items []T, id func(T) uuid.UUID) []uuid.UUID {
	out := make([]uuid.UUID, len(items))
	for i, item := range items {
		out[i] = id(item)
	}
	return out
}

// requireTail wants a walk to have met nothing twice and to end with all that was there from the start.
func requireTail(t *testing.T, want, walked []uuid.UUID) {
	t.Helper()
	require.GreaterOrEqual(t, len(walked), len(want))
	require.Equal(t, want, walked[len(walked)-len(want):])
	seen := slices.Clone(walked)
	slices.SortFunc(seen, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	require.Len(t, slices.Compact(seen), len(walked))
}
