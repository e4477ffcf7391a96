package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xencrm/xencrm/activities"
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

// TestPacerHoldsItsRate asks at random moments, as far apart as late timers make them, and counts what falls
// into any ten seconds.
func TestPacerHoldsItsRate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const window, tolerance, whole = 10 * time.Second, 0.05, 30 * time.Second
		rate := rapid.Float64Range(0.5, 2000).Draw(t, "rate")
		begin := time.Unix(0, 0)
		p := pacer{}
		p.setRate(rate, begin)
		var sent []time.Time
		for now := begin; now.Before(begin.Add(whole)); {
			for due, ok := p.plan(1, now); ok; due, ok = p.plan(1, now) {
				if due.Before(now) {
					due = now
				}
				require.LessOrEqual(t, due.Sub(now), activities.MostAhead)
				sent = append(sent, due)
			}
			require.GreaterOrEqual(t, p.wait(now), paceTick)
			late := time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "late"))
			now = now.Add(p.wait(now) + late)
		}
		first := 0
		for i, at := range sent {
			for at.Sub(sent[first]) > window {
				first++
			}
			// The one at the border, and the one that the lane begins with.
			require.LessOrEqual(t, float64(i-first+1), rate*window.Seconds()*(1+tolerance)+2)
		}
		require.GreaterOrEqual(t, float64(len(sent)), rate*whole.Seconds()*(1-tolerance)-1)
	})
}

func TestPacer(t *testing.T) {
	t.Parallel()
	begin := time.Unix(1000, 0)

	t.Run("WithoutARateNothingWaits", func(t *testing.T) {
		t.Parallel()
		p := pacer{}
		p.setRate(0, begin)
		due, ok := p.plan(1, begin)
		require.True(t, ok)
		require.True(t, due.IsZero())
	})

	t.Run("ADelayIsCaughtUpForHalfASecondAndNoMore", func(t *testing.T) {
		t.Parallel()
		p := pacer{}
		p.setRate(10, begin)
		late := begin.Add(time.Hour)
		at := 0
		for due, ok := p.plan(1, late); ok && !due.After(late); due, ok = p.plan(1, late) {
			at++
		}
		require.Equal(t, 6, at, "five of half a second, and the one that is due now")
	})

	t.Run("ANewRateCountsFromWhatWasPlanned", func(t *testing.T) {
		t.Parallel()
		p := pacer{}
		p.setRate(10, begin)
		first, _ := p.plan(1, begin)
		p.setRate(1, begin)
		second, _ := p.plan(1, begin)
		require.Equal(t, 100*time.Millisecond, second.Sub(first), "the first one's gap stands")
		third, _ := p.plan(1, begin)
		require.Equal(t, time.Second, third.Sub(second))
	})

	t.Run("TurnsThatWereGivenBackAreTakenAgain", func(t *testing.T) {
		t.Parallel()
		p := pacer{}
		p.setRate(10, begin)
		due, _ := p.plan(10, begin)
		p.giveBack(10)
		again, _ := p.plan(1, begin)
		require.Equal(t, due, again)
	})
}
