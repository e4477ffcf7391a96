package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/cursor"
)

func TestListsByCursor(t *testing.T) {
	t.Parallel()
	// next is where a list that is asked for goes on.
	next := func(t *testing.T, b *bundle, target string) string {
		t.Helper()
		w := b.call(t, http.MethodGet, target, "")
		require.Equal(t, http.StatusOK, w.Code, w.Body)
		var page struct {
			NextCursor string `json:"next_cursor"`
		}
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &page))
		return page.NextCursor
	}

	t.Run("GoOnFromANumberedPageWhereItEnded", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		always(b)
		var after cursor.Position
		var limit int
		b.campaigns.listAfter = func(_ context.Context, p cursor.Position, n int) (cursor.Page[campaign.Campaign], error) {
			after, limit = p, n
			return cursor.Page[campaign.Campaign]{}, nil
		}
		at := next(t, b, "/api/campaigns?page=1&limit=2") // of twelve
		require.Empty(t, next(t, b, "/api/campaigns?limit=1000&cursor="+at))
		require.Equal(t, aDraft().Position(), after) // the last of the page
		require.Equal(t, 100, limit)
	})

	t.Run("EndWithTheLastNumberedPage", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		always(b)
		require.Empty(t, next(t, b, "/api/campaigns?page=6&limit=2"))
	})

	t.Run("OfSegmentsGoOnToo", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		always(b)
		at := next(t, b, "/api/segments?limit=1")
		var after cursor.Position
		b.segments.listAfter = func(_ context.Context, p cursor.Position, n int) (cursor.Page[campaign.Segment], error) {
			after = p
			require.Equal(t, 10, n)
			return cursor.Page[campaign.Segment]{}, nil
		}
		require.Empty(t, next(t, b, "/api/segments?cursor="+at))
		require.Equal(t, aSegment().Position(), after)
	})

	t.Run("RefuseWhatIsNotTheirs", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		always(b)
		campaigns, segments := next(t, b, "/api/campaigns?page=1&limit=2"), next(t, b, "/api/segments?limit=1")
		for _, target := range []string{
			"/api/campaigns?cursor=" + segments, "/api/segments?cursor=" + campaigns, "/api/campaigns?cursor=x",
			"/api/campaigns?page=1&cursor=" + campaigns, "/api/campaigns?limit=0&cursor=" + campaigns, "/api/segments?limit=x",
			"/api/campaigns?cursor=" + cursor.Encode(cursor.Position{Key: "yesterday"}, "campaigns"),
		} {
			require.Equal(t, http.StatusBadRequest, b.call(t, http.MethodGet, target, "").Code, target)
		}
	})

	t.Run("KeepThePlaceToTheMicrosecond", func(t *testing.T) {
		t.Parallel()
		c := aCampaign()
		c.CreatedAt = time.Date(2025, 9, 14, 17, 30, 0, 123_456_000, time.FixedZone("IST", 19800))
		at, id, err := campaign.NewestBefore(c.Position())
		require.NoError(t, err)
		require.True(t, c.CreatedAt.Equal(at))
		require.Equal(t, c.ID, id)
	})
}
