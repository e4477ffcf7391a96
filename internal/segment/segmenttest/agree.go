package segmenttest

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/segment"
)

// Sizes of the standard check: enough trees for every pair of operator and nasty text to meet.
const (
	agreeTrees = 500
	agreeRows  = 300
)

// Customers gives the customers that Agree asks about. Store them in customers_mv as they are,
// in any order, and remember each one's index; the same ones come on every call.
func Customers() []segment.Row {
	rows := make([]segment.Row, 0, agreeRows+len(NastyTexts()))
	for _, text := range NastyTexts() {
		rows = append(rows, segment.Row{Name: &text, Email: &text})
	}
	for seed := range agreeRows {
		rows = append(rows, Rows().Example(seed))
	}
	return rows
}

// Agree compiles 500 random rule trees and requires that run, which executes the condition on a
// database that holds Customers, finds exactly the indexes for which segment.Eval is true.
// Placeholders start at $1 and the table's alias is c. The order of the indexes does not matter.
func Agree(t *testing.T, run func(where string, args []any) (indexes []int)) {
	t.Helper()
	rows := Customers()
	for seed := range agreeTrees {
		rules := Rules().Example(seed)
		where, args, err := segment.Compile(rules, 1, Now())
		require.NoError(t, err, "seed %d", seed)
		want := []int{}
		for i, row := range rows {
			if segment.Eval(rules, row, Now()) {
				want = append(want, i)
			}
		}
		text, err := json.Marshal(rules)
		require.NoError(t, err)
		require.ElementsMatch(t, want, run(where, args),
			"seed %d\nrules %s\nwhere %s\nargs %q", seed, text, where, args)
	}
}
