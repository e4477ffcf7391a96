package segment_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/segment"
)

func TestFields(t *testing.T) {
	t.Parallel()

	t.Run("EveryListedOperatorIsAccepted", func(t *testing.T) {
		t.Parallel()
		for _, field := range segment.Fields() {
			require.NotEmpty(t, field.Label)
			require.NotEmpty(t, field.Description)
			value := segment.TextValue("5")
			if len(field.Values) > 0 {
				value = segment.TextValue(field.Values[0])
			}
			for _, operator := range field.Operators {
				_, _, err := segment.Compile(one(field.Name, operator, value), 1, instant())
				require.NoError(t, err, "%s %s", field.Name, operator)
			}
		}
	})

	t.Run("AreTheReferenceFrontends", func(t *testing.T) {
		t.Parallel()
		names := []string{}
		for _, field := range segment.Fields() {
			names = append(names, field.Name)
		}
		require.Equal(t, []string{
			"total_spend", "total_visits", "total_orders", "days_since_last_order", "status", "name", "email",
		}, names)
	})
}

func TestExplain(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, literal, want string }{
		{"Small", "999", "total spend is over ₹999"},
		{"Thousands", "5000", "total spend is over ₹5,000"},
		{"Lakhs", "1234567.50", "total spend is over ₹12,34,567.5"},
		{"Negative", "-100000", "total spend is over -₹1,00,000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rules := one("total_spend", segment.OpGreater, segment.NumberValue(tt.literal))
			require.Equal(t, tt.want, segment.Explain(rules))
		})
	}
	t.Run("NoRulesAreNobody", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, "nobody", segment.Explain(nil))
	})
}
