package activities

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
)

// longMessages gives pages of messages as long as a message may be.
type longMessages struct{ body string }

func (l longMessages) LoadMessages(
	_ context.Context, _ uuid.UUID, first, last int,
) (campaign.SendContext, []campaign.Message, error) {
	var out []campaign.Message
	for seq := first; seq <= last; seq++ {
		out = append(out, campaign.Message{Seq: seq, Body: l.body})
	}
	return campaign.SendContext{}, out, nil
}

func (longMessages) PendingSeqs(context.Context, uuid.UUID, int, int) ([]int, error) { return nil, nil }

func TestPageCache(t *testing.T) {
	t.Parallel()

	t.Run("IsBoundedByBytes", func(t *testing.T) {
		t.Parallel()
		c := newPageCache(longMessages{strings.Repeat("x", 20<<10)}, time.Now)
		for page := range 100 {
			_, m, ok, err := c.message(t.Context(), uuid.Nil, page*pageSize+1)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, page*pageSize+1, m.Seq)
			require.LessOrEqual(t, c.bytes, maxCached)
		}
		require.Len(t, c.pages, c.order.Len())
		require.Positive(t, c.order.Len())
	})

	t.Run("ForgetsWhatIsOld", func(t *testing.T) {
		t.Parallel()
		now := time.Now()
		c := newPageCache(longMessages{"x"}, func() time.Time { return now })
		_, _, _, err := c.message(t.Context(), uuid.Nil, 1)
		require.NoError(t, err)
		require.NotNil(t, c.lookup(pageKey{uuid.Nil, 0}))
		now = now.Add(pageLife + time.Second)
		require.Nil(t, c.lookup(pageKey{uuid.Nil, 0}))
		require.Zero(t, c.bytes)
	})
}
