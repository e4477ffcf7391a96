package segmenttest_test

import (
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xencrm/xencrm/internal/segment"
	"github.com/xencrm/xencrm/internal/segment/segmenttest"
)

func TestRules(t *testing.T) {
	t.Parallel()

	t.Run("AreAlwaysValid", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			require.NoError(t, segmenttest.Rules().Draw(t, "rules").Validate())
		})
	})

	t.Run("TellCustomersApart", func(t *testing.T) {
		t.Parallel()
		customers := segmenttest.Customers()
		telling := 0
		for seed := range 200 {
			rules, found := segmenttest.Rules().Example(seed), 0
			for _, customer := range customers {
				if segment.Eval(rules, customer, segmenttest.Now()) {
					found++
				}
			}
			if found > 0 && found < len(customers) {
				telling++
			}
		}
		require.Greater(t, telling, 120)
	})
}

func TestCustomers(t *testing.T) {
	t.Parallel()
	customers, again := segmenttest.Customers(), segmenttest.Customers()
	require.Equal(t, customers, again)
	for _, customer := range customers {
		if customer.Name != nil {
			require.LessOrEqual(t, utf8.RuneCountInString(*customer.Name), 255)
		}
	}
}
