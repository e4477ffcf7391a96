package audit

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestFold(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		facts facts
		want  []string
	}{
		{"NothingKnownIsPending", facts{maxAttempts: 3}, []string{pending}},
		{"AcceptedIsSent", facts{attempts: []attempt{{1, retryable}, {2, accepted}}, maxAttempts: 3}, []string{sent}},
		{"RefusedForNowIsPending", facts{attempts: []attempt{{2, retryable}}, maxAttempts: 3}, []string{pending}},
		{"RefusedTooOftenIsFailed", facts{attempts: []attempt{{3, retryable}}, maxAttempts: 3}, []string{failed}},
		{"RefusedForGoodIsFailed", facts{attempts: []attempt{{1, permanent}}, maxAttempts: 3}, []string{failed}},
		{"GivenUpIsFailed", facts{attempts: []attempt{{1, expired}}, maxAttempts: 3}, []string{failed}},
		{"SkippedHasAReason", facts{hasSkipReason: true, maxAttempts: 3}, []string{skipped}},
		{"PendingMayBeCancelled", facts{maxAttempts: 3, wasCancelled: true}, []string{pending, cancelled}},
		{"AcceptedIsNeverCancelled", facts{attempts: []attempt{{1, accepted}}, wasCancelled: true}, []string{sent}},
		{
			"DeliveryBeatsFailure",
			facts{receipts: []receipt{{"b", failed, 1}, {"a", delivered, 1}}, attempts: []attempt{{1, permanent}}},
			[]string{delivered},
		},
		{"FailureBeatsAcceptance", facts{receipts: []receipt{{"b", failed, 1}}, attempts: []attempt{{1, accepted}}}, []string{failed}},
		{
			"GivenUpAndTriedAgain",
			facts{attempts: []attempt{{1, expired}}, maxAttempts: 3, rearmed: true},
			[]string{failed, pending, sent},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, fold(tt.facts))
		})
	}
}

func genFacts() *rapid.Generator[facts] {
	return rapid.Custom(func(t *rapid.T) facts {
		return facts{
			attempts: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) attempt {
				return attempt{
					number:  rapid.IntRange(1, 5).Draw(t, "number"),
					outcome: rapid.SampledFrom([]string{accepted, retryable, permanent, expired}).Draw(t, "outcome"),
				}
			}), 0, 6).Draw(t, "attempts"),
			receipts: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) receipt {
				return receipt{
					id:      rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "id"),
					status:  rapid.SampledFrom([]string{failed, delivered}).Draw(t, "status"),
					attempt: rapid.IntRange(1, 5).Draw(t, "attempt"),
				}
			}), 0, 4).Draw(t, "receipts"),
			maxAttempts:   rapid.IntRange(1, 6).Draw(t, "max"),
			hasSkipReason: rapid.Bool().Draw(t, "skip"),
			rearmed:       rapid.Bool().Draw(t, "rearmed"),
			wasCancelled:  rapid.Bool().Draw(t, "cancelled"),
		}
	})
}

// Order and copies of attempts and receipts change nothing.
func TestFoldIsOfSets(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := genFacts().Draw(t, "facts")
		mixed := f
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		mixed.attempts = slices.Concat(f.attempts, f.attempts[:len(f.attempts)/2])
		mixed.receipts = slices.Concat(f.receipts, f.receipts)
		random.Shuffle(len(mixed.attempts), func(i, j int) {
			mixed.attempts[i], mixed.attempts[j] = mixed.attempts[j], mixed.attempts[i]
		})
		random.Shuffle(len(mixed.receipts), func(i, j int) {
			mixed.receipts[i], mixed.receipts[j] = mixed.receipts[j], mixed.receipts[i]
		})
		require.Equal(t, fold(f), fold(mixed))
		require.Equal(t, f.answers(), mixed.answers())
		require.Equal(t, f.handedOver(), mixed.handedOver())
	})
}

// Nothing that is learnt later undoes a delivery, and the vendor's word only raises the status.
func TestFoldOnlyRises(t *testing.T) {
	t.Parallel()
	rank := map[string]int{pending: 0, skipped: 1, cancelled: 1, sent: 2, failed: 3, delivered: 4}
	rapid.Check(t, func(t *rapid.T) {
		f := genFacts().Draw(t, "facts")
		f.attempts = slices.DeleteFunc(f.attempts, func(a attempt) bool { return a.outcome != accepted })
		before := fold(f)
		f.receipts = append(slices.Clone(f.receipts), receipt{"z", rapid.SampledFrom([]string{failed, delivered}).Draw(t, "new"), 1})
		after := fold(f)
		require.Len(t, after, 1)
		for _, b := range before {
			require.GreaterOrEqual(t, rank[after[0]], rank[b])
		}
	})
}
