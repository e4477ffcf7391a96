package mock_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xencrm/xencrm/internal/vendor"
	"github.com/xencrm/xencrm/internal/vendors/mock"
)

func TestOutcome(t *testing.T) {
	t.Parallel()

	t.Run("IsPinnedForEver", func(t *testing.T) {
		t.Parallel()
		// Recomputed with Python's hashlib from the doc comment. A change here breaks every recorded run.
		const id = "6f1c2c1e-5b0a-5a83-9d2f-0d3b6a0f7a11"
		want := []vendor.Code{
			vendor.EmailBounced, vendor.RateLimited, vendor.EmailBounced, vendor.SpamDetected,
			vendor.EmailBounced, vendor.EmailBounced, vendor.TemporaryFailure, vendor.SpamDetected,
		}
		for n, code := range want {
			require.Equal(t, code, mock.Outcome(3, id, n+1, 0).Code)
		}
	})

	t.Run("RateZeroNeverAndRateOneAlwaysSucceeds", rapid.MakeCheck(func(t *rapid.T) {
		seed, id := rapid.Uint64().Draw(t, "seed"), rapid.String().Draw(t, "id")
		n := rapid.IntRange(1, 1000).Draw(t, "n")
		require.NotEmpty(t, mock.Outcome(seed, id, n, 0).Code)
		require.Empty(t, mock.Outcome(seed, id, n, 1).Code)
	}))

	t.Run("FailuresAreEquallyLikely", func(t *testing.T) {
		t.Parallel()
		const samples = 200_000
		counts := map[vendor.Code]int{}
		for i := range samples {
			counts[mock.Outcome(7, fmt.Sprintf("c-%d", i), 1, 0.9).Code]++
		}
		require.Len(t, counts, 7)
		within(t, samples, 0.9, float64(counts[""]))
		for code, n := range counts {
			if code != "" {
				within(t, samples, 0.1/6, float64(n))
			}
		}
	})
}

// within fails when got is not within four standard deviations of what samples draws of p give: by
// chance that is once in 16,000 seeds, and the seeds are fixed.
func within(t *testing.T, samples int, p, got float64) {
	t.Helper()
	n := float64(samples)
	require.InDelta(t, n*p, got, 4*math.Sqrt(n*p*(1-p)))
}

// exact gives the shares of delivered and failed messages and the sends per message. It computes the design's figures from the rules instead of repeating them: each attempt succeeds
// with 0.9, half of the failures are retryable, and three attempts are made.
func exact() (float64, float64, float64) {
	const success, retryable, permanent = 0.9, 0.05, 0.05
	var delivered, failed, sends float64
	reach := 1.0
	for range 3 {
		sends += reach
		delivered += reach * success
		failed += reach * permanent
		reach *= retryable
	}
	return delivered, failed + reach, sends
}

func TestPredict(t *testing.T) {
	t.Parallel()

	t.Run("ThreeAttemptsGiveTheDesignsFigures", func(t *testing.T) {
		t.Parallel()
		delivered, failed, sends := exact()
		require.InDelta(t, 0.94725, delivered, 1e-12)
		require.InDelta(t, 0.05275, failed, 1e-12)
		require.InDelta(t, 1.0525, sends, 1e-12)

		const samples = 200_000
		var ok, attempts int
		for i := range samples {
			p := mock.Predict(42, fmt.Sprintf("communication-%d", i), 3, 0.9)
			if p.Status == vendor.Delivered {
				ok++
				require.Empty(t, p.Code)
			} else {
				require.NotEmpty(t, p.Code)
			}
			attempts += p.Attempts
		}
		within(t, samples, delivered, float64(ok))
		within(t, samples, failed, float64(samples-ok))
		// Attempts beyond the first: mean 0.0525, variance E[x²]-mean² with x in {0,1,2}.
		variance := (0.05*0.95 + 4*0.05*0.05) - 0.0525*0.0525
		require.InDelta(t, samples*sends, float64(attempts), 4*math.Sqrt(samples*variance))
	})

	t.Run("FollowsTheOutcomesStepByStep", rapid.MakeCheck(func(t *rapid.T) {
		seed, id := rapid.Uint64().Draw(t, "seed"), rapid.StringN(1, 40, -1).Draw(t, "id")
		most := rapid.IntRange(1, 6).Draw(t, "most")
		p := mock.Predict(seed, id, most, 0.3)
		require.LessOrEqual(t, p.Attempts, most)
		for n := 1; n < p.Attempts; n++ {
			require.True(t, mock.Outcome(seed, id, n, 0.3).Retryable())
		}
		last := mock.Outcome(seed, id, p.Attempts, 0.3)
		require.Equal(t, last.Code, p.Code)
		require.Equal(t, last.Code == "", p.Status == vendor.Delivered)
		require.True(t, !last.Retryable() || p.Attempts == most)
	}))
}
