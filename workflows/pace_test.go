package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSplitCoversTheAudienceExactly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(inlineLimit+1, 2_000_000).Draw(t, "n")
		size := rapid.SampledFrom([]int{0, 1, 100, 500}).Draw(t, "page size")
		ranges := split(n, size)
		require.GreaterOrEqual(t, len(ranges), minLanes)
		require.LessOrEqual(t, len(ranges), maxLanes)
		next := 1
		for _, r := range ranges {
			require.Equal(t, next, r.First)
			require.False(t, r.empty())
			next = r.Last + 1
		}
		require.Equal(t, n+1, next)
	})
}

// TestPacerHoldsItsRate asks at random moments and counts the permissions of any ten seconds.
func TestPacerHoldsItsRate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const window, tolerance = 10 * time.Second, 0.05
		rate := rapid.Float64Range(0.5, 2000).Draw(t, "rate")
		now := time.Unix(0, 0)
		p := pacer{}
		p.setRate(rate, now)
		var granted []time.Time
		end := now.Add(30 * time.Second)
		for now.Before(end) {
			for p.take(now) {
				granted = append(granted, now)
			}
			step := rapid.Int64Range(int64(time.Millisecond), int64(400*time.Millisecond)).Draw(t, "step")
			now = now.Add(time.Duration(step))
		}
		first := 0
		for i, at := range granted {
			for at.Sub(granted[first]) > window {
				first++
			}
			// The one at the border, and the one that may be saved up.
			require.LessOrEqual(t, float64(i-first+1), rate*window.Seconds()*(1+tolerance)+2)
		}
		require.GreaterOrEqual(t, float64(len(granted)), rate*30*(1-tolerance)-1)
	})
}
