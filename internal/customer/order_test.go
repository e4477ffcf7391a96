package customer

import (
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xencrm/xencrm/internal/errs"
)

func statuses() []OrderStatus {
	return []OrderStatus{OrderPending, OrderCompleted, OrderCancelled, OrderRefunded}
}

// Posts of one order give the same result in whatever order, and however often, they arrive.
func TestRepostsCommute(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		posts := rapid.SliceOfN(rapid.SampledFrom(statuses()), 1, 8).Draw(t, "posts")
		final := func(posts []OrderStatus) (OrderStatus, int) {
			o := &Order{Amount: decimal.NewFromInt(5), Status: posts[0]}
			counted := o.counts()
			for _, s := range posts[1:] {
				delta, err := o.Repost(uuid.Nil, OrderInput{Amount: decimal.New(500, -2), Status: s})
				require.NoError(t, err)
				counted += delta
				require.Contains(t, []int{0, 1}, counted)
			}
			require.Equal(t, o.counts(), counted)
			return o.Status, counted
		}
		wantStatus, wantCount := final(posts)
		shuffled := append(append([]OrderStatus{}, posts...), posts...)
		rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		status, count := final(shuffled)
		require.Equal(t, wantStatus, status)
		require.Equal(t, wantCount, count)
	})
}

func TestRepostRefusesAnotherAmountOrCustomer(t *testing.T) {
	t.Parallel()
	o := Order{CustomerID: uuid.New(), Amount: decimal.NewFromInt(5), Status: OrderPending}
	_, err := o.Repost(o.CustomerID, OrderInput{Amount: decimal.NewFromInt(6), Status: OrderCompleted})
	require.True(t, errs.Is(err, errs.Conflict))
	_, err = o.Repost(uuid.New(), OrderInput{Amount: decimal.NewFromInt(5), Status: OrderCompleted})
	require.True(t, errs.Is(err, errs.Conflict))
	require.Equal(t, OrderPending, o.Status)
}
