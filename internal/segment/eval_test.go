package segment_test

import (
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/segment"
)

func TestEval(t *testing.T) {
	t.Parallel()
	spend := decimal.RequireFromString("5000.10")
	visits, orders := int32(3), int32(0)
	name, email, status := "Élodie O'Brien", "e@x.io", "ACTIVE"
	last := instant().Add(-31 * 24 * time.Hour)
	full := segment.Row{
		Name: &name, Email: &email, Status: &status, TotalSpend: &spend,
		TotalVisits: &visits, TotalOrders: &orders, LastOrderAt: &last,
	}
	future := instant().Add(time.Microsecond)

	tests := []struct {
		name     string
		row      segment.Row
		field    string
		operator segment.Operator
		value    string
		want     bool
	}{
		{"ComparesMoneyExactly", full, "total_spend", segment.OpEqual, "5000.1", true},
		{"ComparesAFractionWithAWholeNumber", full, "total_visits", segment.OpGreater, "2.5", true},
		{"NullNeverMatchesNotEqual", segment.Row{}, "name", segment.OpNotEqual, "x", false},
		{"NullNeverMatchesNotContains", segment.Row{}, "name", segment.OpNotContains, "x", false},
		{"NullNumberNeverMatches", segment.Row{}, "total_spend", segment.OpNotEqual, "1", false},
		{"ZeroIsNotNull", full, "total_orders", segment.OpEqual, "0", true},
		{"EqualsMindsCase", full, "name", segment.OpEqual, "élodie o'brien", false},
		{"ContainsIgnoresCase", full, "name", segment.OpContains, "ÉLODIE o'b", true},
		{"StartsWithIgnoresCase", full, "name", segment.OpStartsWith, "éLO", true},
		{"EndsWithIgnoresCase", full, "name", segment.OpEndsWith, "BRIEN", true},
		{"PercentIsACharacter", full, "name", segment.OpContains, "%", false},
		{"UnderscoreIsACharacter", full, "name", segment.OpStartsWith, "_", false},
		{"D14CountsDaysNow", full, "days_since_last_order", segment.OpEqual, "31", true},
		{"NeverOrderedHasNoDays", segment.Row{}, "days_since_last_order", segment.OpGreater, "-5", false},
		{"FutureOrderIsMinusOneDay", segment.Row{LastOrderAt: &future}, "days_since_last_order", segment.OpEqual, "-1", true},
		{"UnknownFieldMatchesNobody", full, "phone", segment.OpNotEqual, "1", false},
		{"EmptySearchMatchesNobody", full, "name", segment.OpContains, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rules := one(tt.field, tt.operator, segment.TextValue(tt.value))
			require.Equal(t, tt.want, segment.Eval(rules, tt.row, instant()))
		})
	}

	t.Run("GroupsAreAlternatives", func(t *testing.T) {
		t.Parallel()
		no := one("name", segment.OpEqual, segment.TextValue("nobody"))
		yes := one("status", segment.OpEqual, segment.TextValue("ACTIVE"))
		require.True(t, segment.Eval(append(no, yes...), full, instant()))
		both := append(append([]segment.Rule{}, no[0].Rules...), yes[0].Rules...)
		require.False(t, segment.Eval(segment.Rules{{Operator: segment.And, Rules: both}}, full, instant()))
		require.True(t, segment.Eval(segment.Rules{{Operator: segment.Or, Rules: both}}, full, instant()))
	})
}
