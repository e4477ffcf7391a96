package segment_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/segment"
	"github.com/xencrm/xencrm/internal/segment/segmenttest"
)

func one(field string, operator segment.Operator, value segment.Value) segment.Rules {
	return segment.Rules{{ID: "g", Operator: segment.And, Rules: []segment.Rule{
		{ID: "r", Field: field, Operator: operator, Value: value},
	}}}
}

func TestCompile(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name  string
		rules segment.Rules
		where string
		args  []any
	}{
		{
			name:  "BindsNumbersAsExactDecimals",
			rules: one("total_spend", segment.OpGreaterEqual, segment.NumberValue("1E3")),
			where: "((c.total_spend >= $1::text::numeric))", args: []any{"1000"},
		},
		{
			name:  "ComparesTextAsItIs",
			rules: one("status", segment.OpNotEqual, segment.TextValue("ACTIVE")),
			where: "((c.status <> $1::text))", args: []any{"ACTIVE"},
		},
		{
			name:  "SearchesLiterally",
			rules: one("name", segment.OpContains, segment.TextValue("50%_OFF")),
			where: `((strpos(lower(c.name COLLATE "C"), $1::text) > 0))`, args: []any{"50%_off"},
		},
		{
			name:  "CountsDaysFromTheGivenInstant",
			rules: one("days_since_last_order", segment.OpGreater, segment.TextValue("30")),
			where: "((floor(extract(epoch FROM ($1::timestamptz - c.last_order_at)) / 86400) > $2::text::numeric))",
			args:  []any{instant(), "30"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			where, args, err := segment.Compile(tt.rules, 1, instant())
			require.NoError(t, err)
			require.Equal(t, tt.where, where)
			require.Equal(t, tt.args, args)
		})
	}

	t.Run("NumbersPlaceholdersFromTheGivenOne", func(t *testing.T) {
		t.Parallel()
		where, _, err := segment.Compile(one("name", segment.OpEqual, segment.TextValue("a")), 4, instant())
		require.NoError(t, err)
		require.Equal(t, "((c.name = $4::text))", where)
		_, _, err = segment.Compile(one("name", segment.OpEqual, segment.TextValue("a")), 0, instant())
		require.True(t, errs.Is(err, errs.Internal))
	})

	t.Run("D10RefusesToCompileAnEmptyGroup", func(t *testing.T) {
		t.Parallel()
		for _, rules := range []segment.Rules{nil, {}, {{Operator: segment.And}}} {
			_, _, err := segment.Compile(rules, 1, instant())
			require.True(t, errs.Is(err, errs.Invalid))
			require.False(t, segment.Eval(rules, segment.Row{}, instant()))
		}
	})

	t.Run("D4PutsNoClientTextIntoSQL", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			rules := segmenttest.Rules().Draw(t, "rules")
			where, _, err := segment.Compile(rules, 1, instant())
			require.NoError(t, err)
			require.Regexp(t, `^[a-z_()$0-9:<>=., +/A-Z"-]+$`, where)
			require.NotContains(t, where, "--")
		})
	})
}
